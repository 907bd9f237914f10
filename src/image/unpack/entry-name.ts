/** What the name of a layer's entry says: a place below the root, or one of the marks that start with `.wh.`. */
import { type ByteString, printable } from '../tar/bytes.ts';
import { tarError } from '../tar/error.ts';

export type EntryName =
  | { readonly kind: 'root' }
  /** `name` in the directory `parents`. */
  | { readonly kind: 'place'; readonly parents: readonly ByteString[]; readonly name: ByteString }
  /** `.wh.NAME`: the layers below do not have NAME. */
  | { readonly kind: 'whiteout'; readonly parents: readonly ByteString[]; readonly name: ByteString }
  /** `.wh..wh..opq`: nothing of the layers below is in this directory. */
  | { readonly kind: 'opaque'; readonly parents: readonly ByteString[] }
  /** aufs' own files (`.wh..wh.plnk` …), which old images still carry and nobody may see. */
  | { readonly kind: 'aufs' };

const WHITEOUT = '.wh.';
const AUFS = '.wh..wh.';
const OPAQUE = '.wh..wh..opq';
/** NAME_MAX and PATH_MAX of Linux, the latter with its closing NUL. */
const MAX_NAME_BYTES = 255;
const MAX_PATH_BYTES = 4095;

/** Reads the name of an entry. Throws TAR_INVALID for one that can mean nothing good. */
export function parseEntryName(name: ByteString): EntryName {
  if (name === '') throw tarError('it has an entry without a name');
  const parts = clamped(name);
  const last = parts.pop();
  if (last === undefined) return { kind: 'root' };
  if (parts.some((part) => part.startsWith(AUFS))) return { kind: 'aufs' };
  const reserved = parts.find((part) => part.startsWith(WHITEOUT));
  if (reserved !== undefined)
    throw tarError(`the directory name ${printable(reserved)} is reserved for whiteouts`);
  if (last === OPAQUE) return { kind: 'opaque', parents: parts };
  if (last.startsWith(AUFS)) return { kind: 'aufs' };
  if (!last.startsWith(WHITEOUT)) return { kind: 'place', parents: parts, name: last };
  const hidden = last.slice(WHITEOUT.length) as ByteString;
  if (hidden === '' || hidden === '.' || hidden === '..')
    throw tarError(`the whiteout ${printable(name)} names nothing`);
  return { kind: 'whiteout', parents: parts, name: hidden };
}

/** The target of a hard link: a place below the root too. */
export function parseLinkTarget(link: ByteString): { parents: readonly ByteString[]; name: ByteString } {
  const parts = link === '' ? [] : clamped(link);
  const name = parts.pop();
  if (name === undefined) throw tarError(`a hard link has the target ${printable(link)}`);
  return { parents: parts, name };
}

/** Components, with `.` and `..` taken out as text; a climb above the root stays at the root. */
function clamped(name: ByteString): ByteString[] {
  if (name.length > MAX_PATH_BYTES) throw tarError(`a name has ${name.length} bytes (ENAMETOOLONG)`);
  const raw = name.split('/') as ByteString[];
  if (raw.filter((part) => part !== '' && part !== '.').at(-1) === '..') {
    throw tarError(`the name ${printable(name)} ends with ".."`);
  }
  const parts: ByteString[] = [];
  for (const part of raw) {
    if (part === '' || part === '.') continue;
    if (part.length > MAX_NAME_BYTES) throw tarError(`a file name has ${part.length} bytes (ENAMETOOLONG)`);
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return parts;
}
