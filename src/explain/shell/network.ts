/** Ops on links, addresses, routes and rules as commands of ip(8) and nft(8). */
import type { NetlinkMessage, NetlinkRequest } from '../../kernel/netlink.ts';
import { quote } from './quote.ts';
import type { Translations } from './table.ts';
import type { ShellWriter } from './writer.ts';

type NetworkOps =
  | 'link_up'
  | 'netlink_socket'
  | 'netlink'
  | 'delete_flows'
  | 'dns'
  | 'reserve_port'
  | 'proxy_port'
  | 'start_proxy';

export const NETWORK: Translations<NetworkOps> = {
  link_up: (op, sh) => sh.line(`ip link set dev ${quote(op.name)} up`),
  netlink_socket(op, sh) {
    if (op.netns !== undefined) sh.enteredBy.set(op.into, op.netns);
    sh.comment('ip and nft open a socket of their own.');
  },
  netlink(op, sh) {
    const entered = sh.enteredBy.get(op.socket);
    if (entered !== undefined && sh.ending)
      return sh.comment('Here the namespace has gone with its last process.');
    if (entered !== undefined && hasAddress(op.request as NetlinkRequest))
      sh.limit('netlink', 'nobody keeps the address for this script: it was free when the script was made.');
    const prefix = [
      ...(op.tolerate?.includes('EEXIST') ? ['unless_there'] : []),
      ...(entered === undefined ? [] : [`nsenter --net=${sh.variable(entered)}`]),
    ];
    for (const message of op.request as NetlinkRequest)
      if (message.byHand.length > 0) sh.line([...prefix, ...commandWords(message, sh)].join(' '));
  },
  delete_flows(op, sh) {
    // The command fails where there is none; and it is a package of its own.
    for (const message of op.request as NetlinkRequest)
      sh.line(`${commandWords(message, sh).join(' ')} 2>/dev/null || :`);
  },
  dns: (op, sh) =>
    sh.comment(
      `No command does it: a process that answers at 127.0.0.11 inside and asks ${op.upstreams.join(', ') || 'nobody'} from outside.`,
    ),
  reserve_port: (op, sh) =>
    sh.comment(
      `No command holds port ${op.port} of ${op.address} without taking connections; rules do not need it.`,
    ),
  proxy_port: (op, sh) =>
    sh.comment(`No command does it: socat would pass on what arrives at port ${op.port} of ${op.address}.`),
  start_proxy: (_op, sh) =>
    sh.comment('No command does it: a process without rights that passes on connections.'),
};

const hasAddress = (request: NetlinkRequest) => request.some(({ name }) => name === 'RTM_NEWADDR');

/** After `netns` stands a descriptor of the plan: ip takes the path of a namespace there. */
function commandWords({ byHand }: NetlinkMessage, sh: ShellWriter): readonly string[] {
  return byHand.map((word, i) => (byHand[i - 1] === 'netns' ? sh.variable(word) : quote(word)));
}
