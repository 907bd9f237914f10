/** Images made for one test, as the archives that other tools write: what they hold is said byte by byte. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type RawEntry, rawTar } from './raw-tar.ts';

export interface TestImage {
  /** `name:tag`. */
  readonly name: string;
  /** Lowest first: entries, or a whole tar as it is. */
  readonly layers: readonly (readonly RawEntry[] | Buffer)[];
  /** The `config` part of the image's configuration, as Docker spells it. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** What is done to a layer's tar before it is stored: compression. OCI archives only. */
  readonly pack?: (tar: Buffer) => Buffer;
  readonly layerType?: string;
  readonly history?: readonly Readonly<Record<string, unknown>>[];
  /** RFC 3339 */
  readonly created?: string;
}

const PROGRAMS = 'sh cat echo env id ls mkdir pwd readlink sleep stat touch true'.split(' ');

/** A layer on which a shell runs. */
export function shellLayer(): RawEntry[] {
  return [
    ...['bin', 'etc', 'proc', 'dev', 'sys', 'tmp'].map((name) => ({ name, type: '5' })),
    { name: 'bin/busybox', mode: 0o755, data: readFileSync('/bin/busybox') },
    ...PROGRAMS.map((name) => ({ name: `bin/${name}`, type: '2', link: 'busybox' })),
    { name: 'etc/passwd', data: 'root:x:0:0:root:/root:/bin/sh\napp:x:1234:1235:app:/srv/app:/bin/sh\n' },
    { name: 'etc/group', data: 'root:x:0:\napp:x:1235:\nextra:x:1300:app\n' },
  ];
}

/** What `docker save` writes. */
export function dockerArchive(image: TestImage): Buffer {
  const layers = image.layers.map(tarOf);
  const names = layers.map((_, i) => `layer${i}/layer.tar`);
  return rawTar([
    { name: 'config.json', data: configOf(image, layers) },
    ...layers.map((data, i) => ({ name: names[i] ?? '', data })),
    {
      name: 'manifest.json',
      data: JSON.stringify([{ Config: 'config.json', RepoTags: [image.name], Layers: names }]),
    },
  ]);
}

/** The files of an OCI image layout, by name. */
export function ociFiles(image: TestImage): ReadonlyMap<string, Buffer> {
  const files = new Map<string, Buffer>();
  const put = (mediaType: string, bytes: Buffer) => {
    const digest = sha256(bytes);
    files.set(`blobs/${digest.replace(':', '/')}`, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const tars = image.layers.map(tarOf);
  const layerType = image.layerType ?? 'application/vnd.oci.image.layer.v1.tar';
  const layers = tars.map((tar) => put(layerType, image.pack?.(tar) ?? tar));
  const config = put('application/vnd.oci.image.config.v1+json', configOf(image, tars));
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = put(mediaType, json({ schemaVersion: 2, mediaType, config, layers }));
  const annotations = {
    'io.containerd.image.name': image.name,
    'org.opencontainers.image.ref.name': image.name,
  };
  files.set('oci-layout', json({ imageLayoutVersion: '1.0.0' }));
  files.set('index.json', json({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }));
  return files;
}

export function ociArchive(image: TestImage): Buffer {
  return rawTar([...ociFiles(image)].map(([name, data]) => ({ name, data })));
}

export function writeOciDirectory(directory: string, image: TestImage): void {
  for (const [name, data] of ociFiles(image)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), data);
  }
}

export function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function tarOf(layer: readonly RawEntry[] | Buffer): Buffer {
  return Buffer.isBuffer(layer) ? layer : rawTar(layer as readonly RawEntry[]);
}

function configOf({ config = {}, history, created }: TestImage, layers: readonly Buffer[]): Buffer {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  return json({
    created,
    architecture,
    os: 'linux',
    config,
    history,
    rootfs: { type: 'layers', diff_ids: layers.map(sha256) },
  });
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
