/** `tsrun-oci exec`: another program in a container that runs. */
import { readFileSync } from 'node:fs';
import { becomeHelper } from '../../kernel/real-door.ts';
import { TsrunError } from '../../lib/errors.ts';
import { passedDescriptors } from '../../runtime/bundle/descriptors.ts';
import { prepareExec } from '../../runtime/bundle/exec.ts';
import { type BundleContainer, findContainer } from '../../runtime/bundle/record.ts';
import type { ProcessSpec, UserSpec } from '../../spec/runtime.ts';
import { parseProcessSpec } from '../../spec/runtime-config.ts';
import type { FlagTable, FlagValues, Syntax } from '../flags.ts';
import { logged, reporterArgs } from './make.ts';
import { hostPathOf, type OciContext, type OciVerb, parseVerb, wholeNumber } from './verb.ts';

const FLAGS = {
  'console-socket': {
    type: 'text',
    value: 'PATH',
    help: 'a unix socket that takes the terminal of the program',
  },
  cwd: { type: 'text', value: 'DIR', help: 'the working directory inside' },
  env: { short: 'e', type: 'list', value: 'NAME=VALUE', help: 'one more variable' },
  tty: { short: 't', type: 'switch', help: 'with a terminal' },
  user: { short: 'u', type: 'text', value: 'UID[:GID]', help: 'the user, by number' },
  'additional-gids': { short: 'g', type: 'list', value: 'GID', help: 'one more group' },
  process: {
    short: 'p',
    type: 'text',
    value: 'FILE',
    help: 'what to run: the process of a configuration, as JSON',
  },
  detach: { short: 'd', type: 'switch', help: 'return as soon as the program runs' },
  'pid-file': { type: 'text', value: 'FILE', help: 'receives the number of the process' },
  'process-label': { type: 'text', value: 'LABEL', help: 'its SELinux context' },
  apparmor: { type: 'text', value: 'PROFILE', help: 'its AppArmor profile' },
  'no-new-privs': { type: 'switch', help: 'no program gives more rights' },
  cap: { short: 'c', type: 'list', value: 'CAP', help: 'one more capability' },
  'preserve-fds': { type: 'text', value: 'N', help: 'pass on N more descriptors, from 3 on' },
  cgroup: { type: 'list', value: '[CONTROLLER:]PATH', help: 'a cgroup below that of the container' },
  'ignore-paused': { type: 'switch', help: 'also in a paused container' },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'exec', program: 'tsrun-oci', stopsAtFirstWord: true };

export const verb: OciVerb = {
  synopsis: 'exec [command options] <container-id> <command> [args...] || -p process.json <container-id>',
  summary: 'execute new process inside the container',
  flags: FLAGS,
  async run(args, context: OciContext) {
    const { flags, rest } = parseVerb(FLAGS, args, SYNTAX, 1, Number.POSITIVE_INFINITY);
    const [id = '', ...words] = rest;
    const container = findContainer(context.root, id);
    const plan = prepareExec(container, {
      process: processOf(container, flags, words),
      detached: flags.detach ? 'running' : undefined,
      pidFile: hostPathOf(flags['pid-file']),
      consoleSocket: hostPathOf(flags['console-socket']),
      passed: passedDescriptors(wholeNumber(flags['preserve-fds'], '--preserve-fds', 0), context.env),
      cgroups: flags.cgroup,
      ignorePaused: flags['ignore-paused'],
      reporter: reporterArgs(context, 'exec'),
    });
    return becomeHelper(await logged(plan, context.log));
  },
};

type Flags = FlagValues<typeof FLAGS>;

/** What a file does not say, and what the flags do not, is as for the first program of the container. */
function processOf({ spec }: BundleContainer, flags: Flags, args: readonly string[]): ProcessSpec {
  const first = spec.process;
  if (flags.process !== undefined) {
    const { capabilities = first.capabilities, ...process } = parseProcessSpec(
      readFileSync(flags.process, 'utf8'),
    );
    return { ...(capabilities === undefined ? {} : { capabilities }), ...process };
  }
  if (args.length === 0) throw new TsrunError('USAGE', 'exec args cannot be empty', { exitCode: 1 });
  return {
    ...first,
    args,
    terminal: flags.tty,
    cwd: flags.cwd ?? first.cwd,
    env: [...first.env, ...flags.env],
    user: userOf(first.user, flags),
    noNewPrivileges: flags['no-new-privs'] || (first.noNewPrivileges ?? false),
    ...(flags.apparmor === undefined ? {} : { apparmorProfile: flags.apparmor }),
    ...(flags['process-label'] === undefined ? {} : { selinuxLabel: flags['process-label'] }),
    ...(flags.cap.length === 0 ? {} : { capabilities: withCapabilities(first, flags.cap) }),
  };
}

/** Not to the inheritable set, nor to the ambient one that needs it: CVE-2022-29162. */
function withCapabilities({ capabilities = {} }: ProcessSpec, more: readonly string[]) {
  const { bounding = [], effective = [], permitted = [] } = capabilities;
  return {
    ...capabilities,
    bounding: [...bounding, ...more],
    effective: [...effective, ...more],
    permitted: [...permitted, ...more],
  };
}

function userOf(first: UserSpec, { user, 'additional-gids': gids }: Flags): UserSpec {
  const [uid, gid] = user?.split(':') ?? [];
  return {
    ...first,
    ...(uid === undefined ? {} : { uid: idNumber(uid, '--user') }),
    ...(gid === undefined ? {} : { gid: idNumber(gid, '--user') }),
    additionalGids: [
      ...(first.additionalGids ?? []),
      ...gids.map((text) => idNumber(text, '--additional-gids')),
    ],
  };
}

/** The highest number is the kernel's "no change": setresuid(2). */
const LAST_ID = 2 ** 32 - 2;

function idNumber(text: string, flag: string): number {
  if (/^\d{1,10}$/.test(text) && Number(text) <= LAST_ID) return Number(text);
  throw new TsrunError('USAGE', `${flag}: ${JSON.stringify(text)} is no id: a number from 0 to ${LAST_ID}`, {
    exitCode: 1,
  });
}
