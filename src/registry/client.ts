/**
 * Requests to one endpoint: with its certificates and headers, with who asks, following redirects, and again when the
 * registry or the network had a bad moment.
 */
import { asArray, asObject, asOptionalString, field, parseJsonDocument } from '../spec/image-json.ts';
import { Authenticator, wrongCredentials } from './authentication.ts';
import type { Credentials } from './credentials.ts';
import type { Endpoint } from './endpoint.ts';
import { ExchangeError, isNotTls, shown } from './errors.ts';
import {
  type HttpAnswer,
  HttpClient,
  type HttpOptions,
  type HttpRequest,
  readWhole,
  type Trust,
} from './http.ts';
import { backOffMs, type RetryLimits, retryAfterMs, wait } from './retry.ts';
import { trustOf } from './trust.ts';

export interface ClientOptions extends HttpOptions {
  readonly retry: RetryLimits;
  /** The registry's name as the user knows it. */
  readonly registry: string;
  readonly credentials: (registry: string) => Promise<Credentials>;
}

export interface RegistryRequest {
  readonly method: HttpRequest['method'];
  /** Below the root of the API, or a location that the registry gave. */
  readonly path: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Called for each attempt. */
  readonly body?: () => Buffer | AsyncIterable<Buffer>;
  /** What a token must allow: `repository:library/busybox:pull`. */
  readonly scopes: readonly string[];
  /** Any other status becomes an error. */
  readonly expect: readonly number[];
  /** False when asking a second time could do something twice, or the caller asks again itself. */
  readonly again?: boolean;
}

const MAX_REDIRECTS = 10;
const MAX_ERROR_BYTES = 64 * 1024;
const TRANSIENT: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

export class RegistryClient implements Disposable {
  readonly endpoint: Endpoint;
  readonly #options: ClientOptions;
  readonly #http: HttpClient;
  readonly #authenticator: Authenticator;
  /** The endpoint's host, with the scheme it turned out to speak. */
  #base: URL;
  #trust: { readonly own: Trust; readonly elsewhere: Trust } | undefined;

