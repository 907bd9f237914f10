/** What `create` and `run` have in common: their flags, and how this process becomes the helper. */
import { resolve } from 'node:path';
import type { Plan } from '../../kernel/ops.ts';
import { becomeHelper } from '../../kernel/real-door.ts';
import { hostPath } from '../../lib/brands.ts';
import { prepareBundle } from '../../runtime/bundle/create.ts';
import { passedDescriptors } from '../../runtime/bundle/descriptors.ts';
import type { Detachment } from '../../runtime/plan.ts';
import type { FlagTable, FlagValues } from '../flags.ts';
import type { Log } from './log.ts';
import { hostPathOf, type OciContext, wholeNumber } from './verb.ts';

export const MAKE_FLAGS = {
  bundle: {
    short: 'b',
    type: 'text',
    value: 'DIR',
    help: 'the directory of config.json; the current one when not given',
  },
  'console-socket': {
    type: 'text',
    value: 'PATH',
    help: 'a unix socket that takes the terminal of the container',
  },
  'pid-file': { type: 'text', value: 'FILE', help: 'receives the number of the first process' },
  'no-pivot': { type: 'switch', help: 'do not use pivot_root: for a root on a ramdisk' },
  'no-new-keyring': { type: 'switch', help: 'keep the session keyring of the caller' },
  'preserve-fds': { type: 'text', value: 'N', help: 'pass on N more descriptors, from 3 on' },
} as const satisfies FlagTable;

export interface MakeOptions {
  readonly id: string;
  readonly detached: Detachment | undefined;
  readonly keep: boolean;
}

/** Never returns: this process becomes the helper, and on a failure the one who explains it. */
export async function makeContainer(
  flags: FlagValues<typeof MAKE_FLAGS>,
  { id, detached, keep }: MakeOptions,
  context: OciContext,
): Promise<never> {
  const plan = await prepareBundle({
    id,
    bundle: hostPath(resolve(flags.bundle || '.')),
    cgroupManager: context.systemdCgroup ? 'systemd' : 'cgroupfs',
    root: context.root,
    detached,
    keep,
    pidFile: hostPathOf(flags['pid-file']),
    consoleSocket: hostPathOf(flags['console-socket']),
    passed: passedDescriptors(wholeNumber(flags['preserve-fds'], '--preserve-fds', 0), context.env),
    keepsKeyring: flags['no-new-keyring'],
    notifySocket: context.env.NOTIFY_SOCKET || undefined,
    warn: (message) => context.log.write('warning', message),
    reporter: reporterArgs(context, detached === 'waiting' ? 'create' : 'run'),
  });
  return becomeHelper(await logged(plan, context.log));
}

/** Only who asks for debugging loads what writes it. */
export async function logged(plan: Plan, { debug }: Log): Promise<Plan> {
  if (debug === undefined) return plan;
  const { planWithLog } = await import('../../runtime/debug-log.ts');
  return planWithLog(plan, debug);
}

/** This same program, asked to explain why a verb failed: it finds plan and report at the descriptors the helper adds. */
export function reporterArgs({ globalArgs }: OciContext, verb: string): readonly string[] {
  const script = process.argv[1] ?? '';
  return [process.execPath, ...process.execArgv, '--', script, ...globalArgs, 'internal:failed', verb];
}
