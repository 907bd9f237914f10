import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  EMPTY,
  findCredentials,
  forgetCredentials,
  saveCredentials,
} from '../../../src/registry/credentials.ts';
import { registryName } from '../../../src/registry/login.ts';

let root = '';
let env: NodeJS.ProcessEnv = {};
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'docker-config-'));
  env = { DOCKER_CONFIG: root };
});
afterEach(() => rmSync(root, { recursive: true }));

const write = (document: unknown) => writeFileSync(join(root, 'config.json'), JSON.stringify(document));
const read = () => JSON.parse(readFileSync(join(root, 'config.json'), 'utf8'));
const base64 = (text: string) => Buffer.from(text).toString('base64');

test.each([
  [
    'docker.io',
    { 'https://index.docker.io/v1/': { auth: base64('me:a:b') } },
    { username: 'me', password: 'a:b' },
  ],
  ['r.example', { 'r.example': { auth: base64('me:x\0\0') } }, { username: 'me', password: 'x' }],
  ['r.example', { 'https://r.example/v1/': { auth: base64('me:x') } }, { username: 'me', password: 'x' }],
  [
    'r.example',
    { 'r.example': { auth: base64('me:'), identitytoken: 't' } },
    { username: 'me', password: '', identityToken: 't' },
  ],
  ['r.example', { 'r.example': { username: 'me', password: 'x' } }, { username: 'me', password: 'x' }],
  ['r.example', { 'r.example:5000': { auth: base64('me:x') } }, EMPTY],
  ['r.example', { 'r.example': {} }, EMPTY],
  ['r.example', {}, EMPTY],
])('the login for %s in %j', async (registry, auths, expected) => {
  write({ auths });
  expect(await findCredentials(registry, env)).toEqual(expected);
});

test('without a file nobody is logged in, and the first login makes it, for its owner alone', async () => {
  env = { HOME: root };
  expect(await findCredentials('r.example', env)).toBe(EMPTY);
  expect(await saveCredentials('docker.io', { username: 'me', password: 'x' }, env)).toBe(
    `${root}/.docker/config.json`,
  );
  expect((statSync(`${root}/.docker`).mode & 0o777).toString(8)).toBe('700');
  expect((statSync(`${root}/.docker/config.json`).mode & 0o777).toString(8)).toBe('600');
  expect(await findCredentials('docker.io', env)).toEqual({ username: 'me', password: 'x' });
  expect(await forgetCredentials('docker.io', env)).toBe(true);
  expect(await forgetCredentials('docker.io', env)).toBe(false);
});

test('a login takes the place of the one under an old name, and a link stays a link', async () => {
  mkdirSync(join(root, 'real'));
  writeFileSync(
    join(root, 'real/file'),
    JSON.stringify({ auths: { 'https://r.example/v1/': { auth: 'x' } }, more: 1 }),
  );
  symlinkSync('real/file', join(root, 'config.json'));
  await saveCredentials('r.example', { username: 'me', password: 'x' }, env);
  expect(read()).toEqual({ auths: { 'r.example': { auth: base64('me:x') } }, more: 1 });
  expect(lstatSync(join(root, 'config.json')).isSymbolicLink()).toBe(true);
});

test.each([
  ['[]', 'it is no JSON object'],
  ['{', 'Expected property name'],
  ['{"auths": 1}', 'auths is no object'],
  ['{"auths": {"r.example": 1}}', 'auths of r.example is no object'],
  ['{"credsStore": "../../bin/sh"}', '"../../bin/sh" is no name of a credential helper'],
])('%s is an error', async (text, problem) => {
  writeFileSync(join(root, 'config.json'), text);
  await expect(findCredentials('r.example', env)).rejects.toThrow(problem);
});

test.each([
  [undefined, 'docker.io'],
  ['index.docker.io', 'docker.io'],
  ['https://index.docker.io/v1/', 'docker.io'],
  ['r.example:5000', 'r.example:5000'],
  ['http://r.example/v2/', 'r.example'],
  ['[::1]:5000', '[::1]:5000'],
])('tsrun login %s is for %s', (text, expected) => {
  expect(registryName(text)).toBe(expected);
});
