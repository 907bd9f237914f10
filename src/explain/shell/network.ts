/** Ops on links, addresses, routes and rules as commands of ip(8) and nft(8). */
import type { NetlinkRequest } from '../../kernel/netlink.ts';
import { quote } from './quote.ts';
import type { Translations } from './table.ts';

type NetworkOps =
  | 'link_up'
  | 'netlink_socket'
  | 'netlink'
  | 'dns'
  | 'reserve_port'
  | 'proxy_port'
  | 'start_proxy';

export const NETWORK: Translations<NetworkOps> = {
  link_up: (op, sh) => sh.line(`ip link set dev ${quote(op.name)} up`),
  netlink_socket: (_op, sh) => sh.comment('ip and nft open a socket of their own.'),
  netlink(op, sh) {
    for (const { byHand } of op.request as NetlinkRequest)
      if (byHand.length > 0) sh.line(byHand.map(quote).join(' '));
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
