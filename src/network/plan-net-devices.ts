/** Interfaces of the host that are moved into the container. config-linux.md, Network Devices. */
import * as K from '../kernel/constants.ts';
import { NETLINK_ROUTE } from '../kernel/netlink.ts';
import { sendNetlink } from '../kernel/netlink-door.ts';
import type { FdName, Op } from '../kernel/ops.ts';
import {
  type Address,
  dumpAddresses,
  dumpLinks,
  moveLink,
  newAddress,
  readAddresses,
  readLinks,
} from '../kernel/rtnetlink.ts';
import { TsrunError } from '../lib/errors.ts';
import type { LinuxSpec } from '../spec/runtime.ts';
import { toAddress } from './ip-address.ts';

/** An interface as it is on the host. */
export interface NetDevice {
  readonly name: string;
  /** What it is called in the container; `%d` in it stands for the first number that is free. */
  readonly inside: string;
  readonly index: number;
  /** Those that were given to it to stay; the kernel takes all away when an interface changes its namespace. */
  readonly addresses: readonly { readonly address: Address; readonly prefix: number }[];
}

export interface NetDevicesPlan {
  /** By the host, before it joins a network namespace. */
  readonly before: readonly Op[];
  /** By the host, when the container's network namespace is there and its process still waits. */
  readonly afterClone: readonly Op[];
}

const IFA_F_PERMANENT = 0x80;
const RT_SCOPE_UNIVERSE = 0;
const IFNAMSIZ = 16;
/** Numbers from here on are far above those that the kernel gives: free in a namespace with interfaces of its own too. */
const FIRST_INDEX_INSIDE = 0x4000_0000;

/** Asks the kernel about the interfaces that `asked` names. Throws `NO_NET_DEVICE` for one that is not there. */
export function readNetDevices(asked: NonNullable<LinuxSpec['netDevices']>): readonly NetDevice[] {
  const target = { protocol: NETLINK_ROUTE };
  const links = readLinks(sendNetlink(target, [dumpLinks], 'list the interfaces of the host'));
  const addresses = readAddresses(sendNetlink(target, [dumpAddresses], 'list the addresses of the host'));
  checkNames(Object.entries(asked).map(([name, { name: inside = name }]) => inside));
  return Object.entries(asked).map(([name, { name: inside = name }]) => {
    const link = links.find((one) => one.name === name);
    if (link === undefined)
      throw new TsrunError(
        'NO_NET_DEVICE',
        `Cannot move the interface ${JSON.stringify(name)} into the container: the host has none of that name`,
        { hint: 'ip link lists them' },
      );
    if (
      !/^[^\s/:]+$/.test(inside) ||
      Buffer.byteLength(inside) >= IFNAMSIZ ||
      inside === '.' ||
      inside === '..'
    )
      throw new TsrunError(
        'NO_NET_DEVICE',
        `Cannot call an interface ${JSON.stringify(inside)}: a name has up to 15 bytes, no white space, / or :`,
      );
    const own = addresses.filter(
      (one) =>
        one.index === link.index && (one.flags & IFA_F_PERMANENT) !== 0 && one.scope === RT_SCOPE_UNIVERSE,
    );
    return {
      name,
      inside,
      index: link.index,
      addresses: own.map(({ family, bytes, prefix }) => ({ address: addressOf(family, bytes), prefix })),
    };
  });
}

/** The kernel finds out only when an interface is in the container already, and it would be gone with it. */
function checkNames(inside: readonly string[]): void {
  const fixed = inside.filter((name) => !name.includes('%d'));
  const taken = fixed.find((name, i) => name === 'lo' || fixed.indexOf(name) !== i);
  if (taken === undefined) return;
  throw new TsrunError(
    'NO_NET_DEVICE',
    `Cannot call an interface ${JSON.stringify(taken)}: the container has another one of that name`,
    { hint: 'give it another name in linux.netDevices' },
  );
}

function addressOf(family: number, bytes: Buffer): Address {
  const value = BigInt(`0x${bytes.toString('hex')}`);
  return toAddress({ family: family === K.AF_INET ? K.AF_INET : K.AF_INET6, value });
}

/** One that was in a container before has kept its number. */
function indexInside({ index }: NetDevice): number {
  return index < FIRST_INDEX_INSIDE ? FIRST_INDEX_INSIDE + index : index;
}

/** `made`: the namespace is the container's own; otherwise it is the descriptor `network-namespace`. */
export function planNetDevices(devices: readonly NetDevice[], made: boolean): NetDevicesPlan {
  const netns = made ? 'container-network' : 'network-namespace';
  return {
    before: [socket('device-links', undefined, 'The interfaces are moved from the namespace of the host.')],
    afterClone: [
      ...(made ? [openNetwork(netns)] : []),
      ...devices.map((device) => planMove(device, netns)),
      socket('device-addresses', netns, 'This one gives addresses inside.'),
      ...devices.flatMap(planAddresses),
    ],
  };
}

function openNetwork(into: FdName): Op {
  return {
    op: 'open',
    into,
    at: 'child-proc',
    path: 'ns/net',
    flags: K.O_RDONLY,
    mode: 0,
    resolve: 0,
    why: 'The network namespace that the clone has made.',
  };
}

function planMove(device: NetDevice, netns: FdName): Op {
  const { name, inside, index } = device;
  return {
    op: 'netlink',
    socket: 'device-links',
    what: `the move of ${name}`,
    request: [moveLink({ name, index }, { name: inside, index: indexInside(device), netns })],
    why: 'An interface is in one network namespace only: this one leaves the host for the container, and is up there.',
  };
}

function planAddresses(device: NetDevice): readonly Op[] {
  const { name, inside, addresses } = device;
  return addresses.map(({ address, prefix }) => ({
    op: 'netlink',
    socket: 'device-addresses',
    what: `the address ${address.text} of ${inside}`,
    request: [newAddress({ name: inside, index: indexInside(device) }, address, prefix)],
    why: `What ${name} was called by on the host it is called by in the container.`,
  }));
}

function socket(into: FdName, netns: FdName | undefined, why: string): Op {
  return {
    op: 'netlink_socket',
    into,
    protocol: NETLINK_ROUTE,
    ...(netns === undefined ? {} : { netns }),
    why,
  };
}
