/** New limits for a container that runs: also where it has had no limit of that kind yet, and so no cgroup for one. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { applyWrites } from '../cgroup/apply-writes.ts';
import { type CgroupHost, type ContainerCgroups, containerCgroups } from '../cgroup/host.ts';
import { resourceWrites } from '../cgroup/resource-writes.ts';
import type { CgroupWrite } from '../cgroup/setting.ts';
import type { HostPath } from '../lib/brands.ts';
import { errnoOf, TsrunError } from '../lib/errors.ts';
import { explainHandDown } from '../runtime/cgroup-failure.ts';
import type { ResourcesSpec } from '../spec/runtime.ts';

/**
 * `host` as the container's first process sees it: new cgroups of v1 lie below those it is in. Returns the cgroups it has
 * then. Throws when a limit is refused; then nothing is changed, or the error says what is.
 */
export function changeLimits(
  host: CgroupHost,
  cgroupsPath: string,
  cgroups: ContainerCgroups,
  resources: ResourcesSpec,
): ContainerCgroups {
  const changes = resourceWrites(host, resources, { changing: true });
  const lacking = [
    ...new Set(changes.filter((one) => one.version === 1).map((one) => one.controller)),
  ].filter((controller) => cgroups.v1[controller] === undefined);
  const first = resourceWrites(host, resources, { changing: false });
  const writes = [
    changes.filter((one) => !isOf(lacking, one)),
    first.filter((one) => isOf(lacking, one)),
  ].flat();
  handDown(host, cgroups, writes);
  const made = containerCgroups(host, cgroupsPath, lacking).v1;
  const all = { ...cgroups, v1: { ...cgroups.v1, ...made } };
  for (const path of Object.values(made)) mkdirSync(path, { recursive: true });
  try {
    applyWrites(all, writes);
    for (const path of Object.values(made)) moveProcesses(cgroups, path);
  } catch (error) {
    for (const path of Object.values(made)) removeUnlessUsed(path);
    throw error;
  }
  return all;
}

/** One that took some of the processes before the rest failed goes with the container. */
function removeUnlessUsed(path: HostPath): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'EBUSY') throw error;
  }
}

function isOf(controllers: readonly string[], { version, controller }: CgroupWrite): boolean {
  return version === 1 && controllers.includes(controller);
}

/** In v2 a controller works in a cgroup only when every cgroup above hands it down. */
function handDown(host: CgroupHost, { v2 }: ContainerCgroups, writes: readonly CgroupWrite[]): void {
  if (v2 === undefined || host.v2Mount === undefined) return;
  const lacking = writes.filter((one) => one.version === 2 && !existsSync(join(v2, one.file)));
  const enable = [...new Set(lacking.map((one) => `+${one.controller}`))].join(' ');
  if (enable === '') return;
  for (const parent of parentsOf(v2, host.v2Mount)) {
    try {
      writeFileSync(join(parent, 'cgroup.subtree_control'), enable);
    } catch (cause) {
      const { message, hint } = explainHandDown(
        parent.slice(host.v2Mount.length) || '/',
        enable,
        errnoOf(cause) ?? '',
      );
      throw new TsrunError('LIMIT_REFUSED', `Cannot limit the container: ${message}`, {
        ...(hint === undefined ? {} : { hint }),
        exitCode: 1,
        cause,
      });
    }
  }
}

/** From the mount down to the one it lies in. */
function parentsOf(cgroup: string, mount: HostPath): readonly string[] {
  const parent = dirname(cgroup);
  return parent === mount ? [parent] : [...parentsOf(parent, mount), parent];
}

/** More than this are forked in the meantime only by a container that does nothing else. */
const ROUNDS = 1000;

/** A process may fork while it is being moved, so this looks again until none is left behind. */
function moveProcesses({ v2, v1 }: ContainerCgroups, target: HostPath): void {
  const source = v2 ?? Object.values(v1)[0];
  if (source === undefined)
    throw new TsrunError(
      'NO_CGROUP',
      'Cannot limit the container: without a cgroup nobody knows its processes',
      {
        hint: 'give the limit to run',
        exitCode: 1,
      },
    );
  for (let round = 0; round < ROUNDS; round++) {
    const there = new Set(processesIn(target));
    const left = processesIn(source).filter((pid) => !there.has(pid));
    if (left.length === 0) return;
    for (const pid of left) move(pid, target);
  }
  throw new TsrunError(
    'NO_CGROUP',
    `Cannot limit all processes of the container, for they fork too fast: those in ${target} are limited`,
    {
      hint: 'give the limit to run',
      exitCode: 1,
    },
  );
}

/** Those of a cgroup, and of the ones that the container may have made below it. */
function processesIn(cgroup: string): readonly string[] {
  const own = readFileSync(join(cgroup, 'cgroup.procs'), 'utf8').split('\n');
  const below = readdirSync(cgroup, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [
    ...own.filter((pid) => pid !== ''),
    ...below.flatMap(({ name }) => processesIn(join(cgroup, name))),
  ];
}

/** It may have ended: ESRCH. */
function move(pid: string, target: HostPath): void {
  try {
    writeFileSync(join(target, 'cgroup.procs'), pid);
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}
