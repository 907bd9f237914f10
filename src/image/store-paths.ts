/** Where things lie under the data root. docs/on-disk.md has the picture. */
import type { Digest, HostPath } from '../lib/brands.ts';

export class StorePaths {
  readonly root: HostPath;
  /** An OCI image layout, which other tools may read in place. */
  readonly layout: HostPath;
  readonly index: HostPath;
  readonly blobs: HostPath;
  /** Unpacked layers by chain ID, and short names of them for mount options. */
  readonly layers: HostPath;
  readonly links: HostPath;
  /** What `resolve` answers, by manifest digest; present only when every layer of the image is unpacked. */
  readonly resolved: HostPath;
  /** Half-made things. On the same file system, so that rename(2) can put them in place. */
  readonly temporary: HostPath;
  /** Shared by whoever works in the store, exclusive for whoever removes. */
  readonly workLock: HostPath;
  /** Exclusive while index.json is read, changed and written. */
  readonly indexLock: HostPath;

  constructor(dataRoot: HostPath) {
    const under = (path: string) => `${dataRoot}/${path}` as HostPath;
    this.root = dataRoot;
    this.layout = under('image');
    this.index = under('image/index.json');
    this.blobs = under('image/blobs');
    this.layers = under('layers/sha256');
    this.links = under('layers/l');
    this.resolved = under('resolved');
    this.temporary = under('tmp');
    this.workLock = under('image.lock');
    this.indexLock = under('index.lock');
  }

  blob(digest: Digest): HostPath {
    return `${this.blobs}/${digest.replace(':', '/')}` as HostPath;
  }

  layer(chainId: Digest): HostPath {
    return `${this.layers}/${hex(chainId)}` as HostPath;
  }

  diff(chainId: Digest): HostPath {
    return `${this.layer(chainId)}/diff` as HostPath;
  }

  layerInfo(chainId: Digest): HostPath {
    return `${this.layer(chainId)}/layer.json` as HostPath;
  }

  resolvedImage(manifest: Digest): HostPath {
    return `${this.resolved}/${manifest.replace(':', '-')}.json` as HostPath;
  }
}

export function hex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}
