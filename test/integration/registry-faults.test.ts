/** Pulling from a registry that is slow, broken, hostile or hangs. The registry runs in this process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openImageStore } from '../../src/image/store.ts';
import { StorePaths } from '../../src/image/store-paths.ts';
import type { HostPath } from '../../src/lib/brands.ts';
import type { LayerEvent } from '../../src/registry/layer-event.ts';
import { type PullOptions, pullImage } from '../../src/registry/pull.ts';
import { dockerArchive, ociFiles, sha256, shellLayer, type TestImage } from '../support/image-archives.ts';
import { temporaryDirectory } from '../support/layers.ts';
import { type Script, sendBlob, serveImage } from '../support/scripted-registry.ts';
import { useTsrun } from '../support/tsrun.ts';
import { PROGRAM } from '../support/under-test.ts';

const tsrun = useTsrun({ images: 'own' });
const IMAGE: TestImage = {
  name: 'small:1',
  layers: [
    shellLayer(),
    [{ name: 'etc/says', data: 'hello\n' }],
    [{ name: 'etc/long', data: Buffer.alloc(300_000, 'long ') }],
  ],
  config: { Cmd: ['cat', '/etc/says'] },
};
const FILES = ociFiles(IMAGE);
const IMPATIENT = { env: { TSRUN_REGISTRY_TIMEOUT: '1' } };
const RETRY = { attempts: 4, firstDelayMs: 5, longestDelayMs: 2000 };

function newStore() {
  const root = join(temporaryDirectory(), 'data') as HostPath;
  return { paths: new StorePaths(root), store: openImageStore(root) };
}

interface Pulled {
  readonly error: unknown;
  readonly events: readonly LayerEvent[];
  readonly store: ReturnType<typeof newStore>;
}

async function pull(name: string, store = newStore(), options: Partial<PullOptions> = {}): Promise<Pulled> {
  const events: LayerEvent[] = [];
  const env = { TSRUN_REGISTRY_TIMEOUT: '20', ...options.env };
  const error = await pullImage(store.paths, name, {
    retry: RETRY,
    onLayer: (event) => events.push(event),
    ...options,
    env,
  }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { error, events, store };
}

const reject = (problem: RegExp, code: string) =>
  expect.objectContaining({ code, message: expect.stringMatching(problem) });

/** Blobs, layers and half-made things in a store. */
function contents({ paths }: ReturnType<typeof newStore>): readonly string[] {
  return [`${paths.blobs}/sha256`, paths.layers, paths.links, paths.resolved, paths.temporary].flatMap(
    (directory) => (existsSync(directory) ? readdirSync(directory) : []),
  );
}

const isBlob = (url: string | undefined, digest: string | undefined) =>
  url?.endsWith(`/blobs/${digest}`) ?? false;

// The directories of the store are made by the first image, and stay.
beforeAll(async () => {
  await tsrun.runWith({ stdin: dockerArchive(IMAGE) }, 'load');
  await tsrun.ok('rmi', 'small:1');
});

