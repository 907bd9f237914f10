/**
 * An engine on two machines of its own that differ in one thing: the OCI runtime it calls. A script of calls runs on both;
 * what it prints must be the same, but for identifiers and the name of the runtime, and is what a test looks at.
 *
 *     const podman = useEngine(PODMAN);
 *     test('…', async () => {
 *       expect(await podman.say('podman run --rm busybox echo hello')).toBe('hello\n');
 *     });
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, inject } from 'vitest';
import { cgroupView, makeCgroups, removeCgroups, thaw } from '../../scripts/conformance/cgroups.ts';
import { PATH } from '../../scripts/conformance/places.ts';
import { initOf, killInit, startInView } from '../../scripts/conformance/run-test.ts';
import { OCI_PROGRAM } from './under-test.ts';

export interface EngineOptions {
  readonly name: string;
  /** Of the engine's own command and daemons; the machine's configuration of them is not looked at. */
  environment(machine: Machine): Readonly<Record<string, string>>;
  /** Run on each machine before the first test: writes configuration, starts daemons, loads the image busybox. */
  readonly setUp: string;
  /** Lines that its command prints or does not, as it happens. */
  readonly chance?: RegExp;
}

export interface Machine {
  /** A directory on a real file system, empty in the beginning. */
  readonly directory: string;
  /** The runtime's name, and where it is. */
  readonly runtime: string;
  readonly runtimePath: string;
}

export interface Engine {
  /** Runs a script of sh on both machines, expects the same output and returns it. */
  say(script: string): Promise<string>;
}

/** What tsrun-oci is held against. */
const PEER = { runtime: 'runc', runtimePath: '/usr/sbin/runc' };
const OURS = { runtime: 'tsrun-oci', runtimePath: OCI_PROGRAM };

/** Where the script of a test is: in the cgroups of its machine, which are the roots it sees. */
const JOIN = `for file in /sys/fs/cgroup/*/cgroup.procs; do echo 0 >"$file"; done; exec sh -c "$1" 2>&1`;

export function useEngine(options: EngineOptions): Engine {
  const machines: RunningMachine[] = [];
  beforeAll(async () => {
    for (const runtime of [PEER, OURS]) machines.push(await startMachine(options, runtime));
    await Promise.all(machines.map(({ setUp }) => setUp()));
  });
  afterAll(async () => {
    const [peers = '', ours] = await Promise.all(machines.map(({ stop }) => stop()));
    expect(ours, 'the cgroups that the engine leaves').toBe(peers);
  });
  return {
    say: async (script) => {
      const [peers = '', ours] = await Promise.all(machines.map(({ run }) => run(script)));
      expect(ours, 'not as with runc').toBe(peers);
      return peers;
    },
  };
}

interface RunningMachine {
  setUp(): Promise<void>;
  /** What a script printed, made comparable. */
  run(script: string): Promise<string>;
  /** Ends the machine; the cgroups that were left. */
  stop(): Promise<string>;
}

async function startMachine(
  { name, environment, setUp, chance }: EngineOptions,
  runtime: typeof PEER,
): Promise<RunningMachine> {
  const cgroups = makeCgroups(cgroupView(), `engine-${process.pid}-${runtime.runtime}`);
  const command = ['sh', '-c', 'echo ready; exec sleep infinity'];
  const started = startInView({ command, env: {} }, cgroups);
  const closed = once(started, 'close');
  await Promise.race([once(started.stdout, 'data'), closed]);
  const unshare = started.pid ?? 0;
  const namespaces = ['--mount', '--net', '--ipc', '--uts', '--pid', '--cgroup'];
  const enter = [`--target=${initOf(unshare)}`, ...namespaces, '--', 'sh', '-c', JOIN, 'sh'];

  const machine = { directory: mkdtempSync(join(inject('testDirectory'), `${name}-`)), ...runtime };
  const { directory } = machine;
  const env = {
    ...{ PATH, HOME: directory, LANG: 'C.UTF-8', TMPDIR: '/run/test' },
    ...{ DIRECTORY: directory, RUNTIME: runtime.runtime, RUNTIME_PATH: runtime.runtimePath },
    ...environment(machine),
  };
  const say = (script: string) =>
    text(spawn('nsenter', [...enter, script], { env, stdio: ['ignore', 'pipe', 'inherit'] }).stdout);
  return {
    setUp: async () => {
      const said = await say(`set -e; ${setUp}\necho well`);
      if (!said.endsWith('well\n'))
        throw new Error(`${name} with ${runtime.runtime} did not start:\n${said}`);
    },
    run: async (script) => comparable(await say(script), machine, chance),
    stop: async () => {
      killInit(unshare);
      thaw(cgroups);
      await closed;
      rmSync(directory, { recursive: true, force: true });
      return withoutIds((await removeCgroups(cgroups)).toSorted().join('\n'));
    },
  };
}

/** Both runtimes under the name of the peer; identifiers and times that are never twice the same by their kind. */
function comparable(said: string, { runtime, runtimePath, directory }: Machine, chance = /^$/): string {
  const renamed = said
    .replaceAll('\r', '')
    .replaceAll(runtimePath, 'RUNTIME')
    .replaceAll(directory, 'DIRECTORY')
    .replaceAll(runtime, PEER.runtime)
    .replaceAll(/^.+\n/gm, (line) => (chance.test(line) ? '' : line));
  return withoutIds(renamed);
}

function withoutIds(said: string): string {
  return said.replace(/\b[0-9a-f]{64}\b/g, 'ID').replace(/time="[^"]*"/g, 'time');
}
