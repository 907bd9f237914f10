/**
 * Containers of the image `network`, which holds real servers and clients: nginx, wrk, iperf3, dig, ping, tcpdump.
 * A client that shall ask from elsewhere runs in a container that shares the network of that place.
 */
import { spawn } from 'node:child_process';
import { onTestFinished } from 'vitest';
import type { OtherNetwork } from './network-host.ts';
import { type Running, watch } from './running.ts';
import type { Finished, Tsrun } from './tsrun.ts';
import { PROGRAM, SLOWNESS } from './under-test.ts';

const IMAGE = 'network';
/** A command that has printed nothing by then hangs. */
const TIMEOUT_MS = 30_000 * SLOWNESS;

export interface Server {
  readonly running: Running;
  readonly ipv4: string;
  readonly ipv6: string;
  /** Lets the script come to its end, and returns all that it printed. */
  finish(): Promise<string>;
}

interface ServerOptions {
  readonly name: string;
  readonly flags?: readonly string[];
  /** Run by sh; it may read its input, which ends when the server shall. */
  readonly script: string;
  /** Printed once the server serves. */
  readonly ready: RegExp;
  /** Words before the command `tsrun`. */
  readonly wrapper?: readonly string[];
}

interface Inspected {
  readonly NetworkSettings: {
    readonly Networks: Readonly<
      Record<string, { readonly IPAddress: string; readonly GlobalIPv6Address: string }>
    >;
  };
}

/** A container that runs until the test ends, or is told to finish. */
export async function serve(tsrun: Tsrun, options: ServerOptions): Promise<Server> {
  const { name, flags = [], script, ready, wrapper = [] } = options;
  const [program = '', ...args] = [
    ...wrapper,
    ...[PROGRAM, 'run', '--rm', '-i', '--name', name, ...flags, IMAGE, 'sh', '-c', script],
  ];
  const running = watch(spawn(program, args, { env: { ...process.env, ...tsrun.env } }));
  const finish = async () => {
    running.process.stdin?.end();
    return (await running.ended).stdout;
  };
  onTestFinished(async () => void (await finish()));
  await running.waitFor(ready);
  const [shown] = JSON.parse(await tsrun.ok('inspect', name)) as readonly Inspected[];
  const [endpoint] = Object.values(shown?.NetworkSettings.Networks ?? {});
  return {
    running,
    ipv4: endpoint?.IPAddress ?? '',
    ipv6: endpoint?.GlobalIPv6Address ?? '',
    finish,
  };
}

interface ClientOptions {
  readonly flags?: readonly string[];
  /** The network in which `tsrun run --network host` is started; by default the one of the test. */
  readonly from?: OtherNetwork;
}

/** Runs a program to its end in a container of its own. */
export async function client(
  tsrun: Tsrun,
  { flags = ['--network', 'host'], from }: ClientOptions,
  ...command: readonly string[]
): Promise<Finished> {
  const [program = '', ...args] = [
    ...(from?.enter ?? []),
    ...[PROGRAM, 'run', '--rm', ...flags, IMAGE, ...command],
  ];
  const child = spawn(program, args, { env: { ...process.env, ...tsrun.env }, timeout: TIMEOUT_MS });
  const { code, stdout, stderr } = await watch(child).ended;
  if (typeof code === 'string') throw new Error(`${command.join(' ')}: ${code}\n${stdout}\n${stderr}`);
  return { code, stdout, stderr };
}

/** A network that is there until the test ends. To be made before the containers on it. */
export async function network(tsrun: Tsrun, ...words: readonly string[]): Promise<void> {
  await tsrun.ok('network', 'create', ...words);
  onTestFinished(async () => void (await tsrun.ok('network', 'rm', words.at(-1) ?? '')));
}
