/** The unpacked layers below the one under construction, and descriptors of their roots for copies. */
import { type BigIntStats, closeSync, constants, lstatSync, openSync } from 'node:fs';
import type { HostPath } from '../../lib/brands.ts';
import { LayerStack } from '../layer-stack.ts';
import { fromText } from '../tar/bytes.ts';

export class LowerLayers implements Disposable {
  readonly stack: LayerStack;
  readonly #roots: readonly HostPath[];
  readonly #open = new Map<number, number>();

  /** `roots`: their `diff` directories, highest first. */
  constructor(roots: readonly HostPath[]) {
    this.#roots = roots;
    this.stack = new LayerStack(roots.map(fromText));
  }

  /** A descriptor of layer `index`, open until disposal. */
  descriptor(index: number): number {
    const open = this.#open.get(index);
    if (open !== undefined) return open;
    const fd = openSync(this.#roots[index] as HostPath, constants.O_RDONLY | constants.O_DIRECTORY);
    this.#open.set(index, fd);
    return fd;
  }

  /** The root directory of the highest layer, if there is any. */
  rootStat(): BigIntStats | undefined {
    const top = this.#roots[0];
    return top === undefined ? undefined : lstatSync(top, { bigint: true });
  }

  [Symbol.dispose](): void {
    for (const fd of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }
}
