import type { Descriptor } from '../../spec/image.ts';

/** An image whose blobs are all in the store, and which is not listed yet. */
export interface ArrivedImage {
  readonly manifest: Descriptor;
  /** Full names, none when the archive gave none. */
  readonly names: readonly string[];
}
