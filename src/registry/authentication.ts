/**
 * Saying who asks: nothing, a password (RFC 7617), or a token of the server that the registry names in its challenge
 * (distribution's token and oauth2 specifications). Only an answer of the registry itself is a challenge: what it redirects
 * to gets no credentials (CVE-2020-15157).
 */
import { asObject, asOptionalString, field, parseJsonDocument } from '../spec/image-json.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import { type Credentials, EMPTY } from './credentials.ts';
import { ExchangeError, shown } from './errors.ts';
import { type HttpAnswer, type HttpClient, readWhole, type Trust } from './http.ts';
import { isLoopback } from './loopback.ts';

export interface AuthenticationOptions {
  readonly http: HttpClient;
  readonly trust: Trust | undefined;
  /** The registry's name, for messages. */
  readonly registry: string;
  readonly credentials: () => Promise<Credentials>;
}

interface Token {
  readonly value: string;
  /** Milliseconds of process.uptime's clock. */
  readonly expiresAtMs: number;
}

const MAX_TOKEN_BYTES = 1024 * 1024;
/** What the token specification has for a server that does not say. */
const DEFAULT_LIFE_S = 60;
/** A token is not used in its last seconds: a request takes its time too. */
const MARGIN_MS = 5000;

export class Authenticator {
  readonly #options: AuthenticationOptions;
  #challenge: Challenge | undefined;
  /** By scopes. A promise, so that requests at the same time ask for one token. */
  readonly #tokens = new Map<string, Promise<Token>>();

  constructor(options: AuthenticationOptions) {
    this.#options = options;
  }

