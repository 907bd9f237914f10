/** Which extended attributes of an entry are kept. Only a list of known-good names passes. */
import type { ByteString } from '../tar/bytes.ts';
import { tarError } from '../tar/error.ts';
import type { TarEntry } from '../tar/reader.ts';

/** XATTR_NAME_MAX and XATTR_SIZE_MAX; xattr(7). */
const MAX_NAME_BYTES = 255;
const MAX_VALUE_BYTES = 65536;

/**
 * security.capability, POSIX ACLs and user.*; SELinux labels belong to the host that wrote them, and an overlayfs mark
 * (trusted.overlay.*, user.overlay.*) from a layer would change what the layers below show.
 */
const KEPT: readonly { readonly test: RegExp; readonly types: readonly string[] }[] = [
  { test: /^security\.capability$/, types: ['file'] },
  { test: /^system\.posix_acl_access$/, types: ['file', 'directory'] },
  { test: /^system\.posix_acl_default$/, types: ['directory'] },
  { test: /^user\.(?!overlay\.)./s, types: ['file', 'directory'] },
];

export function keptXattrs(entry: TarEntry): ReadonlyMap<ByteString, Buffer> {
  if (entry.xattrs.size === 0) return entry.xattrs;
  const kept = new Map<ByteString, Buffer>();
  for (const [name, value] of entry.xattrs) {
    if (name.length > MAX_NAME_BYTES)
      throw tarError('an extended attribute has a name of more than 255 bytes');
    if (!KEPT.some(({ test, types }) => test.test(name) && types.includes(entry.type))) continue;
    if (value.length > MAX_VALUE_BYTES)
      throw tarError(`the extended attribute ${JSON.stringify(name)} is too large (E2BIG)`);
    kept.set(name, value);
  }
  return kept;
}
