/** The cgroups of a container that runs, as the kernel has them; and how long its first process has run. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerRecord } from '../../src/engine/container-record.ts';
import { readCgroupHost } from '../../src/runtime/cgroup-facts.ts';
import { parseExactJson } from '../../src/spec/exact-json.ts';
import type { Tsrun } from './tsrun.ts';

/** Whether cgroup v2 has the controllers of this host. Tests of limits hold on both kinds. */
export const ON_V2 = readCgroupHost().v2Controllers.includes('memory');

export function recordOf({ dataRoot }: Pick<Tsrun, 'dataRoot'>, name: string): ContainerRecord {
  const containers = join(dataRoot, 'containers');
  const records = readdirSync(containers).map(
    (id) => parseExactJson(readFileSync(join(containers, id, 'config.json'), 'utf8')) as ContainerRecord,
  );
  const record = records.find((one) => one.name === name);
  if (record === undefined) throw new Error(`there is no container ${name}`);
  return record;
}

/** Reads a file of the controller's cgroup; in v1 its controllers and files have other names. */
export function readLimit(
  tsrun: Tsrun,
  name: string,
  v2File: string,
  v1File: string,
  v1Controller = v1File.split('.', 1)[0] ?? '',
): string {
  const { v2, v1 } = recordOf(tsrun, name).cgroups;
  const path = ON_V2 ? join(v2 ?? '', v2File) : join(v1[v1Controller] ?? '', v1File);
  return readFileSync(path, 'utf8').trim();
}

export function pidOf(tsrun: Tsrun, name: string): number {
  return Number(readFileSync(join(tsrun.runRoot, recordOf(tsrun, name).id, 'pid'), 'utf8').split(' ')[0]);
}

/** In nanoseconds: the first field of /proc/PID/schedstat. */
export function runTime(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]);
}
