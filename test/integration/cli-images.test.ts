/** The image verbs as a user types them, and what of an image's configuration a container is made with. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  dockerArchive,
  ociArchive,
  shellLayer,
  type TestImage,
  writeOciDirectory,
} from '../support/image-archives.ts';
import { type RawEntry, rawTar } from '../support/raw-tar.ts';
import { useTsrun } from '../support/tsrun.ts';

const tsrun = useTsrun({ images: 'own' });
const small: TestImage = {
  name: 'small:1',
  layers: [shellLayer(), [{ name: 'etc/says', data: 'hello from the second layer\n' }]],
  config: { Cmd: ['cat', '/etc/says'] },
};

function file(name: string, bytes: Buffer): string {
  const path = join(tsrun.scratch, name);
  writeFileSync(path, bytes);
  return path;
}

// The directories of the store are made by the first load, and stay.
beforeAll(async () => {
  await tsrun.ok('load', '-i', file('first.tar', dockerArchive(small)));
  await tsrun.ok('rmi', 'small:1');
});

afterEach(async () => {
  const ids = (await tsrun.ok('images', '-q')).split('\n').filter(Boolean);
  if (ids.length > 0) await tsrun.ok('rmi', '-f', ...new Set(ids));
});

async function load(image: TestImage): Promise<void> {
  const { code, stderr } = await tsrun.runWith({ stdin: dockerArchive(image) }, 'load', '-q');
  if (code !== 0) throw new Error(stderr);
}

describe('tsrun load takes', () => {
  const directory = () => {
    const path = join(tsrun.scratch, 'oci');
    writeOciDirectory(path, small);
    return path;
  };
  const layers = (pack: TestImage['pack'], suffix: string) => ({
    ...small,
    ...(pack === undefined ? {} : { pack }),
    layerType: `application/vnd.oci.image.layer.v1.tar+${suffix}`,
  });
  test.each<[string, () => string]>([
    ['a docker-archive', () => file('a.tar', dockerArchive(small))],
    ['a docker-archive in gzip', () => file('a.tar.gz', gzipSync(dockerArchive(small)))],
    ['a docker-archive in zstd', () => file('a.tar.zst', zstdCompressSync(dockerArchive(small)))],
    ['an oci-archive', () => file('o.tar', ociArchive(small))],
    ['an oci-archive with gzip layers', () => file('og.tar', ociArchive(layers(gzipSync, 'gzip')))],
    ['an oci-archive with zstd layers', () => file('oz.tar', ociArchive(layers(zstdCompressSync, 'zstd')))],
    ['an OCI directory', directory],
  ])('%s, and the image runs', async (_, input) => {
    expect(await tsrun.ok('load', '-i', input())).toBe('Loaded image: small:1\n');
    expect(await tsrun.ok('run', '--rm', 'small:1')).toBe('hello from the second layer\n');
  });

  test('an archive from standard input, in any compression', async () => {
    for (const bytes of [dockerArchive(small), gzipSync(ociArchive(small))])
      expect(await tsrun.runWith({ stdin: bytes }, 'load')).toMatchObject({
        code: 0,
        stdout: 'Loaded image: small:1\n',
      });
  });
});

describe('a loaded image', () => {
  test('is listed, gets a second name, and goes with its last one', async () => {
    await load(small);
    expect(await tsrun.ok('images')).toMatch(
      /^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE\nsmall +1 +[0-9a-f]{12} +\S.* +\S+MB\n$/,
    );
    await tsrun.ok('tag', 'small:1', 'registry.example:5000/team/other');
    const id = (await tsrun.ok('images', '-q', '--no-trunc')).split('\n')[0] ?? '';
    expect(await tsrun.ok('images')).toMatch(/\nregistry\.example:5000\/team\/other +latest /);
    expect(await tsrun.ok('run', '--rm', id.slice(7, 19))).toBe('hello from the second layer\n');
    expect(await tsrun.ok('rmi', 'small:1')).toBe('Untagged: small:1\n');
    expect(await tsrun.ok('rmi', 'registry.example:5000/team/other')).toBe(
      `Untagged: registry.example:5000/team/other:latest\nDeleted: ${id}\n`,
    );
    expect(await tsrun.ok('images', '-q')).toBe('');
    expect((await tsrun.run('run', '--rm', id.slice(7, 19), 'true')).code).toBe(125);
  });

  test('is described by image inspect as Docker does', async () => {
    await load({ ...small, config: { ...small.config, Env: ['A=1'], User: 'app', Labels: { x: 'y' } } });
    const [found] = JSON.parse(await tsrun.ok('image', 'inspect', 'small:1'));
    expect(found).toMatchObject({
      RepoTags: ['small:1'],
      Os: 'linux',
      Config: { Cmd: ['cat', '/etc/says'], Env: ['A=1'], User: 'app', Labels: { x: 'y' } },
    });
    expect(found.Id).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(found.RootFS.Layers).toHaveLength(2);
  });

  test('in use by a container is not removed; with -f its name goes and the container stays', async () => {
    await load(small);
    await tsrun.ok('run', '--name', 'user', 'small:1');
    expect((await tsrun.run('rmi', 'small:1')).stderr).toMatch(
      /^tsrun: Cannot remove the image small:1: the stopped container [0-9a-f]{12} uses it\n/,
    );
    expect(await tsrun.ok('rmi', '-f', 'small:1')).toBe('Untagged: small:1\n');
    expect(await tsrun.ok('ps', '-a')).toContain('user');
    expect(await tsrun.ok('images')).toMatch(/\n<none> +<none> /);
    await tsrun.ok('rm', 'user');
  });
});

test('tsrun import makes an image from a tar of a root file system, with its instructions', async () => {
  const tar = file('rootfs.tar.gz', gzipSync(rawTar(shellLayer())));
  const changes = ['-c', 'ENV GREETING=hi', '-c', 'WORKDIR /srv', '-c', 'CMD echo $GREETING from $PWD'];
  expect(await tsrun.ok('import', ...changes, '-m', 'by hand', tar, 'imported')).toMatch(
    /^sha256:[0-9a-f]{64}\n$/,
  );
  expect(await tsrun.ok('run', '--rm', 'imported')).toBe('hi from /srv\n');
});

test('an image of 120 layers runs, and its topmost layer wins', async () => {
  const layers = Array.from({ length: 119 }, (_, i): RawEntry[] => [
    { name: 'etc/top', data: `layer ${i}\n` },
    { name: `etc/layer${i}`, data: '' },
  ]);
  await load({ name: 'deep:1', layers: [shellLayer(), ...layers] });
  expect(await tsrun.ok('run', '--rm', 'deep:1', 'cat', '/etc/top')).toBe('layer 118\n');
  expect((await tsrun.ok('run', '--rm', 'deep:1', 'ls', '/etc')).match(/^layer\d+$/gm)).toHaveLength(119);
});

describe('the configuration of an image', () => {
  const image = (config: TestImage['config'], extra: RawEntry[] = []): TestImage => ({
    name: 'configured:1',
    layers: [[...shellLayer(), ...extra]],
    config: config ?? {},
  });

  test('says user, working directory, entrypoint, command and environment', async () => {
    await load(
      image({
        ...{ User: 'app', WorkingDir: '/srv/app', Entrypoint: ['sh', '-c'], Env: ['A=from image', 'B=2'] },
        Cmd: ['id -u; id -g; id -G; pwd; echo "$A|$B|$HOME"'],
      }),
    );
    expect(await tsrun.ok('run', '--rm', '-e', 'B=3', 'configured:1')).toBe(
      '1234\n1235\n1235 1300\n/srv/app\nfrom image|3|/srv/app\n',
    );
    expect(await tsrun.ok('run', '--rm', '-u', '0', '-w', '/', 'configured:1', 'id -u; pwd')).toBe('0\n/\n');
    expect(await tsrun.ok('run', '--rm', '--entrypoint', 'pwd', 'configured:1')).toBe('/srv/app\n');
  });

  test('never takes a value from the host: entries without = are left out (CVE-2026-57231)', async () => {
    await load(image({ Env: ['SECRET', '*', 'A=', '=x', 'PATH=/bin'] }));
    const { stdout } = await tsrun.runWith(
      { env: { SECRET: 'canary' } },
      'run',
      '--rm',
      '-h',
      'h',
      'configured:1',
      'env',
    );
    expect(stdout.split('\n').toSorted().filter(Boolean)).toEqual([
      'A=',
      'HOME=/root',
      'HOSTNAME=h',
      'PATH=/bin',
    ]);
  });

  test('has labels that steer nothing', async () => {
    const see = async () => {
      await tsrun.ok('run', '--name', 'labelled', '--hostname', 'h', 'configured:1', 'true');
      const [found] = JSON.parse(await tsrun.ok('inspect', 'labelled'));
      const config = JSON.parse(
        readFileSync(join(tsrun.dataRoot, 'containers', found.Id, 'config.json'), 'utf8'),
      );
      await tsrun.ok('rm', 'labelled');
      return JSON.stringify(config.spec).replaceAll(found.Id, 'ID');
    };
    await load(image({}));
    const plain = await see();
    await load(
      image({
        Labels: {
          'io.tsrun.privileged': 'true',
          'org.systemd.property.Delegate': 'true',
          'run.oci.handler': 'wasm',
          'containerd.io/restart.status': 'running',
        },
      }),
    );
    expect(await see()).toBe(plain);
  });

  test('has a working directory that stays inside, also through a link to outside', async () => {
    const victim = join(tsrun.scratch, 'victim');
    mkdirSync(victim);
    await load(image({ WorkingDir: '/l/made' }, [{ name: 'l', type: '2', link: victim }]));
    expect(await tsrun.ok('run', '--rm', 'configured:1', 'pwd')).toBe(`${victim}/made\n`);
    expect(existsSync(join(victim, 'made'))).toBe(false);
    await load(image({ WorkingDir: '/../../../../etc/x' }));
    expect(await tsrun.ok('run', '--rm', 'configured:1', 'pwd')).toBe('/etc/x\n');
    expect(existsSync('/etc/x')).toBe(false);
  });

  test('has a working directory that is no descriptor of tsrun (CVE-2024-21626)', async () => {
    for (const fd of [3, 7, 9, 24]) {
      await load(image({ WorkingDir: `/proc/self/fd/${fd}` }));
      const { code, stdout, stderr } = await tsrun.run('run', '--rm', 'configured:1', 'pwd');
      expect({ code, stdout }).toEqual({ code: 125, stdout: '' });
      expect(stderr).toContain(`Cannot start the container: /proc/self/fd/${fd} `);
    }
  });
});
