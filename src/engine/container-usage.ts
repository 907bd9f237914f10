/** What running containers use: processor, memory, disks, network. */
import { readFileSync } from 'node:fs';
import { type CgroupUsage, readUsage } from '../cgroup/read-usage.ts';
import { errnoOf } from '../lib/errors.ts';
import type { Container } from './container-store.ts';

export interface ContainerUsage extends CgroupUsage {
  /** Of the monotonic clock. */
  readonly takenAtMs: number;
  /** Undefined on a network that others use too: nobody counts apart what is whose. */
  readonly network: NetworkUsage | undefined;
}

export interface NetworkUsage {
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** Undefined for a container that does not run. */
export function readContainerUsage({ record, state }: Container): ContainerUsage | undefined {
  if (state.status !== 'running') return undefined;
  const ownNetwork = record.spec.linux.namespaces.some((n) => n.type === 'network' && n.path === undefined);
  return {
    takenAtMs: performance.now(),
    ...readUsage(record.cgroups),
    network: ownNetwork ? readNetworkUsage(state.process.pid) : undefined,
  };
}

/** /proc/PID/net/dev has a line for each interface of the process's network namespace; proc_pid_net(5). */
function readNetworkUsage(pid: number): NetworkUsage | undefined {
  try {
    return parseNetDev(readFileSync(`/proc/${pid}/net/dev`, 'utf8'));
  } catch (error) {
    // It ended meanwhile: ENOENT before the file is open, EINVAL after that.
    if (['ENOENT', 'EINVAL', 'ESRCH'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** The sums over all interfaces but lo, whose bytes never leave the container. */
export function parseNetDev(text: string): NetworkUsage {
  const lines = [...text.matchAll(/^ *([^\s:]+): *(.*)$/gm)].filter(([, name]) => name !== 'lo');
  const sum = (column: number) =>
    lines.reduce((all, [, , figures = '']) => all + Number(figures.split(/ +/)[column]), 0);
  return { receivedBytes: sum(0), sentBytes: sum(8) };
}
