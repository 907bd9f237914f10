import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { endpointsOf } from '../../../src/registry/hosts.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'certs-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function write(name: string, text = ''): void {
  mkdirSync(join(root, name, '..'), { recursive: true });
  writeFileSync(join(root, name), text);
}
const endpoints = (registry: string) => endpointsOf(registry, { TSRUN_CERTS_DIR: root });
const addresses = async (registry: string) => (await endpoints(registry)).map(({ base }) => base.href);

test.each([
  ['docker.io', 'https://registry-1.docker.io/v2', false],
  ['quay.example', 'https://quay.example/v2', false],
  ['localhost:5000', 'https://localhost:5000/v2', true],
  ['127.0.0.1:5000', 'https://127.0.0.1:5000/v2', true],
])('%s without a word about it is %s', async (registry, base, maybePlain) => {
  expect(await endpoints(registry)).toMatchObject([
    { base: { href: base }, maybePlain, verify: true, isMirror: false },
  ]);
});

test("certificates in Docker's layout are read", async () => {
  for (const name of ['ca.crt', 'other.crt', 'client.cert', 'client.key']) write(`r.example:5000/${name}`);
  expect(await endpoints('r.example:5000')).toMatchObject([
    {
      authorities: [`${root}/r.example:5000/ca.crt`, `${root}/r.example:5000/other.crt`],
      client: { certificate: `${root}/r.example:5000/client.cert`, key: `${root}/r.example:5000/client.key` },
    },
  ]);
});

describe('hosts.toml', () => {
  test('names mirrors in order, then the server', async () => {
    write(
      'docker.io/hosts.toml',
      `server = "https://registry-1.docker.io"
[host."https://mirror.example"]
  capabilities = ["pull", "resolve"]
  ca = "m.pem"
  client = [["m.cert", "m.key"]]
  skip_verify = true
  dial_timeout = "3s"
  [host."https://mirror.example".header]
    X-One = "1"
    x-two = ["2", "3"]
[host."http://plain.example:8080/proxy"]
[host."https://whole.example/registry/v2/docker"]
  override_path = true
`,
    );
    expect(await addresses('docker.io')).toEqual([
      'https://mirror.example/v2',
      'http://plain.example:8080/proxy/v2',
      'https://whole.example/registry/v2/docker',
      'https://registry-1.docker.io/v2',
    ]);
    expect((await endpoints('docker.io'))[0]).toMatchObject({
      capabilities: ['pull', 'resolve'],
      authorities: [`${root}/docker.io/m.pem`],
      client: { certificate: `${root}/docker.io/m.cert`, key: `${root}/docker.io/m.key` },
      headers: { 'x-one': '1', 'x-two': '2, 3' },
      verify: false,
      isMirror: true,
    });
  });

  test('makes a registry plain, and _default is for those without a word', async () => {
    write('plain.example/hosts.toml', 'server = "http://plain.example"');
    write('_default/hosts.toml', '[host."mirror.example"]\n');
    expect(await addresses('plain.example')).toEqual(['http://plain.example/v2']);
    expect(await addresses('r.example')).toEqual(['https://mirror.example/v2', 'https://r.example/v2']);
  });

  test.each([
    ['server = 1', '1 is no URL of a host'],
    ['server = "ftp://x"', '"ftp://x" is no URL of a host'],
    ['skip_verify = "no"', 'are true or false'],
    ['capabilities = ["fly"]', '"fly" is none of resolve, pull, push'],
    ['[host."https://m"]\nrewrite = 1', '"rewrite" of "https://m" is no setting that tsrun knows'],
    ['server =', 'hosts.toml: '],
    ['ca = 5', 'ca is neither a string'],
  ])('%j is refused', async (text, problem) => {
    write('r.example/hosts.toml', text);
    await expect(endpoints('r.example')).rejects.toThrow(problem);
  });
});
