/** What a container uses, read from the files of its cgroups. Undefined is what the host does not count. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type HostPath, hostPath } from '../lib/brands.ts';
import { errnoOf } from '../lib/errors.ts';
import type { ContainerCgroups } from './host.ts';

export interface CgroupUsage {
  /** Processor time since the container began. */
  readonly cpuMicroseconds: number | undefined;
  /** Without what the kernel could take back at once: the files that nobody has read for a while. */
  readonly memoryBytes: number | undefined;
  /** Undefined when there is none. */
  readonly memoryLimitBytes: number | undefined;
  /** From and to disks. */
  readonly readBytes: number | undefined;
  readonly writtenBytes: number | undefined;
  /** Processes and threads. */
  readonly tasks: number | undefined;
}

/** Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/. */
export function readUsage({ v2, v1 }: ContainerCgroups): CgroupUsage {
  const io = readIo(v2, v1.blkio);
  return {
    // Every cgroup of v2 counts processor time, on a hybrid host too, where v2 has no controllers.
    cpuMicroseconds: field(v2, 'cpu.stat', 'usage_usec'),
    ...readMemory(v2, v1.memory),
    readBytes: io?.read,
    writtenBytes: io?.written,
    tasks: whole(v2, 'pids.current') ?? whole(v1.pids, 'pids.current') ?? countThreads(v2),
  };
}

type Directory = HostPath | undefined;

/** v1 gives a number of this size for no limit: the pages that fit into 63 bits. */
const V1_UNLIMITED = 2 ** 62;

function readMemory(v2: Directory, v1: Directory): Pick<CgroupUsage, 'memoryBytes' | 'memoryLimitBytes'> {
  const used = whole(v2, 'memory.current');
  if (used !== undefined) {
    const inactive = field(v2, 'memory.stat', 'inactive_file') ?? 0;
    return { memoryBytes: Math.max(0, used - inactive), memoryLimitBytes: whole(v2, 'memory.max') };
  }
  const usedV1 = whole(v1, 'memory.usage_in_bytes');
  if (usedV1 === undefined) return { memoryBytes: undefined, memoryLimitBytes: undefined };
  const inactive = field(v1, 'memory.stat', 'total_inactive_file') ?? 0;
  const limit = whole(v1, 'memory.limit_in_bytes') ?? V1_UNLIMITED;
  return {
    memoryBytes: Math.max(0, usedV1 - inactive),
    memoryLimitBytes: limit < V1_UNLIMITED ? limit : undefined,
  };
}

interface Io {
  readonly read: number;
  readonly written: number;
}

function readIo(v2: Directory, v1: Directory): Io | undefined {
  const stat = text(v2, 'io.stat');
  if (stat !== undefined) return sumIo(stat, / rbytes=(\d+)/g, / wbytes=(\d+)/g);
  const bytes = text(v1, 'blkio.throttle.io_service_bytes_recursive');
  return bytes === undefined ? undefined : sumIo(bytes, / Read (\d+)/g, / Write (\d+)/g);
}

/** One figure for each disk: `8:0 rbytes=1 wbytes=2 …` in v2; `8:0 Read 1`, `8:0 Write 2` on lines of their own in v1. */
function sumIo(stat: string, read: RegExp, written: RegExp): Io {
  const sum = (pattern: RegExp) => [...stat.matchAll(pattern)].reduce((all, [, n]) => all + Number(n), 0);
  return { read: sum(read), written: sum(written) };
}

/** In a cgroup and all below it. */
function countThreads(cgroup: Directory): number | undefined {
  const threads = text(cgroup, 'cgroup.threads');
  if (cgroup === undefined || threads === undefined) return undefined;
  const entries = unlessGone(() => readdirSync(cgroup, { withFileTypes: true })) ?? [];
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => countThreads(hostPath(join(cgroup, name))) ?? 0)
    .reduce((all, n) => all + n, threads.split('\n').length - 1);
}

/** A file of one number; undefined for `max`, and where there is none. */
function whole(cgroup: Directory, file: string): number | undefined {
  const found = text(cgroup, file)?.trim();
  return found !== undefined && /^\d+$/.test(found) ? Number(found) : undefined;
}

/** A line `name number`. */
function field(cgroup: Directory, file: string, name: string): number | undefined {
  const [, number] = new RegExp(`^${name} (\\d+)$`, 'm').exec(text(cgroup, file) ?? '') ?? [];
  return number === undefined ? undefined : Number(number);
}

function text(cgroup: Directory, file: string): string | undefined {
  return cgroup === undefined ? undefined : unlessGone(() => readFileSync(join(cgroup, file), 'utf8'));
}

/** A container may end, and its cgroup go, while it is looked at: ENODEV comes from a file of one that went when it was open. */
function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENODEV') return undefined;
    throw error;
  }
}
