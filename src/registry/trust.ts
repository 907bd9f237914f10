/** Certificates: of the authorities that the machine trusts, of those the configuration adds, and what is shown to a registry. */
import { readFileSync } from 'node:fs';
import { createSecureContext, rootCertificates } from 'node:tls';
import { reasonOf, TsrunError } from '../lib/errors.ts';
import { readFileIfThere } from '../lib/files.ts';
import type { Endpoint } from './endpoint.ts';
import type { Trust } from './http.ts';

/** Where distributions keep all authorities in one file, as Go looks for them (crypto/x509, root_linux.go). */
const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** For the endpoint itself, or (`elsewhere`) for a host that it redirects to: that one is not shown who we are. */
export function trustOf(endpoint: Endpoint, env: NodeJS.ProcessEnv, elsewhere: boolean): Trust {
  const { authorities, client } = endpoint;
  try {
    return {
      verify: endpoint.verify || elsewhere,
      context: createSecureContext({
        ca: [...machineAuthorities(env), ...authorities.map((path) => readFileSync(path, 'utf8'))],
        ...(client && !elsewhere
          ? { cert: readFileSync(client.certificate), key: readFileSync(client.key) }
          : {}),
      }),
    };
  } catch (cause) {
    throw new TsrunError(
      'REGISTRY_CONFIGURATION',
      `Cannot use the certificates of ${endpoint.base.host}: ${reasonOf(cause)}`,
      {
        hint: `correct ${[...authorities, ...(client ? [client.certificate, client.key] : [])].join(', ')}`,
        cause,
      },
    );
  }
}

function machineAuthorities(env: NodeJS.ProcessEnv): readonly string[] {
  for (const path of env.SSL_CERT_FILE ? [env.SSL_CERT_FILE] : BUNDLES) {
    const bundle = readFileIfThere(path);
    if (bundle !== undefined) return [bundle];
  }
  return rootCertificates;
}
