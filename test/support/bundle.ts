/**
 * Containers from a plain directory, without an image store: a busybox root file system and an OCI configuration that
 * a test changes where it matters. Each runs in a process of its own (run-plan.ts), so that many can run at once.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, expect, inject, vi } from 'vitest';
import { type HostPath, hostPath } from '../../src/lib/brands.ts';
import type { RootSource } from '../../src/mounts/plan-rootfs.ts';
import type { JoinedProcesses } from '../../src/namespaces/plan-namespaces.ts';
import type { NetworkInput } from '../../src/network/plan-network.ts';
import type { StateFiles } from '../../src/runtime/plan-state.ts';
import type { MountSpec, NamespaceType, ProcessSpec, RuntimeSpec } from '../../src/spec/runtime.ts';
import { SLOWNESS } from './under-test.ts';

/** How long the kernel may take to let go of what was killed. */
const PATIENCE = { timeout: 5000 * SLOWNESS, interval: 5 };

export interface BundleInput {
  readonly spec: RuntimeSpec;
  readonly root: RootSource;
  readonly cgroupName: string;
  /** `slice:prefix:name` when systemd is to make the cgroup. */
  readonly scope: string | undefined;
  readonly state: StateFiles | undefined;
  readonly network: NetworkInput | undefined;
  readonly joined: JoinedProcesses | undefined;
  readonly interactive: boolean;
  readonly everyCgroup: boolean;
  /** As on a host where cgroup v2 is mounted nowhere. */
  readonly withoutV2: boolean;
  /** Sources of bind mounts that are files. */
  readonly files: readonly string[];
}

export interface Outcome {
  readonly exitCode: number;
  readonly failure?: {
    readonly op: string;
    readonly errno: number;
    readonly detail: string;
    readonly message: string;
    readonly exitCode: number;
  };
  readonly trace: readonly {
    readonly op: string;
    readonly who: string;
    readonly outcome: string;
    readonly result: number;
  }[];
}

export interface Ran extends Outcome {
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly process: ChildProcess;
  readonly cgroupName: string;
  /** Resolves with what the container printed so far once `pattern` is in it. */
  waitFor(pattern: RegExp): Promise<string>;
  /** What became of it; rejects when the launching process was killed. */
  readonly ended: Promise<Ran>;
}

/** What a test changes: fields of the specification, and what is not in it. */
export interface Change {
  readonly process?: Partial<ProcessSpec>;
  readonly linux?: Partial<RuntimeSpec['linux']>;
  readonly mounts?: readonly MountSpec[];
  readonly hostname?: string | undefined;
  readonly domainname?: string;
  readonly readonlyRoot?: boolean;
  readonly root?: RootSource;
  readonly state?: StateFiles;
  readonly network?: NetworkInput;
  readonly joined?: JoinedProcesses;
  readonly interactive?: boolean;
  readonly everyCgroup?: boolean;
  readonly files?: readonly string[];
  readonly withoutV2?: boolean;
  readonly scope?: string;
  /** The output of the container is a pipe, as a shell makes one; Node's own pipes to its children are sockets. */
  readonly throughPipe?: boolean;
  /** Runs the launcher in a terminal of this size; a line "ROWS COLUMNS" on its descriptor 3 resizes it. */
  readonly inTerminal?: { readonly rows: number; readonly columns: number };
}

export interface Bundles {
  /** A directory of the test file, gone after it. */
  readonly scratch: string;
  /** A fresh root file system: busybox and empty directories. */
  rootfs(): HostPath;
  /** Runs `args` to its end. */
  run(change: Change, ...args: string[]): Promise<Ran>;
  /** Like run, with `sh -c`; fails when the container did not start or ended with another status than 0. */
  sh(change: Change, script: string): Promise<string>;
  start(change: Change, ...args: string[]): Running;
}

