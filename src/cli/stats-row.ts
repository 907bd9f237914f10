/** Two looks at a container → the figures that `tsrun stats` shows, under the names that Docker's --format has for them. */
import type { ContainerUsage } from '../engine/container-usage.ts';
import type { ContainerId } from '../lib/brands.ts';
import { binarySize, humanSize } from './table.ts';

export const TITLES = {
  BlockIO: 'BLOCK I/O',
  CPUPerc: 'CPU %',
  Container: 'CONTAINER',
  ID: 'CONTAINER ID',
  MemPerc: 'MEM %',
  MemUsage: 'MEM USAGE / LIMIT',
  Name: 'NAME',
  NetIO: 'NET I/O',
  PIDs: 'PIDS',
} as const;
export type StatsRow = Readonly<Record<keyof typeof TITLES, string>>;

/** What nobody counts is not 0. */
const UNKNOWN = '--';

/** A container without a limit has that of the host: `hostMemoryBytes`. */
export function statsRow(
  { id, name }: { readonly id: ContainerId; readonly name: string },
  before: ContainerUsage | undefined,
  now: ContainerUsage | undefined,
  hostMemoryBytes: number,
  wholeIds: boolean,
): StatsRow {
  const used = now?.memoryBytes;
  const limit = Math.min(now?.memoryLimitBytes ?? hostMemoryBytes, hostMemoryBytes);
  const shownId = wholeIds ? id : id.slice(0, 12);
  return {
    BlockIO: pair(now?.readBytes, now?.writtenBytes, humanSize),
    CPUPerc: percent(cpuShare(before, now)),
    Container: shownId,
    ID: shownId,
    MemPerc: percent(used === undefined ? undefined : used / limit),
    MemUsage: used === undefined ? `${UNKNOWN} / ${UNKNOWN}` : pair(used, limit, binarySize),
    Name: name,
    NetIO: pair(now?.network?.receivedBytes, now?.network?.sentBytes, humanSize),
    PIDs: `${now?.tasks ?? UNKNOWN}`,
  };
}

/** 1 is one processor. */
function cpuShare(before: ContainerUsage | undefined, now: ContainerUsage | undefined): number | undefined {
  if (before?.cpuMicroseconds === undefined || now?.cpuMicroseconds === undefined) return undefined;
  return (now.cpuMicroseconds - before.cpuMicroseconds) / 1000 / (now.takenAtMs - before.takenAtMs);
}

function percent(share: number | undefined): string {
  return share === undefined ? UNKNOWN : `${(share * 100).toFixed(2)}%`;
}

function pair(left: number | undefined, right: number | undefined, show: (bytes: number) => string): string {
  return left === undefined || right === undefined ? UNKNOWN : `${show(left)} / ${show(right)}`;
}
