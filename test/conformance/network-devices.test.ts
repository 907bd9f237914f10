import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, onTestFinished } from 'vitest';
import type { Change } from './support/config.ts';
import { error } from './support/container.ts';
import { section } from './support/section.ts';

const clause = section('config-linux.md, Network Devices');

let devices = 0;

/** One end of a cable: a bridge cannot leave its namespace. At most 15 characters. */
function makeDevice(): string {
  const name = `cf${process.pid % 100000}x${++devices}`;
  execFileSync('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}p`]);
  onTestFinished(() => {
    // It has gone already where the container had the other end.
    spawnSync('ip', ['link', 'del', `${name}p`]);
  });
  return name;
}

/** What `ip -o link` lists, without the other ends of cables. */
function namesIn(output: string): string[] {
  return [...output.matchAll(/^\d+: ([^:@]+)/gm)].map(([, name = '']) => name);
}

function moved(device: string, name?: string): Change {
  return ({ linux }) => {
    linux.netDevices = { [device]: name === undefined ? {} : { name } };
  };
}

clause(
  '`netDevices` (object, OPTIONAL) - A set of network devices that MUST be made available in the container.',
  async (box) => {
    const device = makeDevice();
    const output = await box.sh('ip -o link', moved(device));
    expect(namesIn(output)).toContain(device);
    expect(existsSync(`/proc/sys/net/ipv4/conf/${device}`)).toBe(false);
  },
);

clause(
  '`name` (string, OPTIONAL) - the name of the network device inside the container namespace.',
  async (box) => {
    const output = await box.sh('ip -o link', moved(makeDevice(), 'inside0'));
    expect(namesIn(output)).toContain('inside0');
  },
);

clause(
  'The runtime MUST check if moving the network interface to the container namespace is possible.',
  'no such device',
  async (box) => {
    await error(box.container(moved('nosuchdevice0')).create());
  },
);

clause(
  'The runtime MUST check if moving the network interface to the container namespace is possible.',
  'the container has the runtime namespace',
  async (box) => {
    const container = box.container((config) => {
      moved(makeDevice())(config);
      config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'network');
    });
    await error(container.create());
  },
);

const EXISTS =
  'If a network device with the specified name already exists in the container namespace, the runtime MUST generate an error, unless the user has provided a template by appending `%d` to the new name.';

clause(EXISTS, async (box) => {
  const device = makeDevice();
  await error(box.container(moved(device, 'lo')).create());
  // Nothing has happened to it.
  expect(existsSync(`/proc/sys/net/ipv4/conf/${device}`)).toBe(true);
});

clause(
  "In that case, the runtime MUST allow the move, and the kernel will generate a unique name for the interface within the container's network namespace.",
  async (box) => {
    const [one, other] = [makeDevice(), makeDevice()];
    const output = await box.sh('ip -o link', ({ linux }) => {
      linux.netDevices = { [one]: { name: 'inside%d' }, [other]: { name: 'inside%d' } };
    });
    expect(namesIn(output)).toContain('inside0');
    expect(namesIn(output)).toContain('inside1');
  },
);

clause(
  'The runtime MUST preserve existing network interface attributes, including all permanent IP addresses (IFA_F_PERMANENT flag) of any family with global scope (RT_SCOPE_UNIVERSE value) as defined in `RFC 3549 Section 2.3.3.2`.',
  async (box) => {
    const device = makeDevice();
    for (const address of ['192.0.2.7/24', '2001:db8::7/64'])
      execFileSync('ip', ['addr', 'add', address, 'dev', device]);
    execFileSync('ip', ['link', 'set', device, 'mtu', '1357', 'address', '02:00:00:00:12:34']);
    const output = await box.sh('ip addr', moved(device));
    expect(output).toContain('inet 192.0.2.7/24');
    expect(output).toContain('inet6 2001:db8::7/64');
    expect(output).toContain('mtu 1357');
    expect(output).toContain('02:00:00:00:12:34');
  },
);

clause(
  'The runtime MUST set the network device state to "up" after moving it to the network namespace to allow the container to send and receive network traffic through that device.',
  async (box) => {
    const device = makeDevice();
    expect(await box.sh(`ip -o link show ${device}`, moved(device))).toMatch(/<[^>]*\bUP\b/);
  },
);

clause(
  'The runtime MUST NOT attempt to move the interface out of the namespace before deletion.',
  async (box) => {
    const device = makeDevice();
    const container = await box.started(moved(device));
    await container.kill('KILL');
    await container.reaches('stopped');
    await container.delete();
    // A virtual device goes with its namespace.
    expect(existsSync(`/proc/sys/net/ipv4/conf/${device}`)).toBe(false);
  },
);
