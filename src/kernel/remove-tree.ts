/** Removing what somebody else filled: by descriptor, so that no link is followed and no other mount entered. */
import type { HostPath } from '../lib/brands.ts';
import { checkErrno, native } from './native.ts';

const ENOENT = -2;

/** Removes a file or tree, whatever its names are; nothing happens when there is none. */
export function removeTree(path: HostPath): void {
  const result = native().tsr_remove_tree(path);
  if (result !== ENOENT) checkErrno(result, `Cannot remove ${path}`);
}
