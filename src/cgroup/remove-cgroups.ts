/** Removing the cgroups of a container whose helper was killed: the processes in them may still be ending. */
import { existsSync, readdirSync, rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { runSystemdJob } from '../kernel/dbus-door.ts';
import { errnoOf } from '../lib/errors.ts';
import { writeFileIfThere } from '../lib/files.ts';
import type { ContainerCgroups } from './host.ts';
import { SYSTEM_BUS, stopScope } from './systemd.ts';

const POLL_MS = 5;
const POLL_LIMIT_MS = 10_000;

export function removeCgroups({ v2, v1, scope }: ContainerCgroups): void {
  if (v2 !== undefined) writeFileIfThere(`${v2}/cgroup.kill`, '1');
  for (const path of [...Object.values(v1), ...(v2 === undefined ? [] : [v2])]) removeCgroup(path);
  // An empty scope goes by itself, a moment later; after this it has gone, also when somebody has put a process into it.
  if (v2 !== undefined && scope !== undefined && existsSync(dirname(v2)))
    runSystemdJob(SYSTEM_BUS, stopScope(scope), `remove the unit ${scope}`);
}

/** Busy means that a process in it has not ended yet. The container may have made others below, when it was privileged. */
function removeCgroup(path: string): void {
  for (const entry of ifThere(() => readdirSync(path, { withFileTypes: true })) ?? [])
    if (entry.isDirectory()) removeCgroup(`${path}/${entry.name}`);
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    try {
      ifThere(() => rmdirSync(path));
      return;
    } catch (error) {
      if (errnoOf(error) !== 'EBUSY' || waitedMs >= POLL_LIMIT_MS) throw error;
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
  }
}

function ifThere<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return undefined;
  }
}
