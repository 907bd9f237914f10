/** A server of tokens, as registries name one in their challenge (distribution's token and oauth2 specifications). */
import { randomUUID, sign, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface TokenServer extends AsyncDisposable {
  readonly realm: string;
  /** Each request: who asked, for what, and how. */
  readonly asked: readonly { readonly user: string; readonly scope: string; readonly method: string }[];
}

/** Signs with the key of `certificate`. The user `me` with the password `secret` may do everything, others read what is below public/. */
export async function startTokenServer(certificate: string, key: string): Promise<TokenServer> {
  const asked: { user: string; scope: string; method: string }[] = [];
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '', 'http://tokens');
    const form = new URLSearchParams(await text(request));
    const [name, password] = Buffer.from(
      (request.headers.authorization ?? '').replace(/^Basic /, ''),
      'base64',
    )
      .toString()
      .split(':');
    const scopes =
      request.method === 'POST' ? (form.get('scope') ?? '').split(' ') : url.searchParams.getAll('scope');
    const refreshed =
      form.get('grant_type') === 'refresh_token' && form.get('refresh_token') === 'refresh-me';
    const isMe = refreshed || (name === 'me' && password === 'secret');
    asked.push({ user: isMe ? 'me' : (name ?? ''), scope: scopes.join(' '), method: request.method ?? '' });
    if (!isMe && (name || request.method === 'POST')) {
      response.writeHead(401).end();
      return;
    }
    const access = scopes.filter(Boolean).map((scope) => {
      const [type, repository, actions = ''] = scope.split(':');
      const granted = actions
        .split(',')
        .filter((action) => isMe || (action === 'pull' && repository?.startsWith('public/')));
      return { type, name: repository, actions: granted };
    });
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ access_token: token(access), expires_in: 300 }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    realm: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  /** RFC 7519, with the certificate in the header (x5c, RFC 7515). */
  function token(access: unknown): string {
    const x5c = [new X509Certificate(readFileSync(certificate)).raw.toString('base64')];
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: 'test',
      sub: 'test',
      aud: 'registry',
      iat: now,
      nbf: now - 10,
      exp: now + 300,
      jti: randomUUID(),
      access,
    };
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${part({ typ: 'JWT', alg: 'ES256', x5c })}.${part(claims)}`;
    const signature = sign('sha256', Buffer.from(signed), {
      key: readFileSync(key),
      dsaEncoding: 'ieee-p1363',
    });
    return `${signed}.${signature.toString('base64url')}`;
  }
}
