/** Engines beside each other. Each has a network of the host to itself: nobody's rules are on the way of another's packets. */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { REPOSITORY } from './measure.ts';

/** podman has been seen to spin for minutes: whoever runs a command of an engine ends it after this time. */
export const LIMIT_SECONDS = 30;

export interface Engine {
  readonly name: string;
  /** The words of a command; no `--` among them, which timer.c would take for the end of it. */
  command(...args: readonly string[]): readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Words before a command that shall run in the network of this engine's host. */
  readonly enterNetwork: readonly string[];
  /** Once, of a container on the default bridge, in milliseconds; Infinity when a command had to be ended. */
  timeNetwork(): Promise<NetworkTimes>;
}

export interface NetworkTimes {
  readonly setUp: number;
  readonly tearDown: number;
}

export const HUNG: NetworkTimes = { setUp: Infinity, tearDown: Infinity };

/** What the command prints; undefined when it had to be ended. */
export function output(
  { env }: Pick<Engine, 'env'>,
  words: readonly string[],
  limitSeconds: number = LIMIT_SECONDS,
): Promise<string | undefined> {
  const [program = '', ...args] = words;
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  const options = {
    env: { ...process.env, ...env },
    timeout: limitSeconds * 1000,
    killSignal: 'SIGKILL',
  } as const;
  execFile(program, args, options, (error, stdout, stderr) => {
    if (error === null) resolve(stdout);
    else if (error.killed) resolve(undefined);
    else reject(new Error(`${words.join(' ')}: ${error.code}\n${stderr}`));
  });
  return promise;
}

export const imageFile = (image: string) => join(REPOSITORY, `.cache/images/${image}.tar`);

const TSRUN = join(REPOSITORY, 'dist/bin/tsrun');

/** In this process's own network. */
export function startTsrun(scratch: string, images: readonly string[]): Engine {
  const env = { TSRUN_ROOT: join(scratch, 'data'), TSRUN_RUN_ROOT: join(scratch, 'run') };
  for (const image of images)
    execFileSync(TSRUN, ['load', '-i', imageFile(image)], {
      env: { ...process.env, ...env },
      stdio: 'ignore',
    });
  return {
    name: 'tsrun',
    command: (...args) => [TSRUN, ...args],
    env,
    enterNetwork: [],
    timeNetwork: async () => traceNetwork(env),
  };
}

/** Lines of --trace that are about the network: what the host process waits for in the kernel. */
const NETWORK_LINE = /\b(netlink|netlink_socket)\(|"\/proc\/sys\/net\/|path="ns\/net"|\/run\/networks\//;

/** Calls of the kernel, while the container makes its mounts. */
function traceNetwork(env: Readonly<Record<string, string>>): NetworkTimes {
  const { stderr, signal } = spawnSync(TSRUN, ['run', '--rm', '--trace', 'busybox', 'true'], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
    timeout: LIMIT_SECONDS * 1000,
    killSignal: 'SIGKILL',
  });
  if (signal !== null) return HUNG;
  const lines = stderr.split('\n').filter((line) => NETWORK_LINE.test(line));
  const ms = (who: string) =>
    lines.reduce((sum, line) => {
      const [, took = '0', by = ''] = /^ *[\d.]+ +([\d.]+) +(host|cleanup) /.exec(line) ?? [];
      return by === who ? sum + Number(took) : sum;
    }, 0);
  return { setUp: ms('host'), tearDown: ms('cleanup') };
}
