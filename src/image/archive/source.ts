/** The files of an archive or directory that an image is loaded from, by name. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { posix } from 'node:path';
import type { HostPath } from '../../lib/brands.ts';
import { errnoOf, TsrunError } from '../../lib/errors.ts';
import { MAX_DOCUMENT_BYTES } from '../../spec/image-json.ts';
import { readBytes } from '../read-bytes.ts';
import { type ByteString, fromText } from '../tar/bytes.ts';
import { type TarEntry, TarReader } from '../tar/reader.ts';

export interface ArchiveFile {
  readonly size: number;
  /** The content from the beginning; may be asked for more than once. */
  read(): AsyncIterable<Buffer>;
}

export interface ArchiveSource extends Disposable {
  /** The regular file `name`, or undefined. */
  file(name: string): ArchiveFile | undefined;
}

const MAX_LINKS = 10;
const MAX_ENTRIES = 100_000;

/** The whole of a small file; throws when the archive does not have it or it is above 4 MiB. */
export async function readDocument(source: ArchiveSource, name: string): Promise<Buffer> {
  const file = source.file(name);
  if (file === undefined) throw archiveError(`it has no file ${JSON.stringify(name)}`);
  if (file.size > MAX_DOCUMENT_BYTES) throw archiveError(`${JSON.stringify(name)} has ${file.size} bytes`);
  const chunks: Buffer[] = [];
  for await (const chunk of file.read()) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** An OCI layout as a directory. Blobs that are symbolic links are not followed out of it. */
export class DirectorySource implements ArchiveSource {
  readonly #root: HostPath;
  readonly #open: number[] = [];

  constructor(root: HostPath) {
    this.#root = root;
  }

  file(name: string): ArchiveFile | undefined {
    const path = posix.join(this.#root, posix.join('/', name));
    let fd: number;
    try {
      fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (cause) {
      if (errnoOf(cause) === 'ENOENT') return undefined;
      throw archiveError(`opening ${JSON.stringify(name)} gave ${errnoOf(cause)}`, cause);
    }
    this.#open.push(fd);
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw archiveError(`${JSON.stringify(name)} is not a regular file`);
    return { size: stat.size, read: () => readRange(fd, 0, stat.size) };
  }

  [Symbol.dispose](): void {
    for (const fd of this.#open.splice(0)) closeSync(fd);
  }
}

/** An uncompressed tar in a seekable file: only headers are read until a file is asked for. */
export class TarSource implements ArchiveSource {
  readonly #fd: number;
  readonly #entries: ReadonlyMap<ByteString, TarEntry>;

  /** Takes over `fd`. */
  constructor(fd: number) {
    this.#fd = fd;
    this.#entries = indexTar(fd);
  }

  file(name: string): ArchiveFile | undefined {
    const entry = this.#follow(normal(fromText(name)));
    if (entry === undefined) return undefined;
    return { size: entry.size, read: () => readRange(this.#fd, entry.dataOffset, entry.size) };
  }

  /** Old Docker archives have a layer once and link to it under its other names. */
  #follow(name: ByteString): TarEntry | undefined {
    let at = name;
    for (let links = 0; links <= MAX_LINKS; links++) {
      const entry = this.#entries.get(at);
      if (entry === undefined || entry.type === 'file') return entry;
      if (entry.type === 'symlink') at = normal(`${posix.dirname(at)}/${entry.link}` as ByteString);
      else if (entry.type === 'link') at = normal(entry.link);
      else return undefined;
    }
    throw archiveError(`${JSON.stringify(name)} goes through too many links`);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

function indexTar(fd: number): Map<ByteString, TarEntry> {
  const entries = new Map<ByteString, TarEntry>();
  const reader = new TarReader({
    entry: (entry) => {
      if (entries.size >= MAX_ENTRIES) throw archiveError(`it has more than ${MAX_ENTRIES} entries`);
      entries.set(normal(entry.name), entry);
    },
    data: () => undefined,
  });
  const { size } = fstatSync(fd);
  const buffer = Buffer.alloc(512);
  for (let at = 0; at < size && !reader.ended; ) {
    const n = readSync(fd, buffer, 0, buffer.length, at);
    if (n === 0) break;
    reader.write(buffer.subarray(0, n));
    at += n;
    at += reader.skipBody();
    if (at > size) throw archiveError('it is cut off');
  }
  reader.end();
  return entries;
}

/** Without leading slashes, `.` and `..`, so that names in JSON and names of entries meet. */
function normal(name: ByteString): ByteString {
  return posix.join('/', name).slice(1).replace(/\/$/, '') as ByteString;
}

async function* readRange(fd: number, start: number, size: number): AsyncGenerator<Buffer> {
  let left = size;
  for await (const piece of readBytes(fd, start, size)) {
    left -= piece.length;
    yield piece;
  }
  if (left > 0) throw archiveError('it is cut off');
}

export function archiveError(problem: string, cause?: unknown): TsrunError {
  return new TsrunError('IMAGE_ARCHIVE_INVALID', `Cannot load the archive: ${problem}`, {
    hint: 'give an archive made by `docker save`, `podman save` or `skopeo copy`, or an OCI image layout',
    cause,
  });
}
