/** The freezer of a container's cgroup: cgroup.freeze of v2, freezer.state of v1. cgroups(7). */
import type { ContainerCgroups } from '../../cgroup/host.ts';
import { TsrunError } from '../../lib/errors.ts';
import { readFileIfThere, writeFileIfThere } from '../../lib/files.ts';

interface Freezer {
  readonly file: string;
  readonly frozen: string;
  readonly thawed: string;
  /** Whether all processes of the cgroup stand still. */
  isFrozen(): boolean;
}

const POLL_MS = 1;
const POLL_LIMIT_MS = 10_000;

export function isPaused(cgroups: ContainerCgroups): boolean {
  return freezerOf(cgroups)?.isFrozen() ?? false;
}

/** Returns when every process stands still, or runs; in a cgroup that is gone there is none. Throws when the host has no freezer, or a process does not stop. */
export function setPaused(cgroups: ContainerCgroups, paused: boolean): void {
  const freezer = freezerOf(cgroups);
  if (freezer === undefined) {
    throw new TsrunError('NO_FREEZER', 'cannot pause: the container has no cgroup with a freezer', {
      hint: 'mount cgroup2, or the v1 hierarchy of the controller freezer',
      exitCode: 1,
    });
  }
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    // v1 may find a process that is being forked: it is told again. Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst
    const isThere = writeFileIfThere(freezer.file, paused ? freezer.frozen : freezer.thawed);
    if (!isThere || freezer.isFrozen() === paused) return;
    if (waitedMs >= POLL_LIMIT_MS) break;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
  }
  if (paused) writeFileIfThere(freezer.file, freezer.thawed);
  throw new TsrunError('NOT_PAUSED', 'cannot pause: a process of the container does not stand still', {
    exitCode: 1,
  });
}

/** Does something to processes that stand still meanwhile, as far as the host can hold them: so none is forked unseen. */
export function whileFrozen(cgroups: ContainerCgroups, act: () => void): void {
  const holds = freezerOf(cgroups) !== undefined && !isPaused(cgroups);
  try {
    if (holds) setPaused(cgroups, true);
  } catch (error) {
    // One in a system call that cannot be interrupted: the others are let go again then.
    if (!(error instanceof TsrunError)) throw error;
  }
  try {
    act();
  } finally {
    if (holds) setPaused(cgroups, false);
  }
}

function freezerOf({ v2, v1 }: ContainerCgroups): Freezer | undefined {
  if (v2 !== undefined) {
    const events = `${v2}/cgroup.events`;
    return {
      file: `${v2}/cgroup.freeze`,
      frozen: '1',
      thawed: '0',
      isFrozen: () => /^frozen 1$/m.test(readFileIfThere(events) ?? ''),
    };
  }
  if (v1.freezer === undefined) return undefined;
  const file = `${v1.freezer}/freezer.state`;
  return {
    file,
    frozen: 'FROZEN',
    thawed: 'THAWED',
    isFrozen: () => readFileIfThere(file)?.trim() === 'FROZEN',
  };
}
