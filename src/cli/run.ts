/** `tsrun run`: make a container and run a program in it. */
import type { ContainerOptions } from '../engine/container-options.ts';
import type { EnginePaths } from '../engine/paths.ts';
import { type ImageSource, prepareContainer, runContainer } from '../engine/run-container.ts';
import { becomeHelper, canBecomeHelper, realDoor } from '../kernel/real-door.ts';
import type { TraceEntry } from '../kernel/report.ts';
import { tracingDoor } from '../kernel/tracing-door.ts';
import { CONTAINER_FLAGS, containerOptions } from './container-flags.ts';
import { type FlagTable, parseFlags, type Syntax, usage } from './flags.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  ...CONTAINER_FLAGS,
  pull: {
    type: 'text',
    value: 'always|missing|never',
    help: 'when to fetch the image; missing when not given',
  },
  quiet: { short: 'q', type: 'switch', help: 'do not show how the image is fetched' },
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
  const source: ImageSource = {
    policy: parsePolicy(flags.pull),
    pull: async (image, missing) => {
      const { pullForRun } = await import('./pull.ts');
      await pullForRun(paths, image, { env, quiet: flags.quiet, missing });
    },
  };
  if (flags.trace) return runTraced(paths, options, source);
  if (!canBecomeHelper) return runContainer(paths, options, realDoor, warn, source);
  const { plan, warnings } = await prepareContainer(paths, options, reporterArgs(), source);
  warn(warnings);
  return becomeHelper(plan);
}

function parsePolicy(text = 'missing'): ImageSource['policy'] {
  if (text === 'always' || text === 'missing' || text === 'never') return text;
  throw usage(SYNTAX, `--pull takes always, missing or never, not ${JSON.stringify(text)}`);
}

function warn(warnings: readonly string[]): void {
  for (const warning of warnings) process.stderr.write(`tsrun: warning: ${warning}\n`);
}

/** The trace is printed also when the start failed: then it shows how far it came. */
async function runTraced(
  paths: EnginePaths,
  options: ContainerOptions,
  source: ImageSource,
): Promise<number> {
  const { formatTrace } = await import('../explain/format-trace.ts');
  const trace: TraceEntry[] = [];
  try {
    const door = tracingDoor(realDoor, (entry) => trace.push(entry));
    return await runContainer(paths, options, door, warn, source);
  } finally {
    process.stderr.write(formatTrace(trace));
  }
}

/** This same program, asked to explain a failed start: it finds plan and report at the descriptors the helper adds. */
function reporterArgs(): readonly string[] {
  return [process.execPath, ...process.execArgv, process.argv[1] ?? '', 'internal:failed'];
}
