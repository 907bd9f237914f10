/**
 * `tsrun-oci` as an engine uses it: with a root of the test's own, and bundles whose root file system is busybox.
 *
 *     const oci = useOci();
 *     const bundle = oci.bundle({ args: ['sleep', '100'] });
 *     oci.ok('create', '-b', bundle, 'c1');
 */
import { execFileSync, type StdioOptions, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, inject } from 'vitest';
import { OCI_PROGRAM, SLOWNESS } from './under-test.ts';

const TIMEOUT_MS = 20_000 * SLOWNESS;

export interface OciFinished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What of the example configuration is replaced. */
export interface BundleChanges {
  readonly args?: readonly string[];
  readonly process?: Readonly<Record<string, unknown>>;
  readonly linux?: Readonly<Record<string, unknown>>;
  readonly config?: Readonly<Record<string, unknown>>;
}

export interface Oci {
  readonly root: string;
  /** A directory of the test file; gone after it. */
  readonly scratch: string;
  run(...args: string[]): OciFinished;
  runWith(
    options: { readonly stdio?: StdioOptions; readonly input?: string; readonly env?: NodeJS.ProcessEnv },
    ...args: string[]
  ): OciFinished;
  /** Like `run`, and fails when the status is not 0. Returns stdout. */
  ok(...args: string[]): string;
  /** Makes a bundle, and returns its directory. */
  bundle(changes: BundleChanges): string;
  /** Makes another root file system, and returns its directory. */
  rootfs(): string;
  status(id: string): string;
  pid(id: string): number;
}

const COMMANDS = [
  'sh',
  'sleep',
  'cat',
  'echo',
  'id',
  'true',
  'false',
  'ls',
  'readlink',
  'pwd',
  'env',
  'grep',
  'tty',
  'stty',
  'kill',
  'touch',
  'ps',
];

export function useOci(): Oci {
  const scratch = mkdtempSync(join(inject('testDirectory'), 'oci-'));
  const root = join(scratch, 'root');
  const rootfs = join(scratch, 'rootfs');

  const runWith: Oci['runWith'] = ({ stdio, input, env }, ...args) => {
    // A container that is left to itself keeps the streams it was given: nobody may wait for their end.
    const { status, stdout, stderr, error } = spawnSync(OCI_PROGRAM, ['--root', root, ...args], {
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
      stdio: stdio ?? (input === undefined ? ['ignore', 'pipe', 'pipe'] : 'pipe'),
      ...(input === undefined ? {} : { input }),
      ...(env === undefined ? {} : { env: { ...process.env, ...env } }),
    });
    if (error !== undefined) throw error;
    return { code: status, stdout: stdout ?? '', stderr: stderr ?? '' };
  };
  const run = (...args: string[]) => runWith({}, ...args);
  const ok = (...args: string[]) => {
    const { code, stdout, stderr } = run(...args);
    if (code !== 0) throw new Error(`tsrun-oci ${args.join(' ')}: status ${code}\n${stderr}`);
    return stdout;
  };
  const state = (id: string) => JSON.parse(ok('state', id)) as { status: string; pid: number };

  beforeAll(() => makeRootfs(rootfs));
  afterAll(() => {
    for (const id of run('list', '-q')
      .stdout.split('\n')
      .filter((line) => line !== ''))
      run('delete', '-f', id);
    rmSync(scratch, { recursive: true, force: true });
  });
  return {
    root,
    scratch,
    run,
    runWith,
    ok,
    bundle: (changes) => makeBundle(mkdtempSync(join(scratch, 'bundle-')), rootfs, changes),
    rootfs: () => {
      const directory = mkdtempSync(join(scratch, 'rootfs-'));
      chmodSync(directory, 0o755); // the container's user may enter it
      makeRootfs(directory);
      return directory;
    },
    status: (id) => state(id).status,
    pid: (id) => state(id).pid,
  };
}

function makeRootfs(rootfs: string): void {
  for (const directory of ['bin', 'dev', 'proc', 'sys', 'tmp', 'etc'])
    mkdirSync(join(rootfs, directory), { recursive: true });
  const [busybox = ''] = execFileSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).split('\n');
  cpSync(busybox, join(rootfs, 'bin/busybox'));
  for (const command of COMMANDS) symlinkSync('busybox', join(rootfs, 'bin', command));
}

function makeBundle(directory: string, rootfs: string, changes: BundleChanges): string {
  execFileSync(OCI_PROGRAM, ['spec', '--bundle', directory]);
  const file = join(directory, 'config.json');
  const example = JSON.parse(execFileSync('cat', [file], { encoding: 'utf8' }));
  const config = {
    ...example,
    root: { path: rootfs, readonly: true },
    ...changes.config,
    process: {
      ...example.process,
      terminal: false,
      ...(changes.args === undefined ? {} : { args: changes.args }),
      ...changes.process,
    },
    linux: { ...example.linux, ...changes.linux },
  };
  writeFileSync(file, JSON.stringify(config));
  return directory;
}
