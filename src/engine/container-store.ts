/** Containers by id and name: reserve, find, list, remove, and sweep what a killed helper left. */
import { existsSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import type { ContainerCgroups } from '../cgroup/host.ts';
import { removeCgroups } from '../cgroup/remove-cgroups.ts';
import type { ImageUse } from '../image/remove.ts';
import { checkErrno, native } from '../kernel/native.ts';
import { removeTree } from '../kernel/remove-tree.ts';
import { type ContainerId, type HostPath, hostPath } from '../lib/brands.ts';
import { TsrunError } from '../lib/errors.ts';
import { namesIn } from '../lib/files.ts';
import { randomBytes } from '../lib/random.ts';
import type { OwnedPath } from '../runtime/plan-state.ts';
import { ownMark } from '../runtime/process-mark.ts';
import { stringifyExactJson } from '../spec/exact-json.ts';
import { listNames, releaseName } from './container-names.ts';
import {
  type ContainerRecord,
  type ContainerState,
  hasOwner,
  readRecord,
  readState,
} from './container-record.ts';
import { holdsNetwork } from './network-record.ts';
import { containerDir, type EnginePaths, ownerLink, runDir } from './paths.ts';

export interface Container {
  readonly record: ContainerRecord;
  readonly state: ContainerState;
}

/** A container may have an id and not yet, or no longer, a name and a record. */
interface ContainerNames {
  readonly id: ContainerId;
  readonly name: string | undefined;
  /** Made by its plan, which is run when it is on record. */
  readonly cgroups: ContainerCgroups | undefined;
}

export function newContainerId(): ContainerId {
  return randomBytes(32).toString('hex') as ContainerId;
}

/**
 * Says that this process makes, and looks after, the container. A link is made with its content in one step: what has a
 * living owner is never swept, so it comes before everything else of the container.
 */
export function claimContainer(paths: EnginePaths, id: ContainerId): void {
  symlinkSync(ownMark(), ownerLink(paths, id));
}

export interface Directory {
  readonly path: HostPath;
  readonly mode: number;
}

/** The directories of a container, each after the one it lies in. The mode of `upper` is the mode of `/` inside. */
export function containerDirectories(paths: EnginePaths, id: ContainerId): readonly Directory[] {
  const dir = containerDir(paths, id);
  return [
    { path: runDir(paths, id), mode: 0o700 },
    { path: dir, mode: 0o710 },
    { path: hostPath(`${dir}/upper`), mode: 0o755 },
    { path: hostPath(`${dir}/work`), mode: 0o700 },
    { path: hostPath(`${dir}/rootfs`), mode: 0o700 },
  ];
}

export function createDirectories(paths: EnginePaths, id: ContainerId): void {
  for (const { path, mode } of containerDirectories(paths, id)) mkdirSync(path, { mode });
}

/** A reader sees the old record or the new one, never a half. */
export function writeRecord(paths: EnginePaths, record: ContainerRecord): void {
  const file = `${containerDir(paths, record.id)}/config.json`;
  writeFileSync(`${file}.tmp`, `${stringifyExactJson(record)}\n`, { mode: 0o600 });
  renameSync(`${file}.tmp`, file);
}

export function listContainers(paths: EnginePaths): readonly Container[] {
  return listIds(paths)
    .flatMap((id) => {
      const record = readRecord(paths, id);
      return record === undefined ? [] : [{ record, state: readState(paths, id) }];
    })
    .sort((a, b) => b.record.createdAtMs - a.record.createdAtMs);
}

/** What the images are needed for. */
export function imageUses(paths: EnginePaths): readonly ImageUse[] {
  return listContainers(paths).map(({ record, state }) => ({
    imageId: record.imageId,
    containerId: record.id,
    running: state.status === 'running',
    layers: record.chainIds,
  }));
}

/** By name, id, or the beginning of an id that only one container has. */
export function findContainer(paths: EnginePaths, nameOrId: string, exitCode = 1): Container {
  const containers = listContainers(paths);
  const exact = containers.find(({ record }) => record.name === nameOrId || record.id === nameOrId);
  if (exact !== undefined) return exact;
  const matches = /^[0-9a-f]+$/.test(nameOrId)
    ? containers.filter(({ record }) => record.id.startsWith(nameOrId))
    : [];
  const [only, another] = matches;
  if (only !== undefined && another === undefined) return only;
  if (only !== undefined)
    throw new TsrunError(
      'AMBIGUOUS_ID',
      `Cannot tell which container ${nameOrId} is: ${matches.length} ids begin with it`,
      { hint: 'give more of the id, or the name' },
    );
  throw new TsrunError('NO_SUCH_CONTAINER', `No such container: ${nameOrId}`, {
    hint: 'tsrun ps -a lists them',
    exitCode,
  });
}

export function signalContainer({ record, state }: Container, signal: number): void {
  if (state.status !== 'running') {
    throw new TsrunError('NOT_RUNNING', `Cannot kill container ${record.name}: it is not running`, {
      exitCode: 1,
    });
  }
  checkErrno(
    native().tsr_kill(state.process.pid, state.process.started, signal),
    `Cannot signal container ${record.name}`,
  );
}

/** Removes everything of a container that nobody looks after. */
export async function removeContainer(paths: EnginePaths, record: ContainerNames): Promise<void> {
  await disconnect(paths, record.id);
  if (record.name !== undefined) releaseName(paths, record.id, record.name);
  for (const { path } of ownedTrees(paths, record.id)) removeTree(path);
  if (record.cgroups !== undefined) removeCgroups(record.cgroups);
}

/** The code for networks is loaded only where something is left of one. */
async function disconnect(paths: EnginePaths, id: ContainerId): Promise<void> {
  if (!holdsNetwork(paths, id)) return;
  const { disconnectContainer } = await import('./container-network.ts');
  disconnectContainer(paths, id);
}

/** What a container that removes itself takes away, in this order; its name can be nobody else's as long as it lives. */
export function ownedPaths(paths: EnginePaths, id: ContainerId, name: string): readonly OwnedPath[] {
  return [
    { path: hostPath(`${paths.names}/${name}`), what: 'the name of the container' },
    ...ownedTrees(paths, id),
  ];
}

/** The owner goes last, so that nobody else sweeps what is just being removed. */
function ownedTrees(paths: EnginePaths, id: ContainerId): readonly OwnedPath[] {
  return [
    {
      path: containerDir(paths, id),
      what: 'what the container wrote, by descriptor, for the names are its own',
    },
    { path: runDir(paths, id), what: 'the record of the running process' },
    { path: ownerLink(paths, id), what: 'the mark of who looks after the container' },
  ];
}

/** Removes containers that should have removed themselves, halves of containers, and what dead ones hold of a network. */
export async function sweep(paths: EnginePaths): Promise<void> {
  for (const id of listIds(paths)) {
    if (hasOwner(paths, id)) continue;
    const record = readRecord(paths, id);
    if (record === undefined) await removeContainer(paths, { id, name: undefined, cgroups: undefined });
    else if (record.autoRemove) await removeContainer(paths, record);
    else await disconnect(paths, id);
  }
  for (const { name, id } of listNames(paths)) {
    if (!existsSync(containerDir(paths, id)) && !hasOwner(paths, id)) releaseName(paths, id, name);
  }
}

function listIds(paths: EnginePaths): ContainerId[] {
  const names = [...namesIn(paths.containers), ...namesIn(paths.runRoot)].map((name) =>
    name.replace(/\.(owner|joined)$/, ''),
  );
  return [...new Set(names)].filter((name) => /^[0-9a-f]{64}$/.test(name)) as ContainerId[];
}
