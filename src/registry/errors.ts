/** What goes wrong with registries, as messages: what was tried, on which host, what it answered, what to do. */
import { type ErrorDetails, errnoOf, escapeForTerminal, TsrunError } from '../lib/errors.ts';

/** What a registry, a proxy or the kernel answered to one exchange, before the user's situation is known. */
export class ExchangeError extends TsrunError {
  /** Whether the same exchange may go well a moment later. */
  readonly transient: boolean;
  /** Of the answer, when there was one. */
  readonly status: number | undefined;

  constructor(
    code: string,
    message: string,
    details: ErrorDetails & { readonly transient?: boolean; readonly status?: number } = {},
  ) {
    super(code, message, details);
    this.transient = details.transient ?? false;
    this.status = details.status;
  }
}

export function timedOut(host: string, waitedMs: number): ExchangeError {
  return new ExchangeError(
    'REGISTRY_TIMEOUT',
    `Cannot reach ${host}: it sent nothing for ${waitedMs / 1000} s`,
    { hint: 'try again later; TSRUN_REGISTRY_TIMEOUT=SECONDS waits longer' },
  );
}

/** OpenSSL's and Node's words for a certificate that nobody here trusts: X509_verify_cert_error_string(3). */
const CERTIFICATE =
  /^(CERT_|ERR_TLS_CERT|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT|UNABLE_TO_|HOSTNAME_MISMATCH)/;
/** Answers of the kernel and of Node that a moment later may be others. */
const TRANSIENT = new Set(['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'HPE_INVALID_EOF_STATE']);
/** Codes that a TLS client gets from a server which does not speak TLS. */
const NOT_TLS = new Set([
  'EPROTO',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_HTTP_REQUEST',
]);

export function isNotTls(error: unknown): boolean {
  return error instanceof ExchangeError && NOT_TLS.has(errnoOf(error.cause) ?? '');
}

/** An error of node:http, node:https, node:dns or the kernel. `proxy` is the one that was asked, if any. */
export function connectionFailed(host: string, proxy: string | undefined, cause: unknown): ExchangeError {
  const code = errnoOf(cause) ?? '';
  const reached = proxy === undefined ? host : `${host} through the proxy ${proxy}`;
  const fail = (name: string, problem: string, hint?: string) =>
    new ExchangeError(name, `Cannot reach ${reached}: ${problem}`, {
      ...(hint === undefined ? {} : { hint }),
      cause,
      transient: TRANSIENT.has(code),
    });
  const proxyHint = 'check the addresses in HTTPS_PROXY, HTTP_PROXY and NO_PROXY';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return fail(
      'REGISTRY_UNKNOWN_HOST',
      code === 'ENOTFOUND' ? 'there is no such host (ENOTFOUND)' : 'no DNS server answers (EAI_AGAIN)',
      proxy ? proxyHint : 'check the name of the registry, and the DNS servers of this machine',
    );
  if (code === 'ECONNREFUSED')
    return fail(
      'REGISTRY_REFUSED',
      'connection refused (ECONNREFUSED)',
      proxy ? proxyHint : 'check the port, and that the registry runs',
    );
  if (code === 'ERR_PROXY_TUNNEL')
    return fail('REGISTRY_PROXY', `the proxy refused: ${wordsOf(cause)}`, proxyHint);
  if (CERTIFICATE.test(code))
    return fail(
      'REGISTRY_CERTIFICATE',
      // Without OpenSSL's words for people who run Node themselves.
      `its certificate is not trusted: ${wordsOf(cause).split(';')[0]} (${code})`,
      `put the certificate of its authority into /etc/tsrun/certs.d/${host}/ca.crt`,
    );
  if (NOT_TLS.has(code))
    return fail(
      'REGISTRY_NOT_TLS',
      'it does not speak TLS',
      `if it shall be used over plain HTTP, write server = "http://${host}" into /etc/tsrun/certs.d/${host}/hosts.toml`,
    );
  return fail('REGISTRY_CONNECTION', wordsOf(cause), 'check the network, and try again');
}

/** Text from a stranger, fit for a terminal. */
export function shown(text: string, most = 300): string {
  const clean = escapeForTerminal(text.trim());
  return clean.length > most ? `${clean.slice(0, most)}…` : clean;
}

function wordsOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const inner = cause instanceof AggregateError ? cause.errors[0] : cause;
  return shown(inner instanceof Error ? inner.message : String(inner));
}
