/** Unpacked layers: made once per chain ID, in a temporary directory that is then renamed into place whole. */

import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { removeTree } from '../kernel/remove-tree.ts';
import type { Digest, HostPath } from '../lib/brands.ts';
import { errnoOf, TsrunError } from '../lib/errors.ts';
import { namesIn } from '../lib/files.ts';
import { asDigest } from '../spec/image.ts';
import { asObject, asSize, asString, field, parseJsonDocument } from '../spec/image-json.ts';
import { nextChainId } from './chain-id.ts';
import { renameDurably, syncDirectory, temporaryPath } from './durable.ts';
import { hex, type StorePaths } from './store-paths.ts';
import { DEFAULT_LIMITS } from './unpack/apply.ts';
import { unpackLayer } from './unpack/unpack-layer.ts';

/** layers/sha256/<chain id>/layer.json */
export interface LayerInfo {
  readonly chainId: Digest;
  readonly diffId: Digest;
  /** Chain ID of the layer below; absent for the lowest. */
  readonly parent?: Digest;
  /** Sum of the sizes of the layer's files. */
  readonly sizeBytes: number;
  readonly entries: number;
  /** Its short name in layers/l. */
  readonly link: string;
}

export class Layers {
  readonly #paths: StorePaths;

  constructor(paths: StorePaths) {
    this.#paths = paths;
  }

  /** What is known of a layer, or undefined when it is not unpacked. */
  info(chainId: Digest): LayerInfo | undefined {
    const path = this.#paths.layerInfo(chainId);
    try {
      return parseLayerInfo(readFileSync(path), path);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /**
   * Unpacks `tar` (uncompressed) on top of `below`, the chain IDs of the layers under it, lowest first. With `diffId`
   * the bytes must have that digest. Two processes may do this at once: the first to finish wins, both get the layer.
   */
  async unpack(tar: AsyncIterable<Buffer>, below: readonly Digest[], diffId?: Digest): Promise<LayerInfo> {
    const temporary = temporaryPath(this.#paths, 'layer');
    const diff = `${temporary}/diff` as HostPath;
    mkdirSync(diff, { recursive: true });
    chmodSync(diff, 0o755); // whatever the umask: it is what the container sees as its root
    try {
      const unpacked = await unpackLayer({
        tar,
        into: diff,
        lower: below.toReversed().map((chainId) => this.#paths.diff(chainId)),
        limits: DEFAULT_LIMITS,
        sync: true,
        ...(diffId === undefined ? {} : { expected: diffId }),
      });
      const parent = below.at(-1);
      const chainId = nextChainId(parent, unpacked.diffId);
      return this.#publish(temporary, { chainId, ...(parent ? { parent } : {}), ...unpacked });
    } finally {
      removeTree(temporary);
    }
  }

  #publish(temporary: HostPath, layer: Omit<LayerInfo, 'link'>): LayerInfo {
    const info: LayerInfo = { ...layer, link: this.#makeLink(layer.chainId) };
    writeFileSync(`${temporary}/layer.json`, `${JSON.stringify(info, undefined, 2)}\n`, {
      flag: 'wx',
      flush: true,
    });
    syncDirectory(temporary);
    try {
      renameDurably(temporary, this.#paths.layer(layer.chainId));
      return info;
    } catch (error) {
      rmSync(`${this.#paths.links}/${info.link}`, { force: true });
      const winner = ['ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')
        ? this.info(layer.chainId)
        : undefined;
      if (winner === undefined) throw error;
      return winner;
    }
  }

  /** Exclusive creation chooses between processes that try the same number. */
  #makeLink(chainId: Digest): string {
    for (let n = readdirSync(this.#paths.links).length; ; n++) {
      const link = n.toString(36);
      try {
        symlinkSync(`../sha256/${hex(chainId)}/diff`, `${this.#paths.links}/${link}`);
        syncDirectory(this.#paths.links);
        return link;
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error;
      }
    }
  }

  /** Every unpacked layer. */
  list(): Digest[] {
    return namesIn(this.#paths.layers).map((name) => asDigest(`sha256:${name}`, this.#paths.layers));
  }

  /** Moves the layer out of sight first, so that a crash in between leaves nothing that looks whole. */
  remove(chainId: Digest): void {
    const info = this.info(chainId);
    const temporary = temporaryPath(this.#paths, 'removed-layer');
    renameDurably(this.#paths.layer(chainId), temporary);
    if (info) rmSync(`${this.#paths.links}/${info.link}`, { force: true });
    removeTree(temporary);
  }
}

function parseLayerInfo(bytes: Buffer, what: string): LayerInfo {
  const object = asObject(parseJsonDocument(bytes, what), what);
  const parent = field(object, 'parent');
  const link = asString(field(object, 'link'), `${what}.link`);
  if (!/^[0-9a-z]{1,12}$/.test(link)) {
    throw new TsrunError(
      'IMAGE_STORE_DAMAGED',
      `Cannot use the layer of ${what}: its link ${JSON.stringify(link)} is no name`,
    );
  }
  return {
    chainId: asDigest(field(object, 'chainId'), `${what}.chainId`),
    diffId: asDigest(field(object, 'diffId'), `${what}.diffId`),
    ...(parent === undefined ? {} : { parent: asDigest(parent, `${what}.parent`) }),
    sizeBytes: asSize(field(object, 'sizeBytes'), `${what}.sizeBytes`),
    entries: asSize(field(object, 'entries'), `${what}.entries`),
    link,
  };
}
