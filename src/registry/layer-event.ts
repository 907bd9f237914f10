/** What happens to the layers of an image on their way, for whoever shows it. */
import type { Digest } from '../lib/brands.ts';

export type PullPhase = 'waiting' | 'downloading' | 'downloaded' | 'unpacking' | 'unpacked' | 'present';
export type PushPhase = 'waiting' | 'uploading' | 'uploaded' | 'mounted' | 'present';

export interface LayerEvent<Phase = PullPhase | PushPhase> {
  readonly layer: Digest;
  readonly phase: Phase;
  /** Compressed bytes that have come, or gone. */
  readonly bytes: number;
  /** Compressed bytes that it has. */
  readonly size: number;
}
