/** `tsrun explain run …`: the plan of exactly that container, to be read, or to be run by hand. */
import { explainContainer } from '../engine/run-container.ts';
import { CONTAINER_FLAGS, containerOptions } from './container-flags.ts';
import { type FlagTable, parseFlags, type Syntax, usage } from './flags.ts';
import { print } from './print.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  as: { type: 'text', value: 'sh', help: 'print a shell script that makes the container by hand' },
  json: { type: 'switch', help: 'print the plan as JSON' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'explain', stopsAtFirstWord: true };
const RUN_FLAGS = { ...CONTAINER_FLAGS, ...FLAGS } as const satisfies FlagTable;
const RUN_SYNTAX: Syntax = { verb: 'explain run', stopsAtFirstWord: true };

export const verb: Verb = {
  synopsis: 'explain [flags] run [flags of run] IMAGE [COMMAND] [ARG...]',
  summary: 'Show how a container would be made, operation by operation, without making it',
  flags: FLAGS,
  run,
};

/** The flags of explain may stand before `run`, or among those of run. */
async function run(args: readonly string[], { paths, env }: Context): Promise<number> {
  const outer = parseFlags(FLAGS, args, SYNTAX);
  const [word, ...runArgs] = outer.rest;
  if (word !== 'run') throw usage(SYNTAX, `'tsrun explain' explains run, not ${JSON.stringify(word ?? '')}`);
  const inner = parseFlags(RUN_FLAGS, runArgs, RUN_SYNTAX);
  const options = containerOptions(inner.flags, inner.rest, env, RUN_SYNTAX);
  const as = inner.flags.as ?? outer.flags.as;
  const json = inner.flags.json || outer.flags.json;
  if (as !== undefined && as !== 'sh') throw usage(SYNTAX, `--as takes sh, not ${JSON.stringify(as)}`);
  if (as !== undefined && json)
    throw usage(SYNTAX, '--as and --json are two forms of the same: give one of them');

  const explained = await explainContainer(paths, options);
  const command = ['run', ...runArgs];
  if (as === 'sh') await printScript(explained, command);
  else if (json) await printJson(explained);
  else await printText(explained, command, env);
  return 0;
}

type Explained = Awaited<ReturnType<typeof explainContainer>>;

async function printText(
  { plan }: Explained,
  command: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const { formatPlan } = await import('../explain/format-plan.ts');
  const { isTTY, columns } = process.stdout;
  const width = Math.min(Math.max(columns ?? 80, 60), 100);
  print(formatPlan(plan, command, { width, colour: isTTY === true && !env.NO_COLOR }));
}

async function printJson({ plan }: Explained): Promise<void> {
  const { planToJson } = await import('../explain/plan-json.ts');
  print(`${JSON.stringify(planToJson(plan), null, 2)}\n`);
}

async function printScript(explained: Explained, command: readonly string[]): Promise<void> {
  const { planToShell } = await import('../explain/shell/script.ts');
  print(planToShell(explained, command));
}
