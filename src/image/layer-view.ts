/**
 * Reading one file of an image before anything is mounted: /etc/passwd and /etc/group are needed to know who the
 * container's process will be. Nothing in a layer can lead out of the layers or make the engine hang.
 */
import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync } from 'node:fs';
import type { ContainerPath, HostPath } from '../lib/brands.ts';
import { errnoOf, TsrunError } from '../lib/errors.ts';
import { type LayerDirectory, type LayerPart, LayerStack } from './layer-stack.ts';
import { type ByteString, byteString, fromText } from './tar/bytes.ts';

/** As many as the kernel follows in one path; path_resolution(7). */
export const MAX_SYMLINKS = 40;
const MAX_FILE_BYTES = 10 * 1024 * 1024;

/**
 * The content of `path` in the merged view of `layers` (their diff directories, highest first), or undefined when
 * there is no such file. Symbolic links are followed inside the layers. Throws IMAGE_FILE_UNREADABLE for anything
 * that is not a regular file of at most 10 MiB.
 */
export function readFileFromLayers(layers: readonly HostPath[], path: ContainerPath): Buffer | undefined {
  const stack = new LayerStack(layers.map(fromText));
  const part = findFile(stack, path);
  return part === undefined ? undefined : readRegularFile(stack.hostPath(part), path);
}

/** Walks the components; a directory of the walk is remembered so that `..` goes where it came from. */
function findFile(stack: LayerStack, path: ContainerPath): LayerPart | undefined {
  const todo = components(fromText(path)).reverse();
  let walked: LayerDirectory[] = [stack.root()];
  let links = 0;
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (name === '..') {
      if (walked.length > 1) walked.pop();
      continue;
    }
    const entry = (walked.at(-1) as LayerDirectory).lookup(name);
    if (entry === undefined) return undefined;
    if (entry.kind === 'directory') {
      walked.push(entry.directory);
    } else if (entry.stat.isSymbolicLink()) {
      if (++links > MAX_SYMLINKS)
        throw unreadable(path, 'it goes through more than 40 symbolic links (ELOOP)');
      const target = byteString(readlinkSync(stack.hostPath(entry.part), { encoding: 'buffer' }));
      if (target.startsWith('/')) walked = walked.slice(0, 1);
      todo.push(...components(target).reverse());
    } else {
      return todo.length === 0 ? entry.part : undefined;
    }
  }
  throw unreadable(path, 'it is a directory');
}

export function components(path: ByteString): ByteString[] {
  return path.split('/').filter((name) => name !== '' && name !== '.') as ByteString[];
}

/** O_NONBLOCK: opening a FIFO would otherwise wait for a writer for ever. */
function readRegularFile(hostPath: Buffer, path: ContainerPath): Buffer | undefined {
  const fd = openFile(hostPath, path);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw unreadable(path, 'it is not a regular file');
    if (stat.size > MAX_FILE_BYTES)
      throw unreadable(path, `it has ${stat.size} bytes, above the limit of 10 MiB`);
    const content = Buffer.alloc(stat.size);
    let filled = 0;
    while (filled < content.length) {
      const n = readSync(fd, content, filled, content.length - filled, filled);
      if (n === 0) break;
      filled += n;
    }
    return content.subarray(0, filled);
  } finally {
    closeSync(fd);
  }
}

function openFile(hostPath: Buffer, path: ContainerPath): number {
  try {
    return openSync(
      hostPath,
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
  } catch (cause) {
    throw unreadable(path, `opening it gave ${errnoOf(cause) ?? String(cause)}`, cause);
  }
}

function unreadable(path: ContainerPath, problem: string, cause?: unknown): TsrunError {
  return new TsrunError(
    'IMAGE_FILE_UNREADABLE',
    `Cannot read ${JSON.stringify(path)} of the image: ${problem}`,
    {
      hint: 'the engine reads this file to find the user; give a numeric --user, or repair the image',
      cause,
    },
  );
}
