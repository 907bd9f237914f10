/** A container on disk: what it was made from (config.json), and what became of it (owner, pid, exit). */
import type { ContainerCgroups } from '../cgroup/host.ts';
import { exitCodeOf } from '../kernel/report.ts';
import type { ContainerId, Digest } from '../lib/brands.ts';
import { TsrunError } from '../lib/errors.ts';
import { readFileIfThere, readLinkIfThere } from '../lib/files.ts';
import type { ContainerPort } from '../network/published-port.ts';
import { isAlive, type ProcessMark, parseMark } from '../runtime/process-mark.ts';
import { parseExactJson } from '../spec/exact-json.ts';
import type { RuntimeSpec } from '../spec/runtime.ts';
import type { NetworkOptions } from './container-options.ts';
import { containerDir, type EnginePaths, ownerLink, runDir } from './paths.ts';
import type { PortRequest } from './port-options.ts';

export interface ContainerRecord {
  readonly id: ContainerId;
  readonly name: string;
  /** The image as it was asked for. */
  readonly image: string;
  readonly imageId: Digest;
  /** Chain IDs of the layers, lowest first: they may not be removed while the container exists. */
  readonly chainIds: readonly Digest[];
  readonly createdAtMs: number;
  readonly autoRemove: boolean;
  /** Its directories: where a v1 hierarchy has them depends on who started the container. */
  readonly cgroups: ContainerCgroups;
  /** As it was asked for; another container stands there by its id. */
  readonly network: NetworkOptions;
  readonly ports: {
    /** As they were asked for. */
    readonly publish: readonly PortRequest[];
    readonly exposed: readonly ContainerPort[];
  };
  readonly spec: RuntimeSpec;
}

export type ContainerState =
  | { readonly status: 'created' }
  | { readonly status: 'running'; readonly process: ProcessMark }
  | {
      readonly status: 'exited';
      readonly exitCode: number;
      readonly finishedAtMs: number | undefined;
      /** Whether the kernel ended a process of the container because memory ran out. */
      readonly oomKilled: boolean;
    };

/** The file `exit`, which the helper writes: op record_exit. */
interface ExitRecord {
  readonly waitStatus: number;
  readonly finishedAtMs: number;
  readonly oomKilled: boolean;
}

export function readRecord(paths: EnginePaths, id: ContainerId): ContainerRecord | undefined {
  const file = `${containerDir(paths, id)}/config.json`;
  const text = readFileIfThere(file);
  if (text === undefined) return undefined;
  try {
    return parseExactJson(text) as ContainerRecord;
  } catch (cause) {
    throw new TsrunError(
      'BROKEN_CONTAINER',
      `Cannot read ${file}: ${cause instanceof Error ? cause.message : cause}`,
      {
        hint: `remove it with: tsrun rm -f ${id.slice(0, 12)}`,
        cause,
      },
    );
  }
}

/** Derived from what is on disk and which processes live; nobody has to be told when a container dies. */
export function readState(paths: EnginePaths, id: ContainerId): ContainerState {
  const running = parseMark(readFileIfThere(`${runDir(paths, id)}/pid`));
  if (running !== undefined && isAlive(running)) return { status: 'running', process: running };
  const exit = readFileIfThere(`${containerDir(paths, id)}/exit`);
  if (exit !== undefined) {
    const { waitStatus, finishedAtMs, oomKilled } = JSON.parse(exit) as ExitRecord;
    return { status: 'exited', exitCode: exitCodeOf(waitStatus), finishedAtMs, oomKilled };
  }
  if (hasOwner(paths, id)) return { status: 'created' };
  // Nobody is left who could record an end: the helper was killed, and the kernel killed the container with it.
  return { status: 'exited', exitCode: 137, finishedAtMs: undefined, oomKilled: false };
}

/** Whether the process that makes, or looks after, the container is alive. */
export function hasOwner(paths: EnginePaths, id: ContainerId): boolean {
  const owner = readOwner(paths, id);
  return owner !== undefined && isAlive(owner);
}

/** The process that makes, or looks after, the container; it may have ended. */
export function readOwner(paths: EnginePaths, id: ContainerId): ProcessMark | undefined {
  return parseMark(readLinkIfThere(ownerLink(paths, id)));
}
