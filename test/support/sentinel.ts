/** What no attack may change: paths of the host, as one text of content, mode, owner, links and times. */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export function fingerprint(...paths: readonly string[]): string {
  return paths.map(describe).join('');
}

function describe(path: string): string {
  const s = lstatSync(path, { bigint: true });
  const content = s.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : '';
  const own = `${path} ${s.mode} ${s.uid}:${s.gid} ${s.nlink} ${s.size} ${s.mtimeNs} ${content}\n`;
  const names = s.isDirectory() ? readdirSync(path).toSorted() : [];
  return own + names.map((name) => describe(join(path, name))).join('');
}
