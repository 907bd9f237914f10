/**
 * One layer: a stream of tar bytes becomes a directory, and its digest is the layer's diff ID. Reading goes on here
 * while a native thread makes the files.
 */

import { closeSync, constants, openSync } from 'node:fs';
import type { Digest, HostPath } from '../../lib/brands.ts';
import { TsrunError } from '../../lib/errors.ts';
import { algorithmOf, Digester } from '../hash.ts';
import { TarReader } from '../tar/reader.ts';
import { LayerApplier, type UnpackLimits } from './apply.ts';
import { LowerLayers } from './lower.ts';
import { RecordWriter } from './records.ts';
import { TreeWriter } from './writer.ts';

export interface UnpackRequest {
  /** The uncompressed tar. */
  readonly tar: AsyncIterable<Buffer>;
  /** An empty directory. */
  readonly into: HostPath;
  /** The `diff` directories below, highest first. */
  readonly lower: readonly HostPath[];
  /** The diff ID that the image promises; without one, whatever comes is taken. */
  readonly expected?: Digest;
  readonly limits: UnpackLimits;
  /** Whether the files must be on the disk at the end. */
  readonly sync: boolean;
}

export interface UnpackedLayer {
  readonly diffId: Digest;
  /** Sum of the sizes of the files. */
  readonly sizeBytes: number;
  readonly entries: number;
}

/** Throws TAR_INVALID, IMAGE_UNPACK_FAILED, IMAGE_NO_SPACE, IMAGE_LAYER_TOO_LARGE or IMAGE_DIGEST_MISMATCH. */
export async function unpackLayer(request: UnpackRequest): Promise<UnpackedLayer> {
  using lower = new LowerLayers(request.lower);
  const writer = openWriter(request.into);
  try {
    const applier = new LayerApplier(
      new RecordWriter((batch) => writer.submit(batch)),
      lower,
      request.limits,
    );
    const diffId = await readTar(request, applier, () => writer.room());
    applier.finish();
    await writer.close(request.sync);
    return { diffId, sizeBytes: applier.sizeBytes, entries: applier.entries };
  } finally {
    writer.abandon();
  }
}

function openWriter(into: HostPath): TreeWriter {
  const root = openSync(into, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return new TreeWriter(root);
  } finally {
    closeSync(root);
  }
}

async function readTar(
  request: UnpackRequest,
  applier: LayerApplier,
  room: () => Promise<void>,
): Promise<Digest> {
  const digester = new Digester(request.expected ? algorithmOf(request.expected) : 'sha256');
  const reader = new TarReader(applier);
  for await (const chunk of request.tar) {
    digester.update(chunk);
    reader.write(chunk);
    await room();
  }
  reader.end();
  const diffId = digester.digest();
  if (request.expected === undefined || request.expected === diffId) return diffId;
  throw new TsrunError(
    'IMAGE_DIGEST_MISMATCH',
    `Cannot unpack a layer: its diff ID is ${diffId}, not ${request.expected}`,
    {
      hint: 'the layer is damaged or is not the one the image config names; fetch the image again',
    },
  );
}
