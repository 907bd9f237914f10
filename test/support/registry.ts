/** Debian's docker-registry on loopback, in the network namespace of the test file. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';

export interface RegistryOptions {
  /** For what it stores, and its configuration. */
  readonly directory: string;
  /** Speaks TLS with a certificate of its own authority, {@link Registry.authority}. */
  readonly tls?: boolean;
  /** Takes only this user; the password is `secret`. */
  readonly user?: string;
  /** Takes only tokens of this server, signed with the key of this certificate. */
  readonly tokens?: { readonly realm: string; readonly service: string; readonly certificate: string };
  /** Serves what another registry has. */
  readonly mirrorOf?: string;
}

export interface Registry extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** A file: the certificate of its authority. */
  readonly authority: string;
}

export async function startRegistry(options: RegistryOptions): Promise<Registry> {
  const { directory, user, tokens } = options;
  mkdirSync(directory, { recursive: true });
  const host = `127.0.0.1:${await freePort()}`;
  const authority = options.tls ? makeCertificate(directory) : '';
  const auth = user
    ? { htpasswd: { realm: 'test', path: makePasswords(directory, user) } }
    : tokens && {
        token: {
          realm: tokens.realm,
          service: tokens.service,
          issuer: 'test',
          rootcertbundle: tokens.certificate,
        },
      };
  const configuration = {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(directory, 'storage') } },
    ...(auth ? { auth } : {}),
    ...(options.mirrorOf ? { proxy: { remoteurl: options.mirrorOf } } : {}),
    http: {
      addr: host,
      ...(options.tls ? { tls: { certificate: authority, key: join(directory, 'key.pem') } } : {}),
    },
  };
  const file = join(directory, 'config.yml');
  writeFileSync(file, JSON.stringify(configuration)); // JSON is YAML
  const child = spawn('docker-registry', ['serve', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(child, 'exit');
  let said = '';
  child.stderr?.on('data', (piece) => {
    said += piece;
  });
  await untilOpen(host, () => {
    if (child.exitCode !== null) throw new Error(`docker-registry ended: ${said}`);
  });
  return {
    host,
    authority,
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await exited;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** A port is open when the kernel lists a socket that listens there: /proc/net/tcp, proc_net_tcp in the kernel's documentation. */
async function untilOpen(host: string, check: () => void): Promise<void> {
  const port = Number(host.split(':')[1]).toString(16).toUpperCase().padStart(4, '0');
  while (!new RegExp(`0100007F:${port} 00000000:0000 0A`).test(readFileSync('/proc/self/net/tcp', 'utf8'))) {
    check();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function makeCertificate(directory: string): string {
  const certificate = join(directory, 'certificate.pem');
  const words = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test'.split(
    ' ',
  );
  const files = ['-keyout', join(directory, 'key.pem'), '-out', certificate];
  execFileSync('openssl', [...words, '-addext', 'subjectAltName=IP:127.0.0.1', ...files], {
    stdio: 'ignore',
  });
  return certificate;
}

function makePasswords(directory: string, user: string): string {
  const path = join(directory, 'htpasswd');
  writeFileSync(path, execFileSync('htpasswd', ['-Bbn', user, 'secret']));
  return path;
}
