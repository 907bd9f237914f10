/** Images to and from a real registry, with skopeo at the other end: what it pushes is what is pulled, bit for bit. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ociArchive, ociFiles, shellLayer, type TestImage } from '../support/image-archives.ts';
import { type Registry, startRegistry } from '../support/registry.ts';
import { useTsrun } from '../support/tsrun.ts';

const tsrun = useTsrun({ images: 'own' });
const IMAGE: TestImage = {
  name: 'small:1',
  layers: [shellLayer(), [{ name: 'etc/says', data: 'hello\n' }]],
  config: { Cmd: ['cat', '/etc/says'] },
  pack: gzipSync,
  layerType: 'application/vnd.oci.image.layer.v1.tar+gzip',
};
const archive = () => `oci-archive:${tsrun.scratch}/small.tar`;
let open: Registry;
let closed: Registry;

beforeAll(async () => {
  writeFileSync(join(tsrun.scratch, 'small.tar'), ociArchive(IMAGE));
  // The directories of the store are made by the first image, and stay.
  await tsrun.ok('load', '-i', join(tsrun.scratch, 'small.tar'));
  await tsrun.ok('rmi', 'small:1');
  open = await startRegistry({ directory: join(tsrun.scratch, 'open') });
  closed = await startRegistry({ directory: join(tsrun.scratch, 'closed'), tls: true, user: 'me' });
  push(`${open.host}/team/small:1`);
  push(`${closed.host}/team/small:1`, '--dest-creds', 'me:secret');
});
afterAll(async () => {
  await open?.[Symbol.asyncDispose]();
  await closed?.[Symbol.asyncDispose]();
});
afterEach(async () => {
  const ids = (await tsrun.ok('images', '-q')).split('\n').filter(Boolean);
  if (ids.length > 0) await tsrun.ok('rmi', '-f', ...new Set(ids));
  for (const name of ['docker', 'certs.d'])
    rmSync(join(tsrun.scratch, name), { recursive: true, force: true });
});

function skopeo(...args: readonly string[]): string {
  return execFileSync('skopeo', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function push(name: string, ...flags: readonly string[]): void {
  skopeo('copy', '--dest-tls-verify=false', ...flags, archive(), `docker://${name}`);
}

const digestOf = (name: string) =>
  skopeo('inspect', '--tls-verify=false', '--format', '{{.Digest}}', `docker://${name}`).trim();

describe('what skopeo pushes is pulled, and runs,', () => {
  test.each([
    ['as an OCI image', []],
    ["as Docker's schema 2", ['--format', 'v2s2']],
    ['with layers in zstd', ['--dest-compress-format', 'zstd', '--format', 'oci']],
    ['with layers that are not compressed', ['--dest-decompress']],
  ])('%s', async (what, flags) => {
    const name = `${open.host}/${what.replace(/\W+/g, '-').toLowerCase()}:1`;
    push(name, ...flags);
    expect(await tsrun.ok('pull', name)).toContain(
      `\nDigest: ${digestOf(name)}\nStatus: Downloaded newer image for ${name}\n`,
    );
    expect(await tsrun.ok('run', '--rm', '--network', 'none', name)).toBe('hello\n');
  });

  test('by its digest, with and without a tag beside it', async () => {
    const digest = digestOf(`${open.host}/team/small:1`);
    for (const name of [`${open.host}/team/small@${digest}`, `${open.host}/team/small:other@${digest}`]) {
      expect(await tsrun.ok('pull', '-q', name)).toBe(`${name}\n`);
      expect(await tsrun.ok('run', '--rm', '--network', 'none', name)).toBe('hello\n');
      expect(await tsrun.ok('images')).toMatch(/\/team\/small +<none> /);
      await tsrun.ok('rmi', name);
      expect(await tsrun.ok('images', '-q')).toBe('');
    }
  });

  test('again only when it has changed', async () => {
    const name = `${open.host}/changing:1`;
    push(name);
    await tsrun.ok('pull', name);
    expect(await tsrun.ok('pull', name)).toContain(`Status: Image is up to date for ${name}\n`);
    push(name, '--format', 'v2s2');
    expect(await tsrun.ok('pull', name)).toContain(`Status: Downloaded newer image for ${name}\n`);
    expect(await tsrun.ok('images')).toMatch(/changing +<none> /);
    expect(await tsrun.ok('image', 'prune', '-f')).toMatch(/changing@sha256:/);
    expect(await tsrun.ok('images')).not.toContain('<none>');
  });
});

test('a pull says what happens: in lines, as JSON, on a terminal, or only the name', async () => {
  const name = `${open.host}/team/small:1`;
  const pulled = async (...flags: string[]) => {
    const said = await tsrun.ok('pull', ...flags, name);
    await tsrun.ok('rmi', name);
    return said;
  };
  expect(await pulled()).toMatch(
    /^1: Pulling from \S+\/team\/small\n([0-9a-f]{12}: Waiting\n){2}(.*Download complete\n|.*Pull complete\n){4}Digest: sha256:\w+\nStatus: .*\n\S+\/team\/small:1\n$/,
  );
  const events = (await pulled('--json'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(events.at(-1)).toMatchObject({ name, digest: digestOf(name), new: true });
  expect(events.filter(({ phase }) => phase === 'unpacked')).toHaveLength(2);
  const terminal = tsrun.terminal({ rows: 24, columns: 80 }, 'pull', name);
  const { code, stdout } = await terminal.finished;
  expect(code).toBe(0);
  expect(stdout.replaceAll('\x1b', '')).toMatch(/[0-9a-f]{12}: Pull complete\[K\r\n\[JDigest: /);
});

describe('tsrun run', () => {
  test('pulls an image that is not there, and says so on standard error', async () => {
    const name = `${open.host}/team/small:1`;
    const first = await tsrun.run('run', '--rm', '--network', 'none', name);
    expect(first).toMatchObject({ code: 0, stdout: 'hello\n' });
    expect(first.stderr).toMatch(
      /^Unable to find image '\S+\/team\/small:1' locally\n[\s\S]*Status: Downloaded newer image/,
    );
    expect(await tsrun.run('run', '--rm', '--network', 'none', name)).toEqual({
      code: 0,
      stdout: 'hello\n',
      stderr: '',
    });
  });

  test('--pull says when: always, missing, never; --quiet says nothing', async () => {
    const name = `${open.host}/policy:1`;
    push(name);
    const run = (...flags: string[]) => tsrun.run('run', '--rm', '--network', 'none', ...flags, name);
    expect(await run('--pull', 'never')).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(/^tsrun: No such image: /),
    });
    expect(await run('--pull=missing', '-q')).toEqual({ code: 0, stdout: 'hello\n', stderr: '' });
    expect((await run('--pull', 'always')).stderr).toContain('Status: Image is up to date');
    expect(await run('--pull', 'sometimes')).toMatchObject({
      code: 125,
      stderr: expect.stringContaining('always, missing or never'),
    });
  });

  test('ends with 125 when the image cannot be had', async () => {
    expect(await tsrun.run('run', '--rm', `${open.host}/nothing`)).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(/\ntsrun: Cannot pull \S+\/nothing:latest: \S+ does not have it\nhint: /),
    });
  });
});

describe('a registry with TLS and passwords', () => {
  const dockerConfig = () => join(tsrun.scratch, 'docker');
  const certs = () => join(tsrun.scratch, 'certs.d');
  const as = (stdin: string, ...args: string[]) =>
    tsrun.runWith({ stdin, env: { DOCKER_CONFIG: dockerConfig(), TSRUN_CERTS_DIR: certs() } }, ...args);
  const trust = () => {
    mkdirSync(join(certs(), closed.host), { recursive: true });
    writeFileSync(join(certs(), closed.host, 'ca.crt'), readFileSync(closed.authority));
  };
  const login = (password: string) =>
    as(`${password}\n`, 'login', '-u', 'me', '--password-stdin', closed.host);
  const name = () => `${closed.host}/team/small:1`;

  test('is believed only when its authority is, and asks for a login', async () => {
    expect(await as('', 'pull', name())).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /its certificate is not trusted: self-signed certificate \(DEPTH_ZERO_SELF_SIGNED_CERT\)\nhint: put .*certs\.d\/127.*ca\.crt\n$/,
      ),
    });
    trust();
    expect(await as('', 'pull', name())).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /does not have it, or not for everybody\nhint: .*`tsrun login 127\.0\.0\.1:\d+`\n$/,
      ),
    });
  });

  test('takes a login, which is kept for nobody else to read, and forgotten by logout', async () => {
    trust();
    mkdirSync(dockerConfig());
    const file = join(dockerConfig(), 'config.json');
    writeFileSync(file, '{"psFormat": "kept", "auths": {"other.example": {"auth": "YTpi"}}}', {
      mode: 0o644,
    });
    expect(await login('wrong')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/the password of me is wrong or has expired/),
    });
    expect(readFileSync(file, 'utf8')).not.toContain(closed.host);
    expect(await login('secret')).toMatchObject({
      code: 0,
      stdout: 'Login Succeeded\n',
      stderr: expect.stringContaining('unencrypted'),
    });
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
    const auth = Buffer.from('me:secret').toString('base64');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
      psFormat: 'kept',
      auths: { 'other.example': { auth: 'YTpi' }, [closed.host]: { auth } },
    });
    expect(await as('', 'run', '--rm', '-q', '--network', 'none', name())).toEqual({
      code: 0,
      stdout: 'hello\n',
      stderr: '',
    });
    expect((await as('', 'logout', closed.host)).stdout).toBe(`Removed the login for ${closed.host}\n`);
    expect((await as('', 'logout', closed.host)).stdout).toBe(`Not logged in to ${closed.host}\n`);
    expect(JSON.parse(readFileSync(file, 'utf8')).auths).toEqual({ 'other.example': { auth: 'YTpi' } });
  });

  test('reads logins of other tools, and asks a credential helper when config.json says so', async () => {
    trust();
    const env = { DOCKER_CONFIG: dockerConfig(), TSRUN_CERTS_DIR: certs() };
    execFileSync(
      'skopeo',
      [
        'login',
        '--authfile',
        join(dockerConfig(), 'config.json'),
        '--tls-verify=false',
        '-u',
        'me',
        '-p',
        'secret',
        closed.host,
      ],
      { stdio: 'ignore' },
    );
    expect((await tsrun.runWith({ env }, 'pull', '-q', name())).code).toBe(0);
    const bin = join(tsrun.scratch, 'bin');
    mkdirSync(bin);
    const kept = join(tsrun.scratch, 'kept');
    writeFileSync(
      join(bin, 'docker-credential-test'),
      `#!/bin/sh\nread -r line\ncase $1 in\nstore) echo "$line" > ${kept} ;;\nget) [ -e ${kept} ] || { echo credentials not found in native keychain; exit 1; }; cat ${kept} ;;\nerase) rm ${kept} ;;\nesac\n`,
    );
    chmodSync(join(bin, 'docker-credential-test'), 0o755);
    writeFileSync(
      join(dockerConfig(), 'config.json'),
      JSON.stringify({ credHelpers: { [closed.host]: 'test' } }),
    );
    const withHelper = (stdin: string, ...args: string[]) =>
      tsrun.runWith({ stdin, env: { ...env, PATH: `${bin}:${process.env.PATH}` } }, ...args);
    expect((await withHelper('', 'pull', name())).stderr).toContain('not for everybody');
    expect(await withHelper('secret', 'login', '-u', 'me', '--password-stdin', closed.host)).toEqual({
      code: 0,
      stdout: 'Login Succeeded\n',
      stderr: '',
    });
    expect(JSON.parse(readFileSync(kept, 'utf8'))).toEqual({
      ServerURL: closed.host,
      Username: 'me',
      Secret: 'secret',
    });
    expect(readFileSync(join(dockerConfig(), 'config.json'), 'utf8')).not.toContain('secret');
    expect(await withHelper('', 'pull', '-q', name())).toMatchObject({ code: 0 });
    expect((await as('', 'pull', name())).stderr).toContain(
      'Cannot ask the credential helper docker-credential-test: it is not in PATH',
    );
    await withHelper('', 'logout', closed.host);
    expect(existsSync(kept)).toBe(false);
  });

  test('is asked by a mirror of it that hosts.toml names, and itself when the mirror does not have it', async () => {
    mkdirSync(join(certs(), 'mirrored.invalid'), { recursive: true });
    writeFileSync(
      join(certs(), 'mirrored.invalid/hosts.toml'),
      `server = "https://${closed.host}"\nca = "authority.pem"\n\n[host."http://${open.host}"]\n  capabilities = ["pull", "resolve"]\n`,
    );
    writeFileSync(join(certs(), 'mirrored.invalid/authority.pem'), readFileSync(closed.authority));
    expect(await as('', 'pull', '-q', 'mirrored.invalid/team/small:1')).toMatchObject({
      code: 0,
      stderr: '',
    });
    push(`${closed.host}/only/here:1`, '--dest-creds', 'me:secret');
    expect((await as('', 'pull', '-q', 'mirrored.invalid/only/here:1')).stderr).toContain(
      'not for everybody',
    );
    await as('secret', 'login', '-u', 'me', '--password-stdin', 'mirrored.invalid');
    expect(await as('', 'pull', '-q', 'mirrored.invalid/only/here:1')).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('a registry that cannot be had is an error with a hint:', () => {
  test.each([
    ['no such host', 'registry.invalid/x', /no DNS server answers|no such host/],
    [
      'nobody listens',
      '127.0.0.1:1/x',
      /Cannot reach 127\.0\.0\.1:1: connection refused \(ECONNREFUSED\)\nhint: check the port/,
    ],
    ['no network', '192.0.2.1/x', /Cannot reach 192\.0\.2\.1: .*ENETUNREACH/],
  ])('%s', async (_, name, problem) => {
    expect(await tsrun.run('pull', name)).toMatchObject({
      code: 1,
      stdout: expect.any(String),
      stderr: expect.stringMatching(problem),
    });
  });
});

describe('tsrun push', () => {
  test('brings an image that was pulled to another place, with the same digest, and mounts what is there', async () => {
    const [from, to] = [`${open.host}/team/small:1`, `${open.host}/other/copy:2`];
    await tsrun.ok('pull', '-q', from);
    await tsrun.ok('tag', from, to);
    const digest = digestOf(from);
    expect(await tsrun.ok('push', to)).toMatch(
      new RegExp(
        `^The push refers to repository \\[${open.host}/other/copy\\]\n(\\w{12}: Waiting\n){2}(\\w{12}: Mounted from another repository\n){2}2: digest: ${digest} size: \\d+\n$`,
      ),
    );
    expect(digestOf(to)).toBe(digest);
    expect(await tsrun.ok('push', to)).toMatch(/(\w{12}: Already exists\n){2}/);
    const [{ RepoDigests }] = JSON.parse(await tsrun.ok('image', 'inspect', to));
    expect(RepoDigests).toEqual([`${open.host}/team/small@${digest}`, `${open.host}/other/copy@${digest}`]);
    await tsrun.ok('rmi', from, to);
    expect(await tsrun.ok('run', '--rm', '-q', '--network', 'none', to)).toBe('hello\n');
  });

  test('brings an image that was loaded, and skopeo gets every byte of it', async () => {
    const { stdout } = await tsrun.run('load', '-i', join(tsrun.scratch, 'small.tar'));
    expect(stdout).toBe('Loaded image: small:1\n');
    const name = `${open.host}/loaded:1`;
    await tsrun.ok('tag', 'small:1', name);
    expect(await tsrun.ok('push', '-q', name)).toBe(`${name}\n`);
    const copy = join(tsrun.scratch, 'copy');
    skopeo('copy', '--src-tls-verify=false', `docker://${name}`, `dir:${copy}`);
    const manifest = JSON.parse(readFileSync(join(copy, 'manifest.json'), 'utf8'));
    const files = ociFiles(IMAGE);
    for (const { digest } of [manifest.config, ...manifest.layers])
      expect(
        readFileSync(join(copy, digest.slice(7))).equals(
          files.get(`blobs/${digest.replace(':', '/')}`) ?? Buffer.alloc(0),
        ),
      ).toBe(true);
  });

  test('takes every tag of a repository with --all-tags', async () => {
    await tsrun.ok('load', '-i', join(tsrun.scratch, 'small.tar'));
    for (const tag of ['a', 'b']) await tsrun.ok('tag', 'small:1', `${open.host}/tagged:${tag}`);
    expect(await tsrun.ok('push', '--all-tags', '-q', `${open.host}/tagged`)).toBe(
      `${open.host}/tagged:a\n${open.host}/tagged:b\n`,
    );
    expect(
      JSON.parse(skopeo('list-tags', '--tls-verify=false', `docker://${open.host}/tagged`)).Tags.toSorted(),
    ).toEqual(['a', 'b']);
  });

  test('fails with 1 for an image that is not there, a digest, and a registry that does not take it', async () => {
    expect(await tsrun.run('push', `${open.host}/nothing:1`)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^tsrun: No such image: /),
    });
    expect(await tsrun.run('push', `${open.host}/x@sha256:${'0'.repeat(64)}`)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('only tags can be pushed'),
    });
    await tsrun.ok('load', '-i', join(tsrun.scratch, 'small.tar'));
    await tsrun.ok('tag', 'small:1', `${closed.host}/mine:1`);
    mkdirSync(join(tsrun.scratch, 'certs.d', closed.host), { recursive: true });
    writeFileSync(join(tsrun.scratch, 'certs.d', closed.host, 'ca.crt'), readFileSync(closed.authority));
    expect(
      await tsrun.runWith(
        { env: { TSRUN_CERTS_DIR: join(tsrun.scratch, 'certs.d'), DOCKER_CONFIG: tsrun.scratch } },
        'push',
        `${closed.host}/mine:1`,
      ),
    ).toMatchObject({ code: 1, stderr: expect.stringMatching(/it wants a login\nhint: `tsrun login 127/) });
  });
});

test('tsrun manifest inspect shows what a name stands for, byte for byte when asked to', async () => {
  const name = `${open.host}/team/small:1`;
  const raw = skopeo('inspect', '--tls-verify=false', '--raw', `docker://${name}`);
  expect(await tsrun.ok('manifest', 'inspect', '--raw', name)).toBe(raw);
  expect(await tsrun.ok('manifest', 'inspect', name)).toBe(
    `${JSON.stringify(JSON.parse(raw), undefined, 3)}\n`,
  );
  expect(JSON.parse(await tsrun.ok('manifest', 'inspect', '-v', name))).toMatchObject({
    Descriptor: { digest: digestOf(name), size: raw.length },
    Manifest: { schemaVersion: 2 },
  });
  expect(await tsrun.run('manifest', 'inspect', `${open.host}/nothing`)).toMatchObject({
    code: 1,
    stdout: '',
  });
});

describe('tsrun search', () => {
  test('looks through the catalog of a registry that has no search', async () => {
    push(`${open.host}/findme/one:1`);
    push(`${open.host}/findme/two:1`);
    const [header, ...rows] = (await tsrun.ok('search', `${open.host}/findme`)).trim().split('\n');
    expect(header).toMatch(/^NAME +DESCRIPTION +STARS +OFFICIAL$/);
    expect(rows.map((row) => row.split(' ')[0])).toEqual([
      `${open.host}/findme/one`,
      `${open.host}/findme/two`,
    ]);
    expect((await tsrun.ok('search', '--limit', '1', `${open.host}/findme`)).trim().split('\n')).toHaveLength(
      2,
    );
    expect((await tsrun.run('search', '--limit', '0', 'x')).code).toBe(125);
  });

  test("asks Docker Hub's index when no registry is named", async () => {
    const seen: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      seen.push(request.url);
      const result = { name: 'app', description: 'does\x1b[2J things', star_count: 7, is_official: true };
      response.end(JSON.stringify({ results: [result] }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const directory = join(tsrun.scratch, 'certs.d/index.docker.io');
    mkdirSync(directory, { recursive: true });
    writeFileSync(
      join(directory, 'hosts.toml'),
      `server = "http://127.0.0.1:${(server.address() as AddressInfo).port}"`,
    );
    const env = { TSRUN_CERTS_DIR: join(tsrun.scratch, 'certs.d') };
    const { stdout, stderr } = await tsrun.runWith({ env }, 'search', 'app');
    server.close();
    expect(stderr).toBe('');
    expect(stdout.split('\n')[1]).toMatch(/^app +does\\x1b\[2J things +7 +\[OK\]$/);
    expect(seen).toEqual(['/v1/search?q=app&n=25']);
  });
});
