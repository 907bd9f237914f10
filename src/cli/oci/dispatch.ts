/** The command line of `tsrun-oci`: the flags before the verb, the verb, and an error once, here. */

import { hostPath } from '../../lib/brands.ts';
import { reasonOf, TsrunError } from '../../lib/errors.ts';
import { OCI_VERSION } from '../../runtime/bundle/record.ts';
import { type FlagTable, helpOf, parseFlags, type Syntax } from '../flags.ts';
import { print } from '../print.ts';
import { COMMIT, VERSION } from '../version.ts';
import { type Log, openLog } from './log.ts';
import { goFlags, hostPathOf, type OciContext, type OciVerb } from './verb.ts';

type Load = () => Promise<{ readonly verb: OciVerb }>;

const VERBS: Readonly<Record<string, Load>> = {
  checkpoint: async () => ({ verb: (await import('./criu.ts')).checkpoint }),
  create: () => import('./create.ts'),
  delete: () => import('./delete.ts'),
  events: () => import('./events.ts'),
  exec: () => import('./exec.ts'),
  features: () => import('./features.ts'),
  kill: () => import('./kill.ts'),
  list: () => import('./list.ts'),
  pause: () => import('./pause.ts'),
  ps: () => import('./ps.ts'),
  restore: async () => ({ verb: (await import('./criu.ts')).restore }),
  resume: () => import('./resume.ts'),
  run: () => import('./run.ts'),
  spec: () => import('./spec.ts'),
  start: () => import('./start.ts'),
  state: () => import('./state.ts'),
  update: () => import('./update.ts'),
};

/** What the helper becomes when a start failed; not for people. */
const INTERNAL: Readonly<Record<string, Load>> = { 'internal:failed': () => import('./failed.ts') };

const FLAGS = {
  root: { type: 'text', value: 'DIR', help: 'where containers are kept; /run/tsrun-oci when not given' },
  log: { type: 'text', value: 'FILE', help: 'a file for what goes wrong, also on standard error' },
  'log-format': { type: 'text', value: 'FORMAT', help: 'text or json' },
  debug: { type: 'switch', help: 'also the steps of create, run and exec, in the log' },
  'systemd-cgroup': { type: 'switch', help: 'ask systemd for cgroups: cgroupsPath is SLICE:PREFIX:NAME' },
  rootless: { type: 'text', value: 'MODE', help: 'true, false or auto' },
  criu: { type: 'text', value: 'PATH', help: 'without meaning: criu is looked for along PATH' },
  version: { short: 'v', type: 'switch', help: 'print the version' },
  help: { short: 'h', type: 'switch', help: 'print this' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: '', program: 'tsrun-oci', stopsAtFirstWord: true };

export async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  let log = openLog({ file: undefined, format: 'text', debug: false });
  let failed: Failed = { what: 'tsrun-oci ', exitCode: 1 };
  try {
    const { flags, rest } = parseFlags(FLAGS, goFlags(argv, FLAGS), SYNTAX);
    const [word, ...args] = rest;
    if (flags.version)
      return printed(`${programName()} version ${VERSION}\ncommit: ${COMMIT}\nspec: ${OCI_VERSION}\n`);
    if (flags.help || word === undefined || word === 'help') return printed(await helpText());
    log = openLog({ file: flags.log, format: flags['log-format'] ?? 'text', debug: flags.debug });
    const load = find(VERBS, word) ?? find(INTERNAL, word);
    if (load === undefined)
      throw new TsrunError('UNKNOWN_COMMAND', `No help topic for '${word}'`, { exitCode: 3 });
    const { verb } = await load();
    const of = word === 'internal:failed' ? (args[0] ?? '') : word;
    failed =
      of === 'exec'
        ? { what: 'exec failed: ', exitCode: EXIT_EXEC }
        : { what: `tsrun-oci ${of} failed: `, exitCode: 1 };
    if (args.includes('--help') || args[0] === '-h') return printed(verbHelp(verb));
    const context: OciContext = {
      root: hostPathOf(flags.root) ?? hostPath('/run/tsrun-oci'),
      log,
      systemdCgroup: flags['systemd-cgroup'],
      globalArgs: argv.slice(0, argv.length - rest.length),
      env,
    };
    return await verb.run(args, context);
  } catch (error) {
    return report(error, failed, log);
  }
}

/** So that it is not mistaken for the exit status of the program, as runc has it. */
const EXIT_EXEC = 255;

interface Failed {
  /** runc's words, which engines show: not its name when exec fails. */
  readonly what: string;
  readonly exitCode: number;
}

function find(table: Readonly<Record<string, Load>>, word: string): Load | undefined {
  return Object.hasOwn(table, word) ? table[word] : undefined;
}

/** A mistake of ours keeps its stack. */
function report(error: unknown, { what, exitCode }: Failed, log: Log): number {
  const ours = !(error instanceof TsrunError) && error instanceof Error && !('syscall' in error);
  const said = ours ? (error.stack ?? error.message) : reasonOf(error);
  log.write('error', `${what}${said}`, error instanceof TsrunError ? error.hint : undefined);
  return exitCode;
}

/** What it was called by: engines and people install it under other names. Its own where the caller named Node. */
function programName(): string {
  const name = process.argv0.slice(process.argv0.lastIndexOf('/') + 1);
  return name === 'node' ? 'tsrun-oci' : name;
}

async function helpText(): Promise<string> {
  const program = programName();
  const verbs = await Promise.all(
    Object.entries(VERBS).map(async ([name, load]) => [name, (await load()).verb.summary] as const),
  );
  const lines = verbs.map(([name, summary]) => `   ${name.padEnd(12)} ${summary}\n`).join('');
  return `NAME:\n   ${program} - Open Container Initiative runtime\n\nUSAGE:\n   ${program} [global options] command [command options] [arguments...]\n\nVERSION:\n   ${VERSION}\n\nCOMMANDS:\n${lines}\nGLOBAL OPTIONS:\n${helpOf(FLAGS)}`;
}

function verbHelp(verb: OciVerb): string {
  const [name] = verb.synopsis.split(' ');
  const program = programName();
  return `NAME:\n   ${program} ${name} - ${verb.summary}\n\nUSAGE:\n   ${program} ${verb.synopsis}\n\nOPTIONS:\n${helpOf(verb.flags)}`;
}

function printed(text: string): number {
  print(text);
  return 0;
}