export const STANDARD_MOUNTS: readonly MountSpec[] = [
  { destination: '/proc', type: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
  { destination: '/dev', type: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
  {
    destination: '/dev/pts',
    type: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  },
  { destination: '/sys', type: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
];
export const STANDARD_NAMESPACES: readonly NamespaceType[] = [
  'pid',
  'mount',
  'ipc',
  'uts',
  'cgroup',
  'network',
];
const APPLETS =
  'sh cat echo ls id ps sleep stat grep mount umount hostname head true false env test touch tr wc readlink kill mkdir mknod dd cp chmod find nohup seq stty tty ip mv ln rm od date'.split(
    ' ',
  );

export function useBundles(): Bundles {
  const scratch = mkdtempSync(join(inject('testDirectory'), 'scratch-'));
  // Whoever is root in a user namespace is somebody else out here, and must get through to the root file system.
  for (const directory of [inject('testDirectory'), scratch]) chmodSync(directory, 0o711);
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));
  let shared: HostPath | undefined;
  const rootfs = () => makeRootfs(mkdtempSync(join(scratch, 'rootfs-')));
  const start = (change: Change, ...args: string[]) => {
    shared ??= rootfs();
    return launch(scratch, bundleInput(change, args, shared), change);
  };
  const run = (change: Change, ...args: string[]) => start(change, ...args).ended;
  const sh = async (change: Change, script: string) => {
    const ran = await run(change, 'sh', '-c', script);
    if (ran.failure !== undefined || ran.exitCode !== 0)
      throw new Error(`status ${ran.exitCode}: ${ran.failure?.message ?? ''}\n${ran.stdout}\n${ran.stderr}`);
    return ran.stdout;
  };
  return { scratch, rootfs, run, sh, start };
}

export function namespaces(...types: readonly NamespaceType[]): { type: NamespaceType }[] {
  return types.map((type) => ({ type }));
}

function makeRootfs(directory: string): HostPath {
  chmodSync(directory, 0o755);
  for (const name of ['bin', 'dev', 'proc', 'sys', 'etc', 'tmp', 'root', 'mnt'])
    mkdirSync(join(directory, name));
  copyFileSync('/bin/busybox', join(directory, 'bin/busybox'));
  for (const name of APPLETS) symlinkSync('busybox', join(directory, 'bin', name));
  return hostPath(directory);
}

let count = 0;

function bundleInput(change: Change, args: readonly string[], shared: HostPath): BundleInput {
  const capabilities = ['CAP_CHOWN', 'CAP_SETUID', 'CAP_SETGID', 'CAP_KILL', 'CAP_MKNOD', 'CAP_DAC_OVERRIDE'];
  return {
    spec: {
      ociVersion: '1.3.0',
      root: { path: 'rootfs', readonly: change.readonlyRoot ?? false },
      ...('hostname' in change
        ? change.hostname === undefined
          ? {}
          : { hostname: change.hostname }
        : { hostname: 'inside' }),
      ...(change.domainname === undefined ? {} : { domainname: change.domainname }),
      process: {
        terminal: false,
        cwd: '/',
        args,
        env: ['PATH=/bin', 'HOME=/root'],
        user: { uid: 0, gid: 0 },
        capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
        ...change.process,
      },
      mounts: change.mounts ?? STANDARD_MOUNTS,
      linux: { namespaces: namespaces(...STANDARD_NAMESPACES), ...change.linux },
    },
    root: change.root ?? { kind: 'directory', path: shared },
    cgroupName: `tsrun-test-${process.pid}-${++count}`,
    state: change.state,
    network: change.network,
    joined: change.joined,
    interactive: change.interactive ?? false,
    everyCgroup: change.everyCgroup ?? false,
    withoutV2: change.withoutV2 ?? false,
    scope: change.scope,
    files: change.files ?? [],
  };
}

/** In a terminal, the modes of the terminal are printed before and after: whoever made it raw must have restored it. */
function launchCommand(file: string, { inTerminal, throughPipe }: Change): readonly string[] {
  const node = [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    inject('planRunner'),
    file,
    `${file}.outcome`,
  ];
  if (throughPipe) return ['sh', '-c', '"$@" 2>&1 | cat', 'sh', ...node];
  if (inTerminal === undefined) return node;
  const script = 'echo "modes $(stty -g)"; "$@"; echo "modes $(stty -g)"';
  const size = [`${inTerminal.rows}`, `${inTerminal.columns}`];
  return [inject('ptyProgram'), ...size, 'sh', '-c', script, 'sh', ...node];
}

function launch(scratch: string, input: BundleInput, change: Change): Running {
  const file = join(scratch, `${input.cgroupName}.json`);
  writeFileSync(file, JSON.stringify(input));
  const [program = '', ...words] = launchCommand(file, change);
  // A fourth descriptor is left open, as a careless caller would: it must not reach the container.
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
  let printed = '';
  const closed = Promise.withResolvers<string>();
  child.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk;
    child.emit('printed');
  });
  child.stdin?.on('error', () => {});
  child.once('close', (status, signal) => closed.resolve(signal ?? `status ${status}`));
  const stderr = buffer(child.stderr as Readable).then(String);
  const ended = closed.promise.then(async (how) => {
    if (!existsSync(`${file}.outcome`))
      throw new Error(`The plan runner ended with ${how} and left no outcome:\n${printed}${await stderr}`);
    const outcome = JSON.parse(readFileSync(`${file}.outcome`, 'utf8')) as Outcome;
    return { ...outcome, stdout: printed, stderr: await stderr };
  });
  ended.catch(() => {}); // whoever waits for it sees the error; a test that kills the launcher does not wait
  return {
    process: child,
    cgroupName: input.cgroupName,
    ended,
    waitFor: async (pattern) => {
      while (!pattern.test(printed)) {
        const { promise, resolve } = Promise.withResolvers<'more'>();
        child.once('printed', () => resolve('more'));
        const next = await Promise.race([promise, closed.promise.then(() => 'closed' as const)]);
        if (next === 'closed' && !pattern.test(printed))
          throw new Error(`ended without ${pattern}:\n${printed}\n${(await ended).failure?.message}`);
      }
      return printed;
    },
  };
}

/** The pid of a running container's first process, as the host sees it: the child of the helper, which is the launcher's. */
export function initPid({ process: launcher }: Running): number {
  return childOf(helperPid({ process: launcher }));
}

export function helperPid({ process: launcher }: Pick<Running, 'process'>): number {
  return childOf(launcher.pid ?? 0);
}

/** Resolves when no process has this pid. */
export async function gone(pid: number): Promise<void> {
  await vi.waitFor(() => expect(existsSync(`/proc/${pid}`)).toBe(false), PATIENCE);
}

/** What a killed helper cannot clean up; the engine sweeps it at its next command. */
export async function removeCgroup({ cgroupName }: Pick<Running, 'cgroupName'>): Promise<void> {
  const places = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].map((mount) => join(mount, cgroupName));
  const path = places.find((place) => existsSync(place));
  if (path !== undefined) await vi.waitFor(() => rmdirSync(path), PATIENCE);
}

function childOf(pid: number): number {
  const [child, ...others] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  if (!child || others.length > 0)
    throw new Error(`process ${pid} has not one child, but: ${child} ${others}`);
  return Number(child);
}
