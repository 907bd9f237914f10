/** The command line: finds the verb, loads only its file, and reports an error once, here. */
import { enginePaths } from '../engine/paths.ts';
import { TsrunError } from '../lib/errors.ts';
import { helpOf } from './flags.ts';
import { print } from './print.ts';
import { report } from './report.ts';
import type { Verb } from './verb.ts';
import { VERSION } from './version.ts';

type Load = () => Promise<{ readonly verb: Verb }>;

const VERBS: Readonly<Record<string, Load>> = {
  run: () => import('./run.ts'),
  ps: () => import('./ps.ts'),
  kill: () => import('./kill.ts'),
  rm: () => import('./rm.ts'),
  port: () => import('./port.ts'),
  inspect: () => import('./inspect.ts'),
  stats: () => import('./stats.ts'),
  update: () => import('./update.ts'),
  info: () => import('./info.ts'),
  explain: () => import('./explain.ts'),
  pull: () => import('./pull.ts'),
  push: () => import('./push.ts'),
  search: () => import('./search.ts'),
  'manifest inspect': () => import('./manifest-inspect.ts'),
  login: () => import('./login.ts'),
  logout: () => import('./logout.ts'),
  load: () => import('./load.ts'),
  import: () => import('./import.ts'),
  images: () => import('./images.ts'),
  tag: () => import('./tag.ts'),
  rmi: () => import('./rmi.ts'),
  save: () => import('./save.ts'),
  'image inspect': () => import('./image-inspect.ts'),
  'image history': () => import('./image-history.ts'),
  'image prune': () => import('./image-prune.ts'),
  'image diff': () => import('./image-diff.ts'),
  'image tree': () => import('./image-tree.ts'),
  'system df': () => import('./system-df.ts'),
  'system check': () => import('./system-check.ts'),
  'network connect': () => import('./network-connect.ts'),
  'network create': () => import('./network-create.ts'),
  'network disconnect': () => import('./network-disconnect.ts'),
  'network ls': () => import('./network-ls.ts'),
  'network inspect': () => import('./network-inspect.ts'),
  'network rm': () => import('./network-rm.ts'),
  'network prune': () => import('./network-prune.ts'),
};

/** Docker's long forms: `tsrun container ls`, `tsrun image rm` … */
const LONG_FORMS: Readonly<Record<string, string>> = {
  'container run': 'run',
  'container ls': 'ps',
  'container kill': 'kill',
  'container rm': 'rm',
  'container inspect': 'inspect',
  'container stats': 'stats',
  'container update': 'update',
  'system info': 'info',
  'container port': 'port',
  'image ls': 'images',
  'image pull': 'pull',
  'image push': 'push',
  'image load': 'load',
  'image import': 'import',
  'image tag': 'tag',
  'image rm': 'rmi',
  'image save': 'save',
  'network list': 'network ls',
  'network remove': 'network rm',
};

/** Short forms of Docker's, for verbs that have two words here. */
const SHORT_FORMS: Readonly<Record<string, string>> = { history: 'image history' };

/** What the helper becomes when a start failed; not for people. */
const INTERNAL: Readonly<Record<string, Load>> = { 'internal:failed': () => import('./failed.ts') };

export async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  try {
    const [word, next] = argv;
    if (word === '--version' || word === '-v' || word === 'version')
      return printed(`tsrun version ${VERSION}\n`);
    if (word === undefined || word === 'help' || word === '--help' || word === '-h')
      return await printHelp(word === 'help' ? argv.slice(1) : []);
    const long = `${word} ${next ?? ''}`;
    const twoWords = Object.hasOwn(LONG_FORMS, long) || Object.hasOwn(VERBS, long);
    const name = LONG_FORMS[long] ?? (twoWords ? long : (SHORT_FORMS[word] ?? word));
    const load = Object.hasOwn(VERBS, name)
      ? VERBS[name]
      : Object.hasOwn(INTERNAL, name)
        ? INTERNAL[name]
        : undefined;
    if (load === undefined) {
      const isGroup = verbsOf(word).length > 0;
      if (isGroup && (next === undefined || next === 'help' || next === '--help' || next === '-h'))
        return await printHelp([word]);
      throw new TsrunError('UNKNOWN_COMMAND', `'${isGroup ? long : word}' is not a tsrun command`, {
        hint: isGroup ? `see 'tsrun ${word} --help'` : "see 'tsrun help'",
      });
    }
    const { verb } = await load();
    const args = argv.slice(twoWords ? 2 : 1);
    if (args[0] === '--help' || args[0] === '-h') return printVerbHelp(verb);
    return await verb.run(args, { paths: enginePaths(env), env });
  } catch (error) {
    return report(error);
  }
}

/** The verbs that have this word in front, such as `network`, without it. */
function verbsOf(group: string): readonly (readonly [string, Load])[] {
  const spelled = [
    ...Object.entries(LONG_FORMS).filter(([, name]) => !name.includes(' ')),
    ...Object.keys(VERBS).map((name) => [name, name] as const),
  ];
  return spelled.flatMap(([long, name]) => {
    const load = VERBS[name];
    return load !== undefined && long.startsWith(`${group} `) ? [[long.slice(group.length + 1), load]] : [];
  });
}

async function printHelp(words: readonly string[]): Promise<number> {
  const [word = ''] = words;
  const asked = Object.hasOwn(VERBS, words.join(' ')) ? VERBS[words.join(' ')] : undefined;
  if (asked !== undefined) return printVerbHelp((await asked()).verb);
  const group = verbsOf(word);
  if (group.length > 0)
    return printed(
      `Usage: tsrun ${word} COMMAND [flags] [arguments]\n\n${await listVerbs(group)}\nSee 'tsrun ${word} COMMAND --help'.\n`,
    );
  return printed(
    `Usage: tsrun COMMAND [flags] [arguments]\n\nRuns containers straight on Linux: namespaces, cgroups, overlayfs.\n\n${await listVerbs(Object.entries(VERBS))}\nSee 'tsrun COMMAND --help'. Data is kept in /var/lib/tsrun (TSRUN_ROOT names another directory).\n`,
  );
}

async function listVerbs(loads: readonly (readonly [string, Load])[]): Promise<string> {
  const verbs = await Promise.all(
    loads.map(async ([name, load]) => [name, (await load()).verb.summary] as const),
  );
  const width = Math.max(...verbs.map(([name]) => name.length));
  return `Commands:\n${verbs.map(([name, summary]) => `  ${name.padEnd(width)}  ${summary}\n`).join('')}`;
}

function printVerbHelp(verb: Verb): number {
  const flags = Object.keys(verb.flags).length === 0 ? '' : `\nFlags:\n${helpOf(verb.flags)}`;
  return printed(`Usage: tsrun ${verb.synopsis}\n\n${verb.summary}\n${flags}`);
}

function printed(text: string): number {
  print(text);
  return 0;
}
