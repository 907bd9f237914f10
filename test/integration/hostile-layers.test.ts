/** Hostile layers, as images through `load` and through `pull`: what comes of them, and that the host is as it was. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openImageStore } from '../../src/image/store.ts';
import { type HostPath, hostPath } from '../../src/lib/brands.ts';
import { pullImage } from '../../src/registry/pull.ts';
import {
  HARD_LINKS,
  type HostileCase,
  NAMES,
  NUMBERS,
  STREAMS,
  TYPES,
  WHITEOUTS,
} from '../support/hostile-layers.ts';
import { ociArchive, type TestImage } from '../support/image-archives.ts';
import { merged, pieces, temporaryDirectory } from '../support/layers.ts';
import { serveImage } from '../support/scripted-registry.ts';
import { fingerprint } from '../support/sentinel.ts';

type Arrive = (root: HostPath, image: TestImage) => Promise<string>;

const DOORS: Readonly<Record<string, Arrive>> = {
  load: async (root, image) => {
    await openImageStore(root).load({ stream: pieces(ociArchive(image)) });
    return image.name;
  },
  pull: async (root, image) => {
    await using registry = await serveImage(image);
    const name = `${registry.host}/${image.name}`;
    await pullImage(openImageStore(root).paths, name, { env: {}, onLayer: () => undefined });
    return name;
  },
};

const GROUPS: Readonly<Record<string, Readonly<Record<string, HostileCase>>>> = {
  name: NAMES,
  'hard link': HARD_LINKS,
  whiteout: WHITEOUTS,
  type: TYPES,
  number: NUMBERS,
  stream: STREAMS,
};

for (const [group, cases] of Object.entries(GROUPS)) {
  describe(group, () => {
    for (const [what, hostile] of Object.entries(cases)) {
      for (const [door, arrive] of Object.entries(DOORS)) {
        const outcome = 'refused' in hostile ? 'is refused' : 'does no harm';
        test(`${what} ${outcome} by ${door}`, () => attack(hostile, arrive));
      }
    }
  });
}

async function attack(hostile: HostileCase, arrive: Arrive): Promise<void> {
  const directory = temporaryDirectory();
  const victim = join(directory, 'victim');
  mkdirSync(victim);
  writeFileSync(join(victim, 'secret'), 'secret', { mode: 0o600 });
  const before = fingerprint(victim);
  const root = hostPath(join(directory, 'data'));
  const image: TestImage = {
    name: 'hostile:1',
    layers: hostile.layers(victim),
    ...(hostile.pack ? { pack: hostile.pack, layerType: 'application/vnd.oci.image.layer.v1.tar+gzip' } : {}),
  };
  if ('refused' in hostile) {
    await expect(arrive(root, image)).rejects.toThrow(hostile.refused);
    expectNothingLeft(root);
  } else {
    const name = await arrive(root, image);
    const { layers } = await openImageStore(root).resolve(name);
    const diffs = layers.map(({ diffPath }) => diffPath);
    const found = merged(diffs, (path) => seen(path, victim));
    expect(found.toSorted()).toEqual(hostile.seen.toSorted());
  }
  expect(fingerprint(victim)).toBe(before);
}

function expectNothingLeft(root: HostPath): void {
  const { paths } = openImageStore(root);
  const places = [paths.temporary, paths.layers, paths.links, paths.resolved, `${paths.blobs}/sha256`];
  expect(places.flatMap((place) => readdirSync(place))).toEqual([]);
}

/**
 * Each path with the letter of its type as in `ls -l`, its content, target or number, and mode and owner where they are
 * not 644 0:0. `victim` is called HOST; the directories on the way to it, made inside the image, are left out.
 */
function seen(root: string, victim: string): string[] {
  const lines: string[] = [];
  const host = victim.slice(1);
  const visit = (below: string) => {
    for (const raw of readdirSync(Buffer.from(join(root, below), 'latin1'), { encoding: 'buffer' })) {
      const path = join(below, raw.toString('latin1'));
      if (!host.startsWith(`${path}/`))
        lines.push(line(root, path).replaceAll(victim, 'HOST').replaceAll(host, 'HOST'));
      if (lstatSync(Buffer.from(join(root, path), 'latin1')).isDirectory()) visit(path);
    }
  };
  visit('');
  return lines;
}

function line(root: string, path: string): string {
  const bytes = Buffer.from(join(root, path), 'latin1');
  const stat = lstatSync(bytes);
  const name = path.replace(/[^ -~]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
  if (stat.isDirectory()) return `d ${name}`;
  if (stat.isSymbolicLink()) return `l ${name} -> ${readlinkSync(bytes)}`;
  if (stat.isFIFO()) return `p ${name}`;
  const device = `${stat.rdev >> 8}:${stat.rdev & 0xff}`;
  if (stat.isCharacterDevice()) return `c ${name} ${device}`;
  if (stat.isBlockDevice()) return `b ${name} ${device}`;
  const rights = `${(stat.mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid}`;
  return `- ${name} ${readFileSync(bytes, 'latin1')}${rights === '644 0:0' ? '' : ` ${rights}`}`;
}
