/**
 * Damaged archives and documents, by mutation of good and of hostile ones, for FUZZ_SECONDS (1.5 when not set) each. FUZZ_SEED
 * begins elsewhere; the number of a failing input is in the message, and gives the same input again.
 */
import { expect, test } from 'vitest';
import { parseReference } from '../../../src/image/reference.ts';
import { BLOCK_BYTES } from '../../../src/image/tar/header.ts';
import { type TarEntry, TarReader, type TarSink } from '../../../src/image/tar/reader.ts';
import { DEFAULT_LIMITS, LayerApplier } from '../../../src/image/unpack/apply.ts';
import { UNPACK_FIELDS, UNPACK_HEADER_SIZE } from '../../../src/image/unpack/format.ts';
import { LowerLayers } from '../../../src/image/unpack/lower.ts';
import { RecordWriter } from '../../../src/image/unpack/records.ts';
import { TsrunError } from '../../../src/lib/errors.ts';
import {
  MEDIA_TYPES,
  parseDockerArchiveManifest,
  parseImageConfig,
  parseIndex,
  parseManifest,
} from '../../../src/spec/image.ts';
import { HARD_LINKS, NAMES, NUMBERS, TYPES, WHITEOUTS } from '../../support/hostile-layers.ts';
import { ociFiles } from '../../support/image-archives.ts';
import { mutated } from '../../support/mutate.ts';
import { type Random, random } from '../../support/random.ts';
import { rawTar } from '../../support/raw-tar.ts';

const SECONDS = Number(process.env.FUZZ_SECONDS ?? 1.5);
const FIRST_SEED = Number(process.env.FUZZ_SEED ?? 1);
const TIMEOUT_MS = SECONDS * 1000 + 30_000;

/** Calls `attempt` with one number after the other; what it throws is told with the number. Returns how many there were. */
function fuzz(attempt: (random: Random) => void): number {
  const end = performance.now() + SECONDS * 1000;
  let seed = FIRST_SEED;
  for (; performance.now() < end; seed++) {
    try {
      attempt(random(seed));
    } catch (cause) {
      throw new Error(`FUZZ_SEED=${seed}: ${cause instanceof Error ? cause.stack : cause}`, { cause });
    }
  }
  return seed - FIRST_SEED;
}

const TARS = [NAMES, HARD_LINKS, WHITEOUTS, TYPES, NUMBERS]
  .flatMap((group) => Object.values(group))
  .flatMap(({ layers }) => layers('/host'))
  .map((layer) => (Buffer.isBuffer(layer) ? layer : rawTar(layer as never)))
  .filter((tar) => tar.length < 50_000);

/** Without it nearly every mutation ends at a wrong checksum. */
function withChecksums(tar: Buffer): Buffer {
  for (let at = 0; at + BLOCK_BYTES <= tar.length; at += BLOCK_BYTES) {
    const block = tar.subarray(at, at + BLOCK_BYTES);
    if (block.toString('latin1', 257, 262) !== 'ustar') continue;
    block.fill(' ', 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  }
  return tar;
}

function damagedTar(from: Random): Buffer {
  const tar = mutated(TARS, from);
  return from.int(10) === 0 ? tar : withChecksums(tar);
}

/** What a sink was told, or the message of the error; anything but an error of ours is thrown. */
function told(tar: Buffer, pieceBytes: number): string {
  const lines: string[] = [];
  const sink: TarSink = {
    entry: (entry: TarEntry) => lines.push(JSON.stringify({ ...entry, xattrs: [...entry.xattrs] })),
    data: (bytes) => lines.push(bytes.toString('latin1')),
  };
  const reader = new TarReader(sink);
  try {
    for (let at = 0; at < tar.length; at += pieceBytes) reader.write(tar.subarray(at, at + pieceBytes));
    reader.end();
  } catch (error) {
    if (!(error instanceof TsrunError) || error.code !== 'TAR_INVALID') throw error;
    lines.push(error.message);
  }
  return lines.join('');
}

test(
  'the tar reader refuses what is damaged, or reads it the same in whatever pieces it comes',
  () => {
    const count = fuzz((from) => {
      const tar = damagedTar(from);
      const whole = told(tar, tar.length);
      const pieces = told(tar, 1 + from.int(700));
      if (whole !== pieces) throw new Error(`pieces differ: ${pieces.slice(-200)} / ${whole.slice(-200)}`);
    });
    expect(count).toBeGreaterThan(10);
  },
  TIMEOUT_MS,
);

/** Names and paths in a batch of records. */
function* recordTexts(batch: Uint8Array): Generator<{ readonly parent: string; readonly name: string }> {
  const bytes = Buffer.from(batch);
  for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at + UNPACK_FIELDS.length)) {
    const parentBytes = bytes.readUInt32LE(at + UNPACK_FIELDS.parentLen);
    const nameBytes = bytes.readUInt32LE(at + UNPACK_FIELDS.nameLen);
    const start = at + UNPACK_HEADER_SIZE;
    yield {
      parent: bytes.toString('latin1', start, start + parentBytes - 1),
      name: bytes.toString('latin1', start + parentBytes, start + parentBytes + nameBytes - 1),
    };
  }
}

