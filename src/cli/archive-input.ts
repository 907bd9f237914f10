/** Where an archive comes from: a path, or standard input when no path (or `-`) is given. */
import { resolve } from 'node:path';
import { isatty } from 'node:tty';
import type { ArchiveInput } from '../image/archive/open.ts';
import { hostPath } from '../lib/brands.ts';
import { type Syntax, usage } from './flags.ts';

export function archiveInput(path: string | undefined, syntax: Syntax): ArchiveInput {
  if (path !== undefined && path !== '-') return { path: hostPath(resolve(path)) };
  if (isatty(0)) throw usage(syntax, 'no archive: standard input is a terminal, and no path is given');
  return { stream: process.stdin };
}
