/**
 * The host side of every network test: each test file of the container suites runs in a network namespace of its own, so
 * that bridges, rules and sysctls of the machine are never touched, and what is left behind can be counted. All that a
 * test starts is born into it; "the outside" is one more namespace.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';

const CLONE_NEWNET = 0x40000000;

interface NodeFfi {
  dlopen(path: string): {
    readonly lib: {
      getFunction(name: string, signature: object): (flags: number) => number;
    };
  };
}

/** The network namespace of the machine, for what a test needs from outside: packages of an image. */
export const MACHINE_NETWORK = `/proc/${process.ppid}/ns/net`;

/**
 * Moves this process to a new network namespace, with a loopback that is up. unshare(2) moves the calling thread, which
 * is the main one, and it is the one that starts processes.
 */
export function enterOwnNetwork(): void {
  const ffi = process.getBuiltinModule('node:ffi') as unknown as NodeFfi;
  const unshare = ffi.dlopen('libc.so.6').lib.getFunction('unshare', {
    return: 'i32',
    arguments: ['i32'],
  });
  if (unshare(CLONE_NEWNET) !== 0) throw new Error('cannot make a network namespace: tests need root');
  ip('link', 'set', 'lo', 'up');
}

/** ip(8) in the namespace of this test file; what it prints. */
export function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Another network namespace: the outside. It is there until it is disposed of. */
export interface OtherNetwork extends Disposable {
  /** The process that holds it, as `ip link set … netns PID` takes it. */
  readonly pid: number;
  /** Words to put before a command that shall run in it. */
  readonly enter: readonly string[];
  /** Runs a command in it, which must succeed; what it prints. */
  run(...command: readonly string[]): string;
}

/** The process that holds the namespace ends with its input: also when this one is killed. */
export async function makeNetwork(): Promise<OtherNetwork> {
  const holder: ChildProcess = spawn(
    'unshare',
    ['--net', 'sh', '-c', 'ip link set lo up && echo ready && exec cat'],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  if (holder.stdout === null || holder.pid === undefined) throw new Error('unshare did not start');
  await once(holder.stdout, 'data');
  const pid = holder.pid;
  const enter = ['nsenter', `--net=/proc/${pid}/ns/net`, '--'];
  return {
    pid,
    enter,
    run: (...command) =>
      execFileSync('nsenter', [...enter.slice(1), ...command], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    [Symbol.dispose]: () => holder.stdin?.end(),
  };
}

/**
 * An outside joined to a host by a cable: `outside` there, `inside` here, and a default route of the host to it. The host is
 * this process's namespace, or the one that the words `enter` lead to.
 */
export async function makeOutside(
  enter: readonly string[] = [],
): Promise<OtherNetwork & { readonly address: string }> {
  const network = await makeNetwork();
  const [program = '', ...words] = [...enter, 'ip'];
  const onHost = (...args: readonly string[]) => execFileSync(program, [...words, ...args]);
  onHost('link', 'add', 'outside', 'type', 'veth', 'peer', 'name', 'inside', 'netns', `${network.pid}`);
  onHost('address', 'add', '203.0.113.1/24', 'dev', 'outside');
  onHost('-6', 'address', 'add', '2001:db8::1/64', 'dev', 'outside', 'nodad');
  onHost('link', 'set', 'outside', 'up');
  network.run('ip', 'address', 'add', '203.0.113.2/24', 'dev', 'inside');
  network.run('ip', '-6', 'address', 'add', '2001:db8::2/64', 'dev', 'inside', 'nodad');
  network.run('ip', 'link', 'set', 'inside', 'up');
  onHost('route', 'add', 'default', 'via', '203.0.113.2');
  onHost('-6', 'route', 'add', 'default', 'via', '2001:db8::2');
  return { ...network, address: '203.0.113.2' };
}

/** The default bridge stays when its last container has gone; everything else of a container goes with it. */
const BRIDGE = /^tsrun\d+$/;

interface Link {
  readonly ifname: string;
}
interface LinkAddresses extends Link {
  readonly addr_info: readonly { readonly family: string; readonly scope: string; readonly local: string }[];
}
interface Route {
  readonly dst: string;
  readonly dev: string;
  readonly protocol: string;
}

/** What there is in the namespace of this test file, but for the default bridge, as readable lines. */
export function readNetworkState(): readonly string[] {
  const ours = ({ ifname }: Link) => ifname === 'lo' || BRIDGE.test(ifname);
  const [allLinks, allRoutes] = readLinksAndRoutes();
  const links = allLinks.filter((link) => !ours(link)).toSorted((a, b) => a.ifname.localeCompare(b.ifname));
  const routes = allRoutes.filter(({ dev, protocol }) => protocol !== 'kernel' && !BRIDGE.test(dev));
  return [
    ...links.map(({ ifname }) => `link ${ifname}`),
    ...links.flatMap(({ ifname, addr_info }) =>
      addr_info.filter(({ scope }) => scope !== 'link').map(({ local }) => `address ${local} on ${ifname}`),
    ),
    ...routes.map(({ dst, dev }) => `route ${dst} on ${dev}`),
    ...readElements(),
  ];
}

/** One ip(8) for both, since it starts before and after every test: each command of a batch prints one line. */
function readLinksAndRoutes(): [readonly LinkAddresses[], readonly Route[]] {
  const input = 'address show\nroute show table all\n';
  const text = execFileSync('ip', ['-json', '-batch', '-'], { input, encoding: 'utf8' });
  const [links = '', routes = ''] = text.trim().split('\n');
  return [JSON.parse(links), JSON.parse(routes)];
}

interface NftObject {
  readonly table: string;
  readonly name: string;
  readonly elem?: readonly unknown[];
}

/** Elements of sets and maps; the table and its chains stay, as the default bridge does, and so do the bridge's own. */
function readElements(): readonly string[] {
  if (!existsSync('/usr/sbin/nft')) return [];
  const text = execFileSync('nft', ['--json', 'list', 'ruleset'], { encoding: 'utf8' });
  const { nftables } = JSON.parse(text) as { readonly nftables: readonly Record<string, NftObject>[] };
  return nftables.flatMap((entry) => {
    const collection = entry.set ?? entry.map;
    return (collection?.elem ?? [])
      .map((element) => `nft ${collection?.table} ${collection?.name} ${JSON.stringify(element)}`)
      .filter((line) => !/"tsrun\d+"/.test(line));
  });
}