function checkRecord(parent: string, name: string): void {
  const parts = [
    ...(parent === '' ? [] : parent.split('/')),
    ...(name === '' && parent === '' ? [] : [name]),
  ];
  for (const part of parts) {
    const bad = part === '' || part === '.' || part === '..' || part.length > 255 || /[/\0]/.test(part);
    if (bad) throw new Error(`a record for ${JSON.stringify(`${parent} ${name}`)}`);
  }
}

test(
  'whatever an archive holds, a layer is filled by clean names below its root, or refused',
  () => {
    const count = fuzz((from) => {
      const tar = damagedTar(from);
      const records = new RecordWriter((batch) => {
        for (const { parent, name } of recordTexts(batch)) checkRecord(parent, name);
      });
      using lower = new LowerLayers([]);
      const applier = new LayerApplier(records, lower, DEFAULT_LIMITS);
      const reader = new TarReader(applier);
      try {
        reader.write(tar);
        reader.end();
        applier.finish();
      } catch (error) {
        if (!(error instanceof TsrunError)) throw error;
      }
    });
    expect(count).toBeGreaterThan(10);
  },
  TIMEOUT_MS,
);

const FILES = ociFiles({
  name: 'fuzz:1',
  layers: [[{ name: 'x', data: 'x' }], [{ name: 'y' }]],
  config: { Env: ['A=1'], Labels: { __proto__: 'x', a: 'b' }, Volumes: { '/v': {} }, User: 'u' },
  history: [{ created_by: 'a' }, { created_by: 'b' }, { empty_layer: true }],
});
const DOCUMENTS = [
  ...[...FILES.values()].filter((bytes) => bytes[0] === 0x7b),
  Buffer.from(JSON.stringify([{ Config: 'c', RepoTags: ['a:1'], Layers: ['l'] }])),
];

const PARSERS: readonly ((bytes: Buffer) => void)[] = [
  (bytes) => {
    const { config, layers } = parseManifest(bytes, MEDIA_TYPES.ociManifest, 'x');
    for (const { digest, size } of [config, ...layers]) {
      expect(digest).toMatch(/^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/);
      expect(Number.isSafeInteger(size) && size >= 0).toBe(true);
    }
  },
  (bytes) => parseIndex(bytes, MEDIA_TYPES.ociIndex, 'x'),
  (bytes) => {
    const { config, diffIds } = parseImageConfig(bytes, 2, 'x');
    expect(diffIds).toHaveLength(2);
    expect([...(config.Env ?? []), config.User ?? ''].every((text) => typeof text === 'string')).toBe(true);
  },
  (bytes) => parseDockerArchiveManifest(bytes, 'x'),
];

test(
  'a damaged document is refused with what is wrong in it, or is sound',
  () => {
    const count = fuzz((from) => {
      const bytes = mutated(DOCUMENTS, from);
      for (const parse of PARSERS) {
        try {
          parse(bytes);
        } catch (error) {
          if (!(error instanceof TsrunError) || error.code !== 'IMAGE_DOCUMENT_INVALID') throw error;
        }
      }
    });
    expect(count).toBeGreaterThan(10);
    expect(({} as Record<string, unknown>).a).toBeUndefined();
  },
  TIMEOUT_MS,
);

test(
  'a damaged name of an image is refused, or made of characters that a file name may have',
  () => {
    const names = ['localhost:5000/a/b:tag', `busybox@sha256:${'a'.repeat(64)}`, 'x.y-z__1'].map((n) =>
      Buffer.from(n),
    );
    fuzz((from) => {
      const text = mutated(names, from).toString('latin1');
      try {
        const { registry, path, tag } = parseReference(text);
        expect(`${registry}/${path}:${tag ?? ''}`).toMatch(/^[\w.:[\]/-]+$/);
        expect(path.split('/')).not.toContain('..');
      } catch (error) {
        if (!(error instanceof TsrunError)) throw error;
      }
    });
  },
  TIMEOUT_MS,
);
