/** Names of containers: links in a directory, `names/web -> <id>`. Making the link takes the name. */
import { symlinkSync, unlinkSync } from 'node:fs';
import { FileLock } from '../image/locks.ts';
import { type ContainerId, hostPath } from '../lib/brands.ts';
import { errnoOf, TsrunError } from '../lib/errors.ts';
import { namesIn, readLinkIfThere } from '../lib/files.ts';
import type { EnginePaths } from './paths.ts';
import { randomName } from './random-name.ts';

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** Takes a name for an id; without a name, a random one that is free. */
export function reserveName(paths: EnginePaths, id: ContainerId, name: string | undefined): string {
  if (name === undefined) return reserveRandomName(paths, id);
  if (!NAME.test(name)) {
    throw new TsrunError(
      'BAD_NAME',
      `Cannot name a container ${JSON.stringify(name)}: names are made of [a-zA-Z0-9][a-zA-Z0-9_.-]`,
      { hint: 'give a name of two characters or more, such as web-1' },
    );
  }
  if (takeName(paths, id, name)) return name;
  const holder = readLinkIfThere(`${paths.names}/${name}`) ?? 'that has just ended';
  throw new TsrunError(
    'NAME_IN_USE',
    `Cannot name a container ${name}: the name is taken by container ${holder.slice(0, 12)}`,
    { hint: `remove that one (tsrun rm ${name}), or choose another name` },
  );
}

function reserveRandomName(paths: EnginePaths, id: ContainerId): string {
  for (;;) {
    const name = randomName();
    if (takeName(paths, id, name)) return name;
  }
}

function takeName(paths: EnginePaths, id: ContainerId, name: string): boolean {
  using _locked = lockNames(paths);
  try {
    symlinkSync(id, `${paths.names}/${name}`);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Gives back the name of a container, but not if another one has taken it meanwhile. */
export function releaseName(paths: EnginePaths, id: ContainerId, name: string): void {
  using _locked = lockNames(paths);
  const link = `${paths.names}/${name}`;
  if (readLinkIfThere(link) === id) unlinkSync(link);
}

/** Every name with the id it stands for. A name that goes while this looks is left out. */
export function listNames(
  paths: EnginePaths,
): readonly { readonly name: string; readonly id: ContainerId }[] {
  return namesIn(paths.names).flatMap((name) => {
    const id = readLinkIfThere(`${paths.names}/${name}`);
    return id === undefined ? [] : [{ name, id: id as ContainerId }];
  });
}

/** Looking at a link and removing it are two steps; nobody takes the name between them. */
function lockNames(paths: EnginePaths): Disposable {
  return FileLock.waitBriefly(hostPath(`${paths.names}.lock`), 'exclusive');
}