  /** The Authorization header for a request, undefined as long as the registry has not asked for one. */
  async authorization(scopes: readonly string[]): Promise<string | undefined> {
    if (this.#challenge === undefined) return undefined;
    if (this.#challenge.scheme === 'bearer') return bearerOf(await this.#token(this.#challenge, scopes));
    const credentials = await this.#options.credentials();
    return isSomebody(credentials) ? basic(credentials) : undefined;
  }

  async #token(challenge: Challenge, scopes: readonly string[]): Promise<Token> {
    const key = scopes.join(' ');
    const known = this.#tokens.get(key);
    if (known !== undefined) {
      const token = await known;
      if (token.expiresAtMs > performance.now()) return token;
      if (this.#tokens.get(key) === known) this.#tokens.delete(key);
      return this.#token(challenge, scopes);
    }
    const fresh = this.#fetchToken(challenge, scopes);
    this.#tokens.set(key, fresh);
    fresh.catch(() => this.#tokens.delete(key));
    return fresh;
  }

  /**
   * Takes note of what `answer`, a 401 of `registry`, asks for. False when asking again makes no sense: the same has been
   * shown already, or there is nothing to show. `sent`: the header that was not enough.
   */
  async accept(answer: HttpAnswer, scopes: readonly string[], sent: string | undefined): Promise<boolean> {
    const challenges = parseChallenges(answer.headers['www-authenticate'] ?? '');
    const bearer = challenges.find(
      ({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'),
    );
    const challenge = bearer ?? challenges.find(({ scheme }) => scheme === 'basic');
    if (challenge === undefined) return false;
    if (challenge.scheme === 'bearer') checkRealm(challenge, answer.url, this.#options.registry);
    this.#challenge = challenge;
    if (challenge.scheme === 'basic')
      return sent === undefined && isSomebody(await this.#options.credentials());
    // Another request may have got a token meanwhile; one that was not enough is not shown again.
    const key = scopes.join(' ');
    const known = this.#tokens.get(key);
    if (known !== undefined && sent === bearerOf(await known)) this.#tokens.delete(key);
    return true;
  }

  async #fetchToken(challenge: Challenge, scopes: readonly string[]): Promise<Token> {
    const { http, trust, registry } = this.#options;
    const credentials = await this.#options.credentials();
    const realm = new URL(challenge.parameters.get('realm') ?? '');
    if (isSomebody(credentials)) checkRealmForSecrets(realm, registry);
    const service = challenge.parameters.get('service');
    const asked =
      scopes.length > 0 ? scopes : (challenge.parameters.get('scope') ?? '').split(' ').filter(Boolean);
    const answer = await http.send(
      credentials.identityToken === undefined
        ? tokenRequest(realm, service, asked, credentials, trust)
        : refreshRequest(realm, service, asked, credentials.identityToken, trust),
    );
    const body = await readWhole(answer, MAX_TOKEN_BYTES);
    if (answer.status === 401 || answer.status === 403) throw wrongCredentials(registry, credentials, realm);
    if (answer.status !== 200 || body === undefined)
      throw new ExchangeError(
        'REGISTRY_ANSWER',
        `Cannot get a token for ${registry}: ${realm.host} answered ${answer.status} ${shown(body?.toString() ?? '')}`,
        { hint: 'try again later', transient: answer.status >= 500 || answer.status === 429 },
      );
    return parseToken(body, realm);
  }
}

/** A server may name a token server on another host, as Docker Hub does, but none that is asked without TLS. */
function checkRealm(challenge: Challenge, from: URL, registry: string): void {
  const text = challenge.parameters.get('realm') ?? '';
  const realm = URL.canParse(text) ? new URL(text) : undefined;
  const isWeaker = from.protocol === 'https:' && realm?.protocol !== 'https:';
  if (realm && !isWeaker && /^https?:$/.test(realm.protocol)) return;
  throw new ExchangeError(
    'REGISTRY_REALM',
    `Cannot log in to ${registry}: it names the token server ${JSON.stringify(shown(text))}, which is ${realm ? 'asked without TLS' : 'no URL'}`,
    { hint: 'tell the people who run the registry' },
  );
}

function checkRealmForSecrets(realm: URL, registry: string): void {
  const own = registry.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  if (realm.protocol === 'https:' || isLoopback(realm.hostname) || realm.hostname === own) return;
  throw new ExchangeError(
    'REGISTRY_REALM',
    `Cannot log in to ${registry}: its token server ${realm.host} is another host, and is asked without TLS`,
    { hint: 'no password is sent there; `tsrun logout` to go on without one' },
  );
}

/** https://distribution.github.io/distribution/spec/auth/token/ */
function tokenRequest(
  realm: URL,
  service: string | undefined,
  scopes: readonly string[],
  credentials: Credentials,
  trust: Trust | undefined,
) {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  const authorization = isSomebody(credentials) ? basic(credentials) : undefined;
  if (authorization !== undefined) url.searchParams.set('account', credentials.username);
  return {
    method: 'GET' as const,
    url,
    headers: authorization === undefined ? {} : { authorization },
    ...(trust ? { trust } : {}),
  };
}

/** https://distribution.github.io/distribution/spec/auth/oauth/: with the refresh token that a login left. */
function refreshRequest(
  realm: URL,
  service: string | undefined,
  scopes: readonly string[],
  identityToken: string,
  trust: Trust | undefined,
) {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    client_id: 'tsrun',
    refresh_token: identityToken,
    ...(service === undefined ? {} : { service }),
    scope: scopes.join(' '),
  });
  return {
    method: 'POST' as const,
    url: realm,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: Buffer.from(form.toString()),
    ...(trust ? { trust } : {}),
  };
}

function parseToken(body: Buffer, realm: URL): Token {
  const what = `the token of ${realm.host}`;
  const object = asObject(parseJsonDocument(body, what), what);
  const value =
    asOptionalString(field(object, 'token'), what) ?? asOptionalString(field(object, 'access_token'), what);
  if (value === undefined || !/^[\x21-\x7e]+$/.test(value))
    throw new ExchangeError('REGISTRY_ANSWER', `Cannot read ${what}: there is none in the answer`);
  const life = field(object, 'expires_in');
  const lifeMs = (typeof life === 'number' && life > 0 ? life : DEFAULT_LIFE_S) * 1000;
  return { value, expiresAtMs: performance.now() + Math.max(lifeMs - MARGIN_MS, lifeMs / 2) };
}

export function wrongCredentials(registry: string, credentials: Credentials, realm?: URL): ExchangeError {
  const by = realm === undefined || realm.host === registry ? '' : ` (asked ${realm.host})`;
  if (!isSomebody(credentials))
    return new ExchangeError('REGISTRY_UNAUTHORIZED', `Cannot use ${registry}: it wants a login${by}`, {
      hint: `\`tsrun login ${registry}\``,
    });
  const who =
    credentials.identityToken === undefined ? `the password of ${shown(credentials.username)}` : 'the login';
  return new ExchangeError(
    'REGISTRY_UNAUTHORIZED',
    `Cannot log in to ${registry}: ${who} is wrong or has expired${by}`,
    {
      hint: `\`tsrun login ${registry}\` again`,
    },
  );
}

export function isSomebody(credentials: Credentials): boolean {
  return credentials !== EMPTY;
}

function bearerOf({ value }: Token): string {
  return `Bearer ${value}`;
}

function basic({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
