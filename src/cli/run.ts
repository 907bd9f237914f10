/** `tsrun run`: make a container and run a program in it. */
import type { ContainerOptions } from '../engine/container-options.ts';
import type { EnginePaths } from '../engine/paths.ts';
import { prepareContainer, runContainer } from '../engine/run-container.ts';
import { becomeHelper, canBecomeHelper, realDoor } from '../kernel/real-door.ts';
import type { TraceEntry } from '../kernel/report.ts';
import { tracingDoor } from '../kernel/tracing-door.ts';
import { CONTAINER_FLAGS, containerOptions } from './container-flags.ts';
import { type FlagTable, parseFlags, type Syntax } from './flags.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  ...CONTAINER_FLAGS,
  trace: { type: 'switch', help: 'print every kernel operation that ran, with its time, on standard error' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'run', stopsAtFirstWord: true };

export const verb: Verb = {
  synopsis: 'run [flags] IMAGE [COMMAND] [ARG...]',
  summary: 'Run a program in a new container',
  flags: FLAGS,
  run,
};

async function run(args: readonly string[], { paths, env }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  const options = containerOptions(flags, rest, env, SYNTAX);
  if (options.tty && options.interactive) (await import('./check-terminal.ts')).checkTerminal();
  if (flags.trace) return runTraced(paths, options);
  if (!canBecomeHelper) return runContainer(paths, options, realDoor, warn);
  const { plan, warnings } = await prepareContainer(paths, options, reporterArgs());
  warn(warnings);
  return becomeHelper(plan);
}

function warn(warnings: readonly string[]): void {
  for (const warning of warnings) process.stderr.write(`tsrun: warning: ${warning}\n`);
}

/** The trace is printed also when the start failed: then it shows how far it came. */
async function runTraced(paths: EnginePaths, options: ContainerOptions): Promise<number> {
  const { formatTrace } = await import('../explain/format-trace.ts');
  const trace: TraceEntry[] = [];
  try {
    const door = tracingDoor(realDoor, (entry) => trace.push(entry));
    return await runContainer(paths, options, door, warn);
  } finally {
    process.stderr.write(formatTrace(trace));
  }
}

/** This same program, asked to explain a failed start: it finds plan and report at the descriptors the helper adds. */
function reporterArgs(): readonly string[] {
  return [process.execPath, ...process.execArgv, process.argv[1] ?? '', 'internal:failed'];
}
