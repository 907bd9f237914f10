/** Where an engine keeps what lasts (the data root) and what ends with the machine's uptime (the run root). docs/on-disk.md. */
import { existsSync, mkdirSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { type ContainerId, type HostPath, hostPath } from '../lib/brands.ts';
import { errnoOf, reasonOf, TsrunError } from '../lib/errors.ts';

export interface EnginePaths {
  readonly dataRoot: HostPath;
  readonly runRoot: HostPath;
  readonly layers: HostPath;
  readonly containers: HostPath;
  readonly names: HostPath;
}

const OVERLAYFS_SUPER_MAGIC = 0x794c7630;

/** Defaults: /var/lib/tsrun and /run/tsrun; TSRUN_ROOT and TSRUN_RUN_ROOT name others. */
export function enginePaths(env: NodeJS.ProcessEnv): EnginePaths {
  const dataRoot = env.TSRUN_ROOT || '/var/lib/tsrun';
  const runRoot = env.TSRUN_RUN_ROOT || '/run/tsrun';
  for (const [name, path] of Object.entries({ TSRUN_ROOT: dataRoot, TSRUN_RUN_ROOT: runRoot })) {
    if (!path.startsWith('/'))
      throw new TsrunError('BAD_ROOT', `Cannot use ${name}=${path}: it is not an absolute path`, {
        hint: 'give the path from /',
      });
  }
  return {
    dataRoot: hostPath(dataRoot),
    runRoot: hostPath(runRoot),
    layers: hostPath(`${dataRoot}/layers`),
    containers: hostPath(`${dataRoot}/containers`),
    names: hostPath(`${dataRoot}/names`),
  };
}

export const containerDir = (paths: EnginePaths, id: ContainerId): HostPath =>
  hostPath(`${paths.containers}/${id}`);
export const runDir = (paths: EnginePaths, id: ContainerId): HostPath => hostPath(`${paths.runRoot}/${id}`);
export const ownerLink = (paths: EnginePaths, id: ContainerId): HostPath =>
  hostPath(`${paths.runRoot}/${id}.owner`);

/** Makes the directories, after having refused a data root in which no overlay can be mounted. */
export function prepareRoots(paths: EnginePaths): void {
  checkFileSystem(paths.dataRoot);
  for (const path of [paths.containers, paths.names, paths.runRoot]) makeDirectory(path);
}

function checkFileSystem(dataRoot: HostPath): void {
  let existing: string = dataRoot;
  while (!existsSync(existing)) existing = dirname(existing);
  if (statfsSync(existing).type !== OVERLAYFS_SUPER_MAGIC) return;
  throw new TsrunError(
    'ROOT_ON_OVERLAYFS',
    `Cannot run containers from ${dataRoot}: it lies on overlayfs, and an overlay cannot have its writable layer there`,
    { hint: 'set TSRUN_ROOT to a directory on ext4, xfs, btrfs or tmpfs' },
  );
}

/** Not by mkdir's own recursion: below /proc, where nothing can be made, Node 26 tries for ever. */
function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  if (!existsSync(dirname(path))) makeDirectory(dirname(path));
  try {
    mkdirSync(path, { mode: 0o711 });
  } catch (cause) {
    if (errnoOf(cause) === 'EEXIST') return;
    throw new TsrunError('BAD_ROOT', `Cannot make the directory ${path}: ${reasonOf(cause)}`, {
      hint: 'set TSRUN_ROOT and TSRUN_RUN_ROOT to directories that can be written',
      cause,
    });
  }
}