describe('a pull goes on', () => {
  test.each<[string, (layer: string) => Script]>([
    [
      'when a connection breaks in the middle of a layer',
      (layer) => (request, response, before) => {
        if (!isBlob(request.url, layer) || before > 0) return false;
        response.writeHead(200, { 'content-length': blob(layer).length });
        response.write(blob(layer).subarray(0, 100_000), () => response.destroy());
        return true;
      },
    ],
    [
      'when nothing more comes in the middle of a layer',
      (layer) => (request, response, before) => {
        if (!isBlob(request.url, layer) || before > 0) return false;
        response.writeHead(200, { 'content-length': blob(layer).length });
        response.write(blob(layer).subarray(0, 100_000));
        return true;
      },
    ],
  ])('%s, from where it broke', async (_, script) => {
    await using registry = await serveImage(IMAGE);
    const layer = registry.layers[2] ?? '';
    registry.script = script(layer);
    const { error, store } = await pull(`${registry.host}/small:1`, newStore(), IMPATIENT);
    expect(error).toBeUndefined();
    const [first, second, ...more] = registry.requests.filter(({ path }) => isBlob(path, layer));
    expect(first?.headers.range).toBeUndefined();
    expect(second?.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
    expect(more).toEqual([]);
    expect(await store.store.list()).toHaveLength(1);
  });

  test('with a server that knows no ranges, and begins anew', async () => {
    await using registry = await serveImage(IMAGE);
    const layer = registry.layers[2] ?? '';
    registry.script = (request, response, before) => {
      if (!isBlob(request.url, layer)) return false;
      response.writeHead(200, { 'content-length': blob(layer).length });
      if (before === 0) response.write(blob(layer).subarray(0, 100_000), () => response.destroy());
      else response.end(blob(layer));
      return true;
    };
    expect((await pull(`${registry.host}/small:1`)).error).toBeUndefined();
  });

  test('when the registry has a bad moment, or asks to wait', async () => {
    await using registry = await serveImage(IMAGE);
    registry.script = (request, response, before) => {
      if (!request.url?.includes('/manifests/')) return false;
      if (before === 0) response.writeHead(503).end();
      else if (before === 1) response.writeHead(429, { 'retry-after': '1' }).end();
      return before < 2;
    };
    const started = performance.now();
    expect((await pull(`${registry.host}/small:1`)).error).toBeUndefined();
    expect(performance.now() - started).toBeGreaterThan(1000);
  });
});

describe('nothing of an image is kept when', () => {
  const withBlob =
    (change: (bytes: Buffer) => Buffer) =>
    (layer: string): Script =>
    (request, response) => {
      if (!isBlob(request.url, layer)) return false;
      sendBlob(change(blob(layer)), request, response);
      return true;
    };
  const chunked =
    (change: (bytes: Buffer) => Buffer) =>
    (layer: string): Script =>
    (request, response) => {
      if (!isBlob(request.url, layer)) return false;
      response.writeHead(200);
      response.end(change(blob(layer)));
      return true;
    };
  test.each<[string, (layer: string) => Script, RegExp, string]>([
    [
      'a byte of a layer is another',
      withBlob(flipped),
      /the blob sha256:\w+: its content has the digest/,
      'REGISTRY_BROKEN',
    ],
    [
      'a layer is shorter',
      withBlob((b) => b.subarray(0, -1)),
      /has 30\d+ bytes, and the manifest promises/,
      'REGISTRY_BROKEN',
    ],
    [
      'a layer is longer',
      withBlob((b) => Buffer.concat([b, b])),
      /bytes, and the manifest promises/,
      'REGISTRY_BROKEN',
    ],
    [
      'a layer of unknown length does not end in time',
      chunked((b) => Buffer.concat([b, b])),
      /it has more than/,
      'REGISTRY_BROKEN',
    ],
    [
      'a layer of unknown length ends too soon',
      chunked((b) => b.subarray(0, 5000)),
      /promises|ends after/,
      'REGISTRY_CUT_OFF',
    ],
    [
      'a layer is not there',
      (layer) => (request, response) => {
        if (isBlob(request.url, layer)) response.writeHead(404).end();
        return isBlob(request.url, layer);
      },
      /has no \/v2\/small\/blobs/,
      'REGISTRY_NOT_FOUND',
    ],
    [
      'the registry hangs',
      () => (request) => request.url?.includes('/blobs/') ?? false,
      /it sent nothing for 1 s/,
      'REGISTRY_TIMEOUT',
    ],
    [
      'it wants us to wait for an hour',
      () => (request, response) => {
        response.writeHead(429, { 'retry-after': '3600' }).end();
        return request.url !== undefined;
      },
      /too many requests/,
      'REGISTRY_RATE_LIMIT',
    ],
  ])('%s', async (_, script, problem, code) => {
    await using registry = await serveImage(IMAGE);
    registry.script = script(registry.layers[2] ?? '');
    const options = code === 'REGISTRY_TIMEOUT' ? IMPATIENT : {};
    const { error, store } = await pull(`${registry.host}/small:1`, newStore(), options);
    expect(error).toEqual(reject(problem, code));
    expect(contents(store)).toEqual([]);
  });
});

describe('a manifest is refused that', () => {
  const manifest = (
    change: (manifest: Record<string, unknown>) => unknown,
    mediaType = 'application/vnd.oci.image.manifest.v1+json',
  ) => {
    const [entry] = JSON.parse(String(FILES.get('index.json'))).manifests;
    const parsed = JSON.parse(String(FILES.get(`blobs/${entry.digest.replace(':', '/')}`)));
    return { mediaType, bytes: Buffer.from(JSON.stringify(change(parsed))) };
  };
  test.each([
    [
      'is also an index (CVE-2021-41190)',
      manifest((m) => ({ ...m, manifests: [] })),
      /has both layers and manifests/,
    ],
    [
      'claims to be of another type than it was sent as',
      manifest((m) => m, 'application/vnd.docker.distribution.manifest.v2+json'),
      /claims to be/,
    ],
    ['is no manifest', manifest((m) => m, 'text/html'), /has the media type "text\/html"/],
    [
      'is in schema 1',
      manifest((m) => m, 'application/vnd.docker.distribution.manifest.v1+prettyjws'),
      /schema 1/,
    ],
    [
      'is larger than 4 MiB',
      manifest((m) => ({ ...m, pad: 'x'.repeat(4 << 20) })),
      /more than 4194304 bytes/,
    ],
    [
      'is that of an artifact',
      manifest((m) => ({
        ...m,
        config: { ...(m.config as object), mediaType: 'application/vnd.cncf.helm.config.v1+json' },
      })),
      /helm\.config\.v1\+json, which is no container image config/,
    ],
    [
      'names a digest that climbs',
      manifest((m) => ({
        ...m,
        layers: [{ ...(m.layers as object[])[0], digest: 'sha256:../../../../etc/passwd' }],
      })),
      /digest/,
    ],
  ])('%s', async (_, top, problem) => {
    await using registry = await serveImage(IMAGE, { top });
    const { error, store } = await pull(`${registry.host}/small:1`);
    expect(error).toEqual(expect.objectContaining({ message: expect.stringMatching(problem) }));
    expect(registry.requests.filter(({ path }) => path.includes('/blobs/'))).toEqual([]);
    expect(contents(store)).toEqual([]);
  });

  test('has another digest than the one that was asked for, or that the registry claims', async () => {
    await using registry = await serveImage(IMAGE);
    const wrong = `sha256:${'0'.repeat(64)}`;
    registry.script = (request, response) => {
      if (!request.url?.includes('/manifests/')) return false;
      const { mediaType, bytes } = manifest((m) => m);
      response.writeHead(200, { 'content-type': mediaType, 'docker-content-digest': wrong });
      response.end(bytes);
      return true;
    };
    for (const name of [`${registry.host}/small@${wrong}`, `${registry.host}/small:1`])
      expect((await pull(name)).error).toEqual(
        reject(/the manifest sha256:0+ has a content with the digest/, 'REGISTRY_BROKEN'),
      );
  });
});

describe('of an index', () => {
  const INDEX = 'application/vnd.oci.image.index.v1+json';
  const [entry] = JSON.parse(String(FILES.get('index.json'))).manifests;
  const { annotations: _, ...descriptor } = entry;
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const index = (manifests: readonly object[]) => ({
    mediaType: INDEX,
    bytes: Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests })),
  });
  const other = {
    ...descriptor,
    digest: sha256(Buffer.from('other')),
    platform: { os: 'linux', architecture: 's390x' },
  };
  const own = { ...descriptor, platform: { os: 'linux', architecture } };
  const describing = ({ mediaType, bytes }: { mediaType: string; bytes: Buffer }) => ({
    mediaType,
    digest: sha256(bytes),
    size: bytes.length,
    platform: { os: 'linux', architecture },
  });

  test('the manifest of this machine is taken, and the image is found by the digest of the index', async () => {
    const inner = index([other, own]);
    const top = index([other, describing(inner)]);
    await using registry = await serveImage(IMAGE, { top, others: [inner] });
    const { error, store } = await pull(`${registry.host}/small:1`);
    expect(error).toBeUndefined();
    const image = await store.store.resolve(`${registry.host}/small@${registry.digest}`);
    expect(image.manifestDigest).toBe(entry.digest);
    expect(store.store.namesOf(image.id)).toEqual([
      `${registry.host}/small:1`,
      `${registry.host}/small@${registry.digest}`,
    ]);
    expect((await store.store.list()).map(({ tag }) => tag)).toEqual(['1']);
    const removed = await store.store.remove(`${registry.host}/small:1`, { uses: () => [] });
    expect(removed).toMatchObject({ untagged: { length: 2 }, deleted: image.id });
    expect(contents(store)).toEqual([]);
  });

  test('without one for this machine, those that there are get named', async () => {
    await using registry = await serveImage(IMAGE, { top: index([other]) });
    const { error } = await pull(`${registry.host}/small:1`);
    expect(error).toEqual(reject(new RegExp(`there is none for linux/${architecture}$`), 'IMAGE_PLATFORM'));
    expect(error).toHaveProperty('hint', 'there is one for linux/s390x');
  });

  test('that contains itself there is an end', async () => {
    await using registry = await serveImage(IMAGE);
    registry.script = (request, response) => {
      if (!request.url?.includes('/manifests/')) return false;
      const endless = index([describing(index([own]))]);
      response.writeHead(200, { 'content-type': INDEX });
      response.end(endless.bytes);
      return true;
    };
    expect((await pull(`${registry.host}/small:1`)).error).toEqual(
      reject(/has a content with the digest/, 'REGISTRY_BROKEN'),
    );
  });

  test('another platform is taken when it is asked for, and an image for another is refused', async () => {
    await using registry = await serveImage(IMAGE);
    const { error } = await pull(`${registry.host}/small:1`, newStore(), { platform: 'linux/s390x' });
    expect(error).toEqual(reject(/it is for linux\/\w+, not for linux\/s390x/, 'IMAGE_PLATFORM'));
  });
});

