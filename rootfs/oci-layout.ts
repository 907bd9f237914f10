/**
 * `oci-layout.ts RECIPE.json DIRECTORY LAYER.tar...`: writes an OCI image layout (OCI image-spec,
 * image-layout.md) with one image, its layers lowest first. The same input gives the same bytes.
 */
import { createHash } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

interface Recipe {
  readonly reference: string;
  /** The `config` of an OCI image config: Env, Cmd, … */
  readonly config: Readonly<Record<string, unknown>>;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

const [recipeFile = '', directory = '', ...layerFiles] = process.argv.slice(2);
await writeLayout(JSON.parse(readFileSync(recipeFile, 'utf8')), directory, layerFiles);

async function writeLayout(recipe: Recipe, layout: string, tars: readonly string[]): Promise<void> {
  const blobs = join(layout, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const layers = [];
  for (const tar of tars) layers.push(await writeLayer(blobs, tar));

  const created = new Date(Number(process.env.SOURCE_DATE_EPOCH) * 1000).toISOString();
  const config = writeJson(blobs, 'application/vnd.oci.image.config.v1+json', {
    created,
    architecture: ARCHITECTURES[process.arch],
    os: 'linux',
    config: recipe.config,
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map(() => ({ created, created_by: 'tsrun rootfs recipe' })),
  });
  const manifest = writeJson(blobs, 'application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config,
    layers: layers.map((layer) => layer.blob),
  });
  const annotations = { 'org.opencontainers.image.ref.name': recipe.reference };
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ ...manifest, annotations }],
  };
  writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  writeFileSync(join(layout, 'index.json'), JSON.stringify(index));
}

/** Compresses a layer into the blobs; the diff ID is the digest of the tar, the blob's that of the gzip stream. */
async function writeLayer(blobs: string, tar: string): Promise<{ blob: Descriptor; diffId: string }> {
  const unfinished = join(blobs, 'unfinished');
  const plain = createHash('sha256');
  const compressed = createHash('sha256');
  let size = 0;
  await pipeline(
    createReadStream(tar),
    observe((chunk) => plain.update(chunk)),
    createGzip(),
    observe((chunk) => {
      compressed.update(chunk);
      size += chunk.length;
    }),
    createWriteStream(unfinished),
  );
  const hex = compressed.digest('hex');
  renameSync(unfinished, join(blobs, hex));
  const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip';
  return { blob: { mediaType, digest: `sha256:${hex}`, size }, diffId: `sha256:${plain.digest('hex')}` };
}

function observe(see: (chunk: Buffer) => void): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      see(chunk);
      done(null, chunk);
    },
  });
}

function writeJson(blobs: string, mediaType: string, value: unknown): Descriptor {
  const bytes = Buffer.from(JSON.stringify(value));
  const hex = createHash('sha256').update(bytes).digest('hex');
  writeFileSync(join(blobs, hex), bytes);
  return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
}
