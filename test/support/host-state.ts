/**
 * What tsrun could leave on a host, as a flat set of readable lines: mounts, cgroups, links, addresses, rules, namespaces,
 * processes, shared memory, files. Two of them compared say what a test left behind.
 *
 * On a machine where other work goes on (`alone` is false) only what carries this run's marks is read: its
 * directory in a path, its id in the environment of a process.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../src/lib/errors.ts';
import { readNetworkState } from './network-host.ts';

export interface Marks {
  /** The directory of this test run: every data root, run root and temporary file is below it. */
  readonly directory: string;
  /** `NAME=value`, in the environment of every process that a test started. */
  readonly environment: string;
  /** True where nothing else runs tsrun: then everything counts, marked or not. */
  readonly alone: boolean;
}

export function readHostState(marks: Marks): Set<string> {
  return new Set([
    ...readMounts(marks),
    ...readCgroups(marks),
    ...named('named network namespace', '/run/netns', /./),
    ...named('shared memory', '/dev/shm', /tsrun/),
    ...readProcesses(marks),
    ...readNetworkState(),
    ...readFiles(marks.directory),
  ]);
}

function readMounts({ directory, alone }: Marks): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter(Boolean);
  return lines
    .filter((line) => alone || line.includes(directory) || line.includes('/tsrun'))
    .map((line) => line.split(' ').slice(3))
    .filter(([, mountPoint]) => mountPoint !== '/run/netns') // the first `ip netns add` of a machine makes it for good
    .map((fields) => `mount ${fields.join(' ')}`);
}

/** cgroups named by tsrun that hold no process of somebody else. Reads both hierarchies of a hybrid host. */
function readCgroups({ alone }: Marks): string[] {
  const found: string[] = [];
  for (const directory of walkDirectories('/sys/fs/cgroup')) {
    if (!directory.includes('/tsrun')) continue;
    if (!alone && readText(join(directory, 'cgroup.procs')) !== '') continue;
    found.push(`cgroup ${directory}`);
  }
  return found;
}

function named(what: string, directory: string, pattern: RegExp): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => pattern.test(name))
    .map((name) => `${what} ${name}`);
}

interface OwnProcess {
  readonly startTime: number;
  readonly namespaces: readonly string[];
}

const NAMESPACES = ['mnt', 'net', 'pid', 'uts', 'ipc', 'cgroup', 'user'];

/** Processes of this run, and the namespaces only they hold. A zombie has ended, so it is not counted. */
function readProcesses(marks: Marks): string[] {
  const own = {
    startTime: startTime('self'),
    namespaces: NAMESPACES.map((kind) => readLink(`/proc/self/ns/${kind}`)),
  };
  const lines: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid || !isOfThisRun(pid, own, marks)) continue;
    const command = readText(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();
    if (command === '') continue;
    lines.push(`process ${pid} ${command.slice(0, 120)}`);
    for (const kind of NAMESPACES) {
      const namespace = readLink(`/proc/${pid}/ns/${kind}`);
      if (namespace !== '' && !own.namespaces.includes(namespace)) lines.push(`namespace ${namespace}`);
    }
  }
  return lines;
}

/** Nothing older than the test process is of this run; what is older is not even looked into. */
function isOfThisRun(pid: string, own: OwnProcess, { directory, environment, alone }: Marks): boolean {
  if (startTime(pid) < own.startTime) return false;
  if (readText(`/proc/${pid}/environ`).split('\0').includes(environment)) return true;
  if (alone && readText(`/proc/${pid}/cgroup`).includes('/tsrun')) return true;
  // In the host's own mount namespace every process sees the mounts of a test, so they tell nothing there.
  if (readLink(`/proc/${pid}/ns/mnt`) === own.namespaces[0]) return false;
  return readText(`/proc/${pid}/mountinfo`).includes(`${directory}/data`);
}

/** In clock ticks since boot: field 22 of /proc/PID/stat, counted after the name, which may hold anything. */
function startTime(pid: string): number {
  const stat = readText(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 0);
}

/** The image store grows when a test loads an image; a temporary name in it is still something left behind. */
const STORE = /^(blobs|layers|index\.json|oci-layout)$/;
const TEMPORARY = /(^|[.-])(tmp|temp|partial|part|new)([.-]|$)/;
const TOP_FOLDERS = new Set(['containers', 'names', 'layers', 'blobs', 'tmp']);
const LOCK = /(^|\.)lock$/;
/** The default network is made once and stays; a network's folder of leases does too, but for the leases in it. */
const NETWORKS = /\/networks(\/bridge\.json|\/[0-9a-f]{64})?$/;

/** Files in the data roots and run roots, which are the directories `data*` and `run*`, without the lock files. */
function readFiles(directory: string): string[] {
  const files: string[] = [];
  for (const root of list(directory).filter((name) => /^(data|run)/.test(name))) {
    for (const top of list(join(directory, root))) {
      const inStore = STORE.test(top);
      for (const path of walkFiles(join(directory, root, top), 3)) {
        const name = path.slice(path.lastIndexOf('/') + 1);
        // The folders of a data root are made once and stay; a folder of a run root belongs to a container.
        if (NETWORKS.test(path)) continue;
        if (root.startsWith('data') && name === top && TOP_FOLDERS.has(top)) continue;
        if (!LOCK.test(name) && (!inStore || TEMPORARY.test(name))) files.push(`file ${path}`);
      }
    }
  }
  return files;
}

function* walkFiles(path: string, depth: number): Generator<string> {
  const names = depth > 0 ? list(path) : [];
  if (names.length === 0 || depth === 0) yield path;
  for (const name of names) yield* walkFiles(join(path, name), depth - 1);
}

function* walkDirectories(path: string): Generator<string> {
  for (const entry of readEntries(path)) {
    if (!entry.isDirectory()) continue;
    const directory = join(path, entry.name);
    yield directory;
    yield* walkDirectories(directory);
  }
}

// A process, a cgroup or a file may be gone between being listed and being read.
const GONE = ['ENOENT', 'ESRCH', 'ENODEV', 'ENOTDIR', 'EACCES', 'EINVAL'];

function unlessGone<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    if (GONE.includes(errnoOf(error) ?? '')) return otherwise;
    throw error;
  }
}

const readText = (path: string) => unlessGone(() => readFileSync(path, 'utf8'), '');
const readLink = (path: string) => unlessGone(() => readlinkSync(path), '');
const list = (path: string) => unlessGone(() => readdirSync(path), []);
const readEntries = (path: string) => unlessGone(() => readdirSync(path, { withFileTypes: true }), []);
