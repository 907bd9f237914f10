/** `tsrun run`: make a container and run a program in it. */
import { prepareContainer } from '../engine/run-container.ts';
import { EXIT_ENGINE } from '../lib/errors.ts';
import { failureToError } from '../runtime/failure.ts';
import { becomeHelper, canBecomeHelper, launchAndWait } from '../runtime/launch.ts';
import { checkTerminal } from './check-terminal.ts';
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
  checkTerminal(options);
  const waits = flags.trace || !canBecomeHelper;
  const { plan } = await prepareContainer(paths, options, () => (waits ? [] : reporterArgs()));
  if (!waits) return becomeHelper(plan);

  const { exitCode, report } = launchAndWait(plan);
  if (flags.trace) {
    const { formatTrace } = await import('../explain/format-trace.ts');
    process.stderr.write(formatTrace(report.trace));
  }
  if (report.failure !== undefined) throw failureToError(report.failure);
  return report.exitCode === undefined ? EXIT_ENGINE : exitCode;
}

/** This same program, asked to explain a failed start: it finds plan and report at the descriptors the helper adds. */
function reporterArgs(): readonly string[] {
  return [process.execPath, ...process.execArgv, process.argv[1] ?? '', 'internal:failed'];
}
