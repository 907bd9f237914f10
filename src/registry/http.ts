/**
 * HTTP as registries need it, over node:http and node:https: nothing that is asked for waits for ever, a body is read no
 * faster than it is written, and connections are used again. Built-in fetch has neither own certificates nor proxies per
 * request, and takes longer to load.
 */
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request as sendPlain } from 'node:http';
import { Agent as SecureAgent, request as sendSecure } from 'node:https';
import type { SecureContext } from 'node:tls';
import { TsrunError } from '../lib/errors.ts';
import { connectionFailed, type ExchangeError, timedOut } from './errors.ts';
import { proxyFor } from './proxy.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** A stream needs a Content-Length among the headers. */
  readonly body?: Buffer | AsyncIterable<Buffer>;
  readonly trust?: Trust;
}

/** Whom a TLS connection believes, and what it shows of itself. */
export interface Trust {
  readonly context: SecureContext;
  /** False takes any certificate: only where the configuration says so. */
  readonly verify: boolean;
}

export interface HttpAnswer {
  /** Where it came from. */
  readonly url: URL;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Must be read to its end, or given back. */
  readonly body: AsyncIterable<Buffer>;
  /** Ends the connection without reading what may be a long body. */
  drop(): void;
}

export interface HttpOptions {
  /** For proxies. */
  readonly env: NodeJS.ProcessEnv;
  /** How long nothing may come: until the answer begins, and between pieces of its body. */
  readonly idleMs: number;
  readonly signal?: AbortSignal | undefined;
}

const MAX_CONNECTIONS = 8;

export class HttpClient implements Disposable {
  readonly #options: HttpOptions;
  /** One for each scheme and proxy. */
  readonly #agents = new Map<string, Agent>();

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /** Throws {@link ExchangeError}, or the reason of an abort. Any status is an answer. */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const { idleMs, signal } = this.#options;
    signal?.throwIfAborted();
    const secure = request.url.protocol === 'https:';
    const proxy = proxyFor(request.url, this.#options.env);
    const message = (secure ? sendSecure : sendPlain)(request.url, {
      method: request.method,
      headers: { 'user-agent': 'tsrun', ...request.headers },
      agent: this.#agent(secure, proxy),
      ...(secure && request.trust
        ? { secureContext: request.trust.context, rejectUnauthorized: request.trust.verify }
        : {}),
    });
    const abort = () => message.destroy();
    signal?.addEventListener('abort', abort);
    const failed = (cause: unknown) => this.#explain(request.url, proxy, cause);
    const timer = setTimeout(() => message.destroy(timedOut(request.url.host, idleMs)), idleMs);
    try {
      const answered = new Promise<IncomingMessage>((resolve, reject) => {
        message.once('response', resolve);
        message.on('error', reject);
      });
      await Promise.race([sendBody(message, request.body, () => timer.refresh()), answered]);
      const answer = await answered;
      answer.once('close', () => signal?.removeEventListener('abort', abort));
      return {
        url: request.url,
        status: answer.statusCode ?? 0,
        headers: answer.headers,
        body: readBody(answer, idleMs, request.url.host, failed),
        drop: () => answer.destroy(),
      };
    } catch (cause) {
      message.destroy();
      signal?.removeEventListener('abort', abort);
      throw failed(cause);
    } finally {
      clearTimeout(timer);
    }
  }

  #explain(url: URL, proxy: string | undefined, cause: unknown): unknown {
    if (this.#options.signal?.aborted) return this.#options.signal.reason;
    if (cause instanceof TsrunError) return cause;
    return connectionFailed(url.host, proxy, cause);
  }

  #agent(secure: boolean, proxy: string | undefined): Agent {
    const key = `${secure} ${proxy}`;
    const known = this.#agents.get(key);
    if (known) return known;
    const options = {
      keepAlive: true,
      maxSockets: MAX_CONNECTIONS,
      ...(proxy === undefined ? {} : { proxyEnv: { [secure ? 'HTTPS_PROXY' : 'HTTP_PROXY']: proxy } }),
    };
    const agent = secure ? new SecureAgent(options) : new Agent(options);
    this.#agents.set(key, agent);
    return agent;
  }

  [Symbol.dispose](): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }
}

/**
 * Never resolves, and rejects only when `body` itself fails: a server may answer before it has read everything, and close. What
 * cannot be sent is an error of `message` too, unless there is an answer.
 */
async function sendBody(
  message: ReturnType<typeof sendPlain>,
  body: HttpRequest['body'],
  moved: () => void,
): Promise<never> {
  if (body === undefined || body instanceof Buffer) {
    message.end(body);
  } else {
    for await (const piece of body) {
      const failed = await new Promise((resolve) => message.write(piece, resolve));
      if (failed) break;
      moved();
    }
    message.end();
  }
  return new Promise(() => undefined); // the answer decides
}

async function* readBody(
  answer: IncomingMessage,
  idleMs: number,
  host: string,
  failed: (cause: unknown) => unknown,
): AsyncGenerator<Buffer> {
  const late = () => answer.destroy(timedOut(host, idleMs));
  let timer = setTimeout(late, idleMs);
  try {
    for await (const piece of answer) {
      clearTimeout(timer); // whoever takes the piece may take its time
      yield piece;
      timer = setTimeout(late, idleMs);
    }
  } catch (cause) {
    throw failed(cause);
  } finally {
    clearTimeout(timer);
  }
}

/** The whole of a body of `most` bytes at most; undefined when it is longer. */
export async function readWhole(answer: HttpAnswer, most: number): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of answer.body) {
    size += piece.length;
    if (size > most) {
      answer.drop();
      return undefined;
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
