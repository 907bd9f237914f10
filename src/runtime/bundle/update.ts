/** Other limits for a container that runs, at once and on record. */
import { applyWrites } from '../../cgroup/apply-writes.ts';
import type { CgroupHost } from '../../cgroup/host.ts';
import { resourceWrites } from '../../cgroup/resource-writes.ts';
import { updateDevices } from '../../cgroup/update-devices.ts';
import { TsrunError } from '../../lib/errors.ts';
import type { ResourcesSpec } from '../../spec/runtime.ts';
import { readCgroupHost } from '../cgroup-facts.ts';
import { type BundleContainer, writeRecord } from './record.ts';

/** What is not given stays as it is. Throws when a limit is refused; then none is changed. */
export function updateContainer(container: BundleContainer, changes: ResourcesSpec): void {
  const { status, process, cgroups, spec, dir, ...record } = container;
  if (status === 'stopped' || process === undefined)
    throw new TsrunError('NOT_RUNNING', `container not running: ${container.id}`, { exitCode: 1 });
  const host = readCgroupHost(process.pid);
  const asked = withSwap(enforceable(changes, host.v2Controllers.length > 0), host);
  const before = spec.linux.resources ?? {};
  const resources = {
    ...merged(before, asked),
    ...(asked.devices === undefined ? {} : { devices: asked.devices }),
  };
  applyWrites(cgroups, resourceWrites(host, withBefore(before, asked), { changing: true }));
  if (asked.devices !== undefined) updateDevices(cgroups, asked.devices);
  writeRecord(dir, { ...record, cgroups, spec: { ...spec, linux: { ...spec.linux, resources } } });
}

const SECTIONS = ['memory', 'cpu', 'pids', 'blockIO'] as const;

/**
 * Engines send all the limits they know, with 0 for one that is not asked for, and those that only v1 has also to a host with v2:
 * they are left out.
 */
function enforceable(changes: ResourcesSpec, isV2: boolean): ResourcesSpec {
  const sections = SECTIONS.map((name) => {
    const fields = Object.entries(changes[name] ?? {}).filter(
      ([field, value]) => value !== 0 && value !== '' && value !== false && !(isV2 && ONLY_V1.has(field)),
    );
    return [name, fields.length === 0 ? undefined : Object.fromEntries(fields)] as const;
  });
  return { ...changes, ...Object.fromEntries(sections) } as ResourcesSpec;
}

const ONLY_V1: ReadonlySet<string> = new Set([
  'swappiness',
  'disableOOMKiller',
  'realtimeRuntime',
  'realtimePeriod',
]);

/** Who takes the limit of memory away takes that of swap with it, unless it is named: as with runc. */
function withSwap(asked: ResourcesSpec, { countsSwap }: Pick<CgroupHost, 'countsSwap'>): ResourcesSpec {
  const { memory } = asked;
  if (memory?.limit !== -1 || memory.swap !== undefined || !countsSwap) return asked;
  return { ...asked, memory: { ...memory, swap: -1 } };
}

function merged(before: ResourcesSpec, asked: ResourcesSpec): ResourcesSpec {
  const sections = SECTIONS.flatMap((name) => {
    const both = { ...before[name], ...asked[name] };
    return Object.keys(both).length === 0 ? [] : [[name, both] as const];
  });
  return { ...before, ...Object.fromEntries(sections) } as ResourcesSpec;
}

/** The sections that change, whole: some figures are written together, as a quota with its period. */
function withBefore(before: ResourcesSpec, asked: ResourcesSpec): ResourcesSpec {
  const all = merged(before, asked);
  const changed = SECTIONS.filter((name) => asked[name] !== undefined).map(
    (name) => [name, all[name]] as const,
  );
  const { unified, hugepageLimits } = asked;
  return {
    ...Object.fromEntries(changed),
    ...(unified === undefined ? {} : { unified }),
    ...(hugepageLimits === undefined ? {} : { hugepageLimits }),
  } as ResourcesSpec;
}
