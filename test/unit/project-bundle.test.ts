/** What the bundle's files hold: what a start does not call, it is not given. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const REPOSITORY = join(import.meta.dirname, '../..');

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bundle-'));
  execFileSync(process.execPath, [join(REPOSITORY, 'scripts/bundle.ts'), directory]);
});
afterAll(() => rmSync(directory, { recursive: true }));

const code = (file: string) => readFileSync(join(directory, file), 'utf8');

/** Of HTTP, certificates and tokens. */
test.each(['node:https', 'REGISTRY_TIMEOUT', 'www-authenticate'])(
  '%s is not in main.cjs: an image that is there needs no registry',
  (word) => {
    expect(code('chunks/registry.cjs')).toContain(word);
    expect(code('main.cjs')).not.toContain(word);
  },
);

/** Words of the code for links, addresses, rules and ports of the host, and for giving them back. */
test.each([
  'RTM_NEWLINK',
  'NFT_MSG_NEWRULE',
  'route_localnet',
  'ip_local_port_range',
  'PORT_IN_USE',
  'NO_SUCH_NETWORK',
])('%s is not in main.cjs: a container without a network does not need it', (word) => {
  expect(code('chunks/network.cjs')).toContain(word);
  expect(code('main.cjs')).not.toContain(word);
});