describe('each blob is fetched once', () => {
  test('also when two processes pull at the same time', async () => {
    await using registry = await serveImage(IMAGE);
    registry.script = (request, response) => {
      if (!request.url?.includes('/blobs/')) return false;
      setTimeout(() => sendBlob(blob(request.url?.split('/').at(-1) ?? ''), request, response), 100);
      return true;
    };
    const name = `${registry.host}/small:1`;
    const both = await Promise.all([tsrun.run('pull', name), tsrun.run('pull', name)]);
    expect(both.map(({ code, stderr }) => `${code}${stderr}`)).toEqual(['0', '0']);
    expect(Object.values(registry.blobRequests())).toEqual([1, 1, 1, 1]);
    expect(await tsrun.ok('run', '--rm', '--network', 'none', name)).toBe('hello\n');
    await tsrun.ok('rmi', name);
  });

  test('and layers that the store has are not fetched at all', async () => {
    const more: TestImage = { ...IMAGE, layers: [...IMAGE.layers, [{ name: 'etc/more', data: 'more' }]] };
    await using first = await serveImage(IMAGE);
    await using second = await serveImage(more);
    const { store } = await pull(`${first.host}/small:1`);
    const { error, events } = await pull(`${second.host}/more:1`, store);
    expect(error).toBeUndefined();
    expect(Object.keys(second.blobRequests()).filter((digest) => second.layers.includes(digest))).toEqual([
      second.layers[3],
    ]);
    expect(events.filter(({ phase }) => phase === 'present').map(({ layer }) => layer)).toEqual(
      second.layers.slice(0, 3),
    );
    expect((await pull(`${second.host}/more:1`, store)).events).toEqual([]);
  });
});