  constructor(endpoint: Endpoint, options: ClientOptions) {
    this.endpoint = endpoint;
    this.#options = options;
    this.#http = new HttpClient(options);
    this.#base = endpoint.base;
    const name = endpoint.isMirror ? endpoint.base.host : options.registry;
    const client = this;
    let credentials: Promise<Credentials> | undefined;
    this.#authenticator = new Authenticator({
      http: this.#http,
      get trust() {
        return client.#trustFor(client.#base);
      },
      registry: name,
      credentials: () => (credentials ??= options.credentials(name)),
    });
  }

  /** The host that is asked, for messages. */
  get host(): string {
    return this.endpoint.isMirror ? this.endpoint.base.host : this.#options.registry;
  }

  /** Throws {@link ExchangeError}. */
  async send(request: RegistryRequest): Promise<HttpAnswer> {
    const { retry, signal } = this.#options;
    const attempts = request.again === false ? 1 : retry.attempts;
    for (let n = 1; ; n++) {
      let delayMs = backOffMs(retry, n);
      try {
        const answer = await this.#sendAuthenticated(request);
        if (request.expect.includes(answer.status)) return answer;
        const asked = retryAfterMs(answer.headers['retry-after'], Date.now());
        const error = await this.#refusal(answer, request);
        if (!error.transient || n >= attempts || (asked ?? 0) > retry.longestDelayMs) throw error;
        delayMs = asked ?? delayMs;
      } catch (error) {
        if (!(error instanceof ExchangeError && error.transient) || n >= attempts) throw error;
      }
      await wait(delayMs, signal);
    }
  }

  /** A second time when the registry asks who we are; plain when this machine's registry does not speak TLS. */
  async #sendAuthenticated(request: RegistryRequest): Promise<HttpAnswer> {
    const { scopes } = request;
    const sent = await this.#authenticator.authorization(scopes);
    const tried = this.#base.protocol; // requests at the same time may find it out together
    const answer = await this.#sendOnce(request, sent).catch((error: unknown) => {
      if (!this.endpoint.maybePlain || tried !== 'https:' || !isNotTls(error)) throw error;
      this.#base = new URL(this.#base.href.replace(/^https:/, 'http:'));
      return this.#sendOnce(request, sent);
    });
    if (answer.status !== 401 || answer.url.origin !== this.#base.origin) return answer;
    if (!(await this.#authenticator.accept(answer, scopes, sent))) return answer;
    await readWhole(answer, MAX_ERROR_BYTES);
    return this.#sendOnce(request, await this.#authenticator.authorization(scopes));
  }

  /** Follows redirects of what is read. What is meant for the registry alone is not sent to where they lead. */
  async #sendOnce(request: RegistryRequest, authorization: string | undefined): Promise<HttpAnswer> {
    let url = this.#resolve(request.path);
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const own = url.origin === this.#base.origin;
      const trust = this.#trustFor(url);
      const body = request.body?.();
      const answer = await this.#http.send({
        method: request.method,
        url,
        headers: {
          ...(own ? this.endpoint.headers : {}),
          ...request.headers,
          ...(own && authorization !== undefined ? { authorization } : {}),
        },
        ...(body === undefined ? {} : { body }),
        ...(trust ? { trust } : {}),
      });
      const location = answer.headers.location;
      if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined) return answer;
      answer.drop();
      url = this.#redirected(url, location);
    }
    throw new ExchangeError(
      'REGISTRY_ANSWER',
      `Cannot use ${this.host}: it redirects more than ${MAX_REDIRECTS} times`,
    );
  }

  #redirected(from: URL, location: string): URL {
    const to = URL.canParse(location, from) ? new URL(location, from) : undefined;
    if (to && (to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:'))) return to;
    throw new ExchangeError(
      'REGISTRY_ANSWER',
      `Cannot follow ${from.host}: it redirects to ${JSON.stringify(shown(location))}, which is ${to ? 'asked without TLS' : 'no URL'}`,
      { hint: 'tell the people who run the registry' },
    );
  }

  #resolve(path: string | URL): URL {
    if (path instanceof URL) return path;
    const url = new URL(`${this.#base.href.replace(/\/$/, '')}/${path}`); // `/v2/` itself when there is no path
    // A mirror of several registries must be told which of them is meant: containerd's `ns`.
    if (this.endpoint.isMirror) url.searchParams.set('ns', this.#options.registry);
    return url;
  }

  #trustFor(url: URL): Trust | undefined {
    if (url.protocol !== 'https:') return undefined;
    const { env } = this.#options;
    this.#trust ??= { own: trustOf(this.endpoint, env, false), elsewhere: trustOf(this.endpoint, env, true) };
    return url.origin === this.#base.origin ? this.#trust.own : this.#trust.elsewhere;
  }

  /** The error that an unexpected answer stands for. */
  async #refusal(answer: HttpAnswer, request: RegistryRequest): Promise<ExchangeError> {
    const body = await readWhole(answer, MAX_ERROR_BYTES);
    const { status } = answer;
    const said = errorsIn(body ?? Buffer.alloc(0));
    const words = said.length > 0 ? `: ${said.join('; ')}` : '';
    const what = `${request.method} ${answer.url.pathname}`;
    if (status === 401) {
      const credentials = await this.#options.credentials(this.host);
      return wrongCredentials(this.host, credentials);
    }
    if (status === 403)
      return new ExchangeError('REGISTRY_DENIED', `${this.host} denies ${what}${words}`, {
        hint: `\`tsrun login ${this.host}\` as somebody who may`,
      });
    if (status === 404)
      return new ExchangeError('REGISTRY_NOT_FOUND', `${this.host} has no ${answer.url.pathname}${words}`);
    if (status === 429) {
      const asked = retryAfterMs(answer.headers['retry-after'], Date.now());
      return new ExchangeError(
        'REGISTRY_RATE_LIMIT',
        `${this.host} has had too many requests from here${words}`,
        {
          hint: `${asked === undefined ? 'wait' : `wait ${Math.ceil(asked / 1000)} seconds`}, or \`tsrun login ${this.host}\`: the limit is often higher then`,
          transient: true,
        },
      );
    }
    return new ExchangeError(
      'REGISTRY_ANSWER',
      `${this.host} answered ${what} with status ${status}${words}`,
      {
        transient: TRANSIENT.has(status),
        status,
      },
    );
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
  }
}

/** `{"errors": [{"code", "message"}]}`, OCI Distribution Specification, error codes. Anything else says nothing. */
function errorsIn(body: Buffer): readonly string[] {
  try {
    const object = asObject(parseJsonDocument(body, 'the error'), 'the error');
    return asArray(field(object, 'errors') ?? [], 'the error', (value, what) => {
      const error = asObject(value, what);
      const code = asOptionalString(field(error, 'code'), what);
      const message = asOptionalString(field(error, 'message'), what);
      return shown([code, message].filter(Boolean).join(' '));
    }).slice(0, 3);
  } catch {
    return [];
  }
}
