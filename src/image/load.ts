/** `tsrun load`: images from an archive. Each is listed when all its blobs and layers are in place. */
import type { Digest } from '../lib/brands.ts';
import { arriveFromDockerArchive } from './archive/docker-archive.ts';
import { arriveFromOciLayout } from './archive/oci-layout.ts';
import { type ArchiveInput, openArchive } from './archive/open.ts';
import { archiveError } from './archive/source.ts';
import { ImageIndex } from './image-index.ts';
import { prepareImage } from './prepare.ts';
import { familiarName, parseReference } from './reference.ts';
import type { StorePaths } from './store-paths.ts';
import { startWork } from './work.ts';

export interface LoadedImage {
  readonly id: Digest;
  /** As a user writes them; none for an image that has only its ID. */
  readonly names: readonly string[];
}

export async function loadImages(paths: StorePaths, input: ArchiveInput): Promise<LoadedImage[]> {
  using work = await startWork(paths);
  using source = await openArchive(paths, input);
  const index = new ImageIndex(paths);
  const arrived = await arriveAll();
  const loaded: LoadedImage[] = [];
  for (const { manifest, names } of arrived) {
    const image = await prepareImage(paths, manifest);
    for (const name of names.length > 0 ? names : [undefined]) index.add(manifest, name);
    loaded.push({ id: image.id, names: names.map((name) => familiarName(parseReference(name))) });
  }
  work.done();
  return loaded;

  /** Archives of newer Dockers are both; an OCI layout then keeps the manifest, and with it the digest. */
  async function arriveAll() {
    if (source.file('index.json')) return arriveFromOciLayout(source, paths);
    if (source.file('manifest.json')) return arriveFromDockerArchive(source, paths);
    throw archiveError('it has neither manifest.json (docker save) nor index.json (OCI image layout)');
  }
}