test('layers are unpacked while others are still on their way', async () => {
  await using registry = await serveImage(IMAGE);
  const { promise: unpacked, resolve } = Promise.withResolvers<void>();
  registry.script = (request, response) => {
    if (!isBlob(request.url, registry.layers[2])) return false;
    unpacked.then(() => sendBlob(blob(registry.layers[2] ?? ''), request, response));
    return true;
  };
  const { paths } = newStore();
  const { image } = await pullImage(paths, `${registry.host}/small:1`, {
    env: {},
    onLayer: ({ layer, phase }) => {
      if (phase === 'unpacked' && layer === registry.layers[1]) resolve();
    },
  });
  expect(image.layers).toHaveLength(3);
});

test('a pull that is stopped leaves nothing', async () => {
  await using registry = await serveImage(IMAGE);
  registry.script = (request) => isBlob(request.url, registry.layers[2]);
  const stop = new AbortController();
  const store = newStore();
  const { error } = await pull(`${registry.host}/small:1`, store, {
    signal: stop.signal,
    env: { TSRUN_REGISTRY_TIMEOUT: '20' },
    onLayer: ({ layer, phase }) => {
      if (phase === 'unpacked' && layer === registry.layers[1]) stop.abort(new Error('enough'));
    },
  });
  expect(error).toEqual(new Error('enough'));
  expect(contents(store)).toEqual([]);
});

test('a pull that is killed leaves nothing that the next one does not remove', async () => {
  await using registry = await serveImage(IMAGE);
  const name = `${registry.host}/small:1`;
  const data = newStore();
  const env = { ...process.env, TSRUN_ROOT: data.paths.root, TSRUN_RUN_ROOT: `${data.paths.root}-run` };
  for (const [step, script] of killPoints(registry.layers).entries()) {
    const child = spawn(PROGRAM, ['pull', '-q', name], { env, stdio: 'ignore' });
    registry.script = (request, response) => script(request, response, () => child.kill('SIGKILL'));
    await once(child, 'exit');
    expect({ step, signal: child.signalCode }).toEqual({ step, signal: 'SIGKILL' });
  }
  registry.script = () => false;
  expect((await pull(name, data)).error).toBeUndefined();
  expect(readdirSync(data.paths.temporary)).toEqual([]);
  await data.store.remove(name, { uses: () => [] });
  expect(contents(data)).toEqual([]);
});

type KillScript = (
  request: Parameters<Script>[0],
  response: Parameters<Script>[1],
  kill: () => void,
) => boolean;

/** Before and in the middle of each layer. */
function killPoints(layers: readonly string[]): readonly KillScript[] {
  return layers.flatMap((layer): KillScript[] => [
    (request, _response, kill) => {
      if (isBlob(request.url, layer)) kill();
      return isBlob(request.url, layer);
    },
    (request, response, kill) => {
      if (!isBlob(request.url, layer)) return false;
      response.writeHead(200);
      response.write(blob(layer).subarray(0, 300), () => setTimeout(kill, 20));
      return true;
    },
  ]);
}

function blob(digest: string): Buffer {
  return FILES.get(`blobs/${digest.replace(':', '/')}`) ?? Buffer.alloc(0);
}

function flipped(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  changed[1000] = (changed[1000] ?? 0) ^ 1;
  return changed;
}
