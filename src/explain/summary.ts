/** What a plan amounts to, in a few lines. */
import * as K from '../kernel/constants.ts';
import type { Attribute, NetlinkRequest } from '../kernel/netlink.ts';
import { flattenPlan, type Op, type OpName, type OpOf, type Plan } from '../kernel/ops.ts';
import { capabilityNames } from '../security/capabilities.ts';

const NAMESPACE_FLAGS = {
  user: K.CLONE_NEWUSER,
  mount: K.CLONE_NEWNS,
  pid: K.CLONE_NEWPID,
  network: K.CLONE_NEWNET,
  ipc: K.CLONE_NEWIPC,
  uts: K.CLONE_NEWUTS,
  cgroup: K.CLONE_NEWCGROUP,
  time: K.CLONE_NEWTIME,
} as const;

/** Pairs of a name and its text, in the order a reader wants them. */
export function summarize(plan: Plan): readonly (readonly [name: string, text: string])[] {
  const ops = flattenPlan(plan).map(({ op }) => op);
  const execve = only(ops, 'execve')[0];
  const capabilities = capabilityNames(BigInt(only(ops, 'drop_bounding')[0]?.keep ?? 0));
  const filter = only(ops, 'seccomp')[0];
  const hidden = only(ops, 'mask').length;
  return [
    ['program', `${execve?.args.join(' ') ?? 'none'}`],
    ['user', `${only(ops, 'setresuid').at(-1)?.uid ?? 0}:${only(ops, 'setresgid').at(-1)?.gid ?? 0}`],
    ['namespaces', list(madeNamespaces(ops), 'none of its own')],
    ['mounts', `${only(ops, 'move_mount').length}, and ${hidden} paths hidden where they exist`],
    ['network', network(ops)],
    [
      'capabilities',
      list(
        capabilities.map((name) => name.replace('CAP_', '').toLowerCase()),
        'none',
      ),
    ],
    ['limits', limits(ops)],
    [
      'filter',
      filter === undefined
        ? 'none: every system call is let through'
        : `${filter.program.length / 8} instructions`,
    ],
  ];
}

/** What the interfaces inside get: that is what the second socket of rtnetlink is for. */
function network(ops: readonly Op[]): string {
  const inside = new Set(
    only(ops, 'netlink_socket').flatMap((op) => (op.netns === undefined ? [] : [op.into])),
  );
  const messages = only(ops, 'netlink').flatMap((op) =>
    inside.has(op.socket) ? (op.request as NetlinkRequest) : [],
  );
  const texts = (name: string, attribute: string) =>
    messages.flatMap((message) =>
      message.name === name ? message.attributes.filter((a) => a.name === attribute).map(shownValue) : [],
    );
  const addresses = texts('RTM_NEWADDR', 'IFA_LOCAL');
  if (addresses.length > 0) {
    const routers = texts('RTM_NEWROUTE', 'RTA_GATEWAY');
    return `${addresses.join(', ')}, ${routers.length === 0 ? 'no way out' : `out through ${routers.join(', ')}`}`;
  }
  if (only(ops, 'link_up').length > 0) return 'a loopback only';
  return only(ops, 'setns').some(({ type }) => type === K.CLONE_NEWNET)
    ? 'that of other processes'
    : 'that of the host';
}

const shownValue = ({ value }: Attribute) => ('shown' in value ? `${value.shown}` : '');

function only<N extends OpName>(ops: readonly Op[], name: N): readonly OpOf<N>[] {
  return ops.filter((op): op is OpOf<N> & Op => op.op === name);
}

/** What is written to files of its cgroups before it runs. */
function limits(ops: readonly Op[]): string {
  const files = only(ops, 'write').filter(
    ({ at, path }) => (at === 'cgroup' || at?.endsWith('-cgroup')) && path !== 'cgroup.kill',
  );
  const devices = only(ops, 'cgroup_device').map(() => 'devices by a program');
  return (
    [...files.map(({ path, data }) => `${path} = ${Buffer.from(data)}`), ...devices].join(', ') || 'none'
  );
}

function madeNamespaces(ops: readonly Op[]): readonly string[] {
  const flags = [...only(ops, 'clone3'), ...only(ops, 'unshare')].reduce(
    (all, op) => all | BigInt(op.flags),
    0n,
  );
  return Object.entries(NAMESPACE_FLAGS).flatMap(([name, flag]) => (flags & BigInt(flag) ? [name] : []));
}

function list(items: readonly string[], none: string): string {
  return items.length === 0 ? none : `${items.length} (${items.join(', ')})`;
}
