/** What is on disk of a container while it runs, and after it. docs/on-disk.md. */
import * as K from '../kernel/constants.ts';
import type { Op, OpGroup } from '../kernel/ops.ts';
import type { HostPath } from '../lib/brands.ts';
import { group } from './op-group.ts';

export interface OwnedPath {
  readonly path: HostPath;
  /** What it is, for a reader: `the name of the container`. */
  readonly what: string;
}

/** Where the run leaves its traces on disk. */
export interface StateFiles {
  /** Receives `pid` while the container runs; exists already. */
  readonly runDir: HostPath;
  /** Receives `exit` when it has ended, unless it is removed then; exists already. */
  readonly containerDir?: HostPath;
  /** Trees and links that go when the container goes, or when it could not be started. */
  readonly owned: readonly OwnedPath[];
  /** The owned ones go as soon as the container has ended (--rm). */
  readonly remove: boolean;
}

export function planStateFiles(state: StateFiles | undefined): readonly Op[] {
  if (state === undefined) return [];
  const open = (into: string, path: string, why: string): Op => ({
    op: 'open',
    into,
    path,
    flags: K.O_PATH + K.O_DIRECTORY,
    mode: 0,
    resolve: 0,
    why,
  });
  return [
    open('run-dir', state.runDir, 'Other commands find the running container by what is written here.'),
    ...(recordsExit(state)
      ? [open('container-dir', state.containerDir, 'What outlives the container is written here.')]
      : []),
  ];
}

export function planPidRecord(state: StateFiles | undefined): readonly Op[] {
  return state === undefined
    ? []
    : [
        {
          op: 'record_pid',
          at: 'run-dir',
          path: 'pid',
          why: 'A pid and its start time name one process for ever, also when the number is used again.',
        },
      ];
}

export function recordsExit(
  state: StateFiles | undefined,
): state is StateFiles & { readonly containerDir: HostPath } {
  return state?.containerDir !== undefined && !state.remove;
}

export function planExitRecord(state: StateFiles | undefined): readonly Op[] {
  if (!recordsExit(state)) return [];
  return [
    { op: 'record_exit', at: 'container-dir', path: 'exit', why: 'How the container ended outlives it.' },
  ];
}

export function planRemoval(state: StateFiles | undefined): readonly (OpGroup | undefined)[] {
  if (state === undefined) return [];
  const ops = state.owned
    .toReversed()
    .map(
      ({ path, what }): Op => ({ op: 'remove_tree', path, why: `Removes ${what}: nothing stays behind.` }),
    );
  return [
    state.remove
      ? group('cleanup', 'The container is removed', ops)
      : group('undo', 'A container that could not start is removed', ops),
  ];
}
