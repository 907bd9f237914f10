/** `tsrun image history`: the steps that made an image, as its configuration tells them, with the size of their layers. */
import type { Digest } from '../lib/brands.ts';
import type { History } from '../spec/image.ts';
import { Layers } from './layers.ts';
import type { StorePaths } from './store-paths.ts';
import type { StoredImage } from './stored-image.ts';

export interface HistoryStep {
  /** Of the newest step; the images that the others once were are not known. */
  readonly id: Digest | undefined;
  /** RFC 3339 */
  readonly created: string | undefined;
  readonly createdBy: string;
  /** Of the unpacked files, or of the blob as long as it is not unpacked; 0 for a step without a layer. */
  readonly sizeBytes: number;
  readonly comment: string;
}

/** Newest first. An image whose configuration tells no history has a step for each layer. */
export function historyOf(paths: StorePaths, { image, config, layers }: StoredImage): HistoryStep[] {
  const unpacked = new Layers(paths);
  const told: readonly History[] = image.history.length > 0 ? image.history : layers.map(() => ({}));
  const left = [...layers];
  const steps = told.map((step): HistoryStep => {
    const layer = step.empty_layer ? undefined : left.shift();
    return {
      id: undefined,
      created: step.created,
      createdBy: step.created_by ?? '',
      sizeBytes: layer === undefined ? 0 : (unpacked.info(layer.chainId)?.sizeBytes ?? layer.blob.size),
      comment: step.comment ?? '',
    };
  });
  return steps.reverse().map((step, i) => (i === 0 ? { ...step, id: config.digest } : step));
}
