/** Ops on credentials as options of setpriv(1), which the last command of the script is. */
import type { OpOf } from '../../kernel/ops.ts';
import { CAPABILITIES } from '../../security/capabilities.ts';
import type { Translations } from './table.ts';
import type { ShellWriter } from './writer.ts';

type CredentialOps =
  | 'drop_bounding'
  | 'capset'
  | 'ambient'
  | 'setgroups'
  | 'setresgid'
  | 'setresuid'
  | 'seccomp'
  | 'seccomp_notify';

export const CREDENTIALS: Translations<CredentialOps> = {
  drop_bounding: (op, sh) => last(sh, '--bounding-set', capabilityList(op.keep)),
  capset(op, sh) {
    last(sh, '--inh-caps', capabilityList(op.inheritable));
    sh.comment(
      'The effective and permitted sets follow at exec: all of the bounding set for user 0, none for others. capabilities(7).',
    );
  },
  ambient: (op, sh) => last(sh, '--ambient-caps', capabilityList(op.mask)),
  setgroups: (op, sh) =>
    op.groups.length === 0 ? last(sh, '--clear-groups') : last(sh, '--groups', op.groups.join(',')),
  setresgid: (op, sh) => changeId(op, sh, `--regid ${op.gid}`),
  setresuid: (op, sh) => changeId(op, sh, `--reuid ${op.uid}`),
  seccomp: (op, sh) =>
    sh.impossible(
      op,
      'no command of util-linux or coreutils loads a filter. Every system call that capabilities and namespaces permit is open here; tsrun refuses those that are not on its list.',
    ),
  seccomp_notify: (op, sh) => sh.impossible(op, 'no command of util-linux or coreutils loads a filter.'),
};

function last(sh: ShellWriter, ...options: readonly string[]): void {
  sh.comment('setpriv does it, in the last command.');
  sh.last.setpriv.push(options.join(' '));
}

/** Before the change of root it is the child that becomes root of its user namespace; after it, the program's user. */
function changeId(op: OpOf<'setresgid'> | OpOf<'setresuid'>, sh: ShellWriter, option: string): void {
  if (sh.inside) last(sh, option);
  else sh.continueUnder(`setpriv ${option}${op.op === 'setresgid' ? ' --keep-groups' : ''}`);
}

/** `-all,+chown,+kill` */
function capabilityList(mask: number | bigint): string {
  const bits = BigInt(mask);
  const names = Array.from({ length: 64 }, (_, bit) => bit)
    .filter((bit) => (bits >> BigInt(bit)) & 1n)
    .map((bit) => `+${CAPABILITIES[bit]?.replace('CAP_', '').toLowerCase() ?? `cap_${bit}`}`);
  return ['-all', ...names].join(',');
}
