/** What the host can do with packets, and whether the rules are there. */
import { deleteFlow, dumpFlows, type FlowTarget } from '../kernel/conntrack.ts';
import { NETLINK_NETFILTER, type NetlinkRequest } from '../kernel/netlink.ts';
import { refusalOf, sendNetlink } from '../kernel/netlink-door.ts';
import { getTable, newTable, readTableComment, transaction } from '../kernel/nftables.ts';
import { TsrunError } from '../lib/errors.ts';
import {
  addElements,
  baseRules,
  networkElements,
  RULES_TABLE,
  RULES_VERSION,
  type RuleElement,
  removeElements,
} from './rules.ts';

export type RulesHost =
  /** `rules`: whether the table is there, or one of another version. */
  | { readonly nftables: true; readonly rules: 'missing' | 'current' | 'other' }
  /** What the kernel said when it was asked for rules. */
  | { readonly nftables: false; readonly reason: string };

/** Changes nothing. */
export function readRulesHost(): RulesHost {
  const found = ask([getTable(RULES_TABLE)]);
  if (found.errno === undefined) {
    const current = readTableComment(found.replies) === RULES_VERSION;
    return { nftables: true, rules: current ? 'current' : 'other' };
  }
  if (found.errno !== 'ENOENT') return { nftables: false, reason: found.errno };
  // Kernels are built without some of the parts. The table is made twice in one transaction: when everything else is
  // taken, that is what the kernel refuses it for.
  const { errno = 'EEXIST' } = ask(transaction([...baseRules(), newTable(RULES_TABLE, RULES_VERSION)]));
  return errno === 'EEXIST' ? { nftables: true, rules: 'missing' } : { nftables: false, reason: errno };
}

/** The rules that keep a network apart, also when the table is not there; nothing on a host without nftables. */
export function makeNetworkRules(
  network: Parameters<typeof networkElements>[0],
  others: readonly RuleElement[],
): void {
  const host = readRulesHost();
  if (!host.nftables) return;
  const base =
    host.rules === 'current'
      ? []
      : [...baseRules({ replace: host.rules === 'other' }), ...addElements(others)];
  const elements = addElements(networkElements(network));
  sendNetlink(
    { protocol: NETLINK_NETFILTER },
    transaction([...base, ...elements]),
    `make the rules of network ${network.name}`,
  );
}

/** Also when some of them, or the table, are not there. An element whose data is another's by now is left alone, with the rest. */
export function removeRules(elements: readonly RuleElement[]): void {
  const { errno } = ask(transaction(removeElements(elements)));
  if (errno === undefined || errno === 'ENOENT' || errno === 'EEXIST') return;
  throw new TsrunError('NETLINK', `Cannot remove rules of a container that has ended: ${errno}`, {
    hint: `nft list table inet ${RULES_TABLE} shows them`,
  });
}

/** Packets that go on would be led to an address that may be another container's. */
export function removeFlows(targets: readonly FlowTarget[]): void {
  for (const target of targets) {
    // EINVAL: a kernel that does not tell its flows (CONFIG_NF_CT_NETLINK). ENOENT: one that has ended meanwhile.
    const found = ask([dumpFlows(target)]);
    const refused = [found.errno, ...found.replies.map((reply) => ask([deleteFlow(reply)]).errno)];
    const errno = refused.find((name) => name !== undefined && name !== 'EINVAL' && name !== 'ENOENT');
    if (errno !== undefined)
      throw new TsrunError('NETLINK', `Cannot delete the flows to port ${target.port}: ${errno}`);
  }
}

function ask(request: NetlinkRequest) {
  try {
    return { replies: sendNetlink({ protocol: NETLINK_NETFILTER }, request, 'ask for the rules of packets') };
  } catch (error) {
    const errno = refusalOf(error);
    if (errno === undefined) throw error;
    return { errno, replies: [] };
  }
}
