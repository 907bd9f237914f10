/** Interfaces of the host that are moved into a container. OCI Runtime Specification, config-linux.md, Network Devices. */
import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NamespaceSpec } from '../../src/spec/runtime.ts';
import { type Change, namespaces, useBundles } from '../support/bundle.ts';

const bundles = useBundles();
const ip = (...words: readonly string[]) =>
  execFileSync('ip', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const [moved, stays] = [`tsrm${process.pid % 100000}`, `tsrs${process.pid % 100000}`];

beforeEach(() => {
  ip('link', 'add', moved, 'type', 'veth', 'peer', stays);
  ip('address', 'add', '192.0.2.7/24', 'dev', moved);
  ip('-6', 'address', 'add', '2001:db8::7/64', 'dev', moved, 'nodad');
});
/** A cable whose other end went with its namespace is gone, if a moment later. */
afterEach(() => {
  try {
    ip('link', 'del', stays);
  } catch {
    expect(ip('-o', 'link')).not.toContain(stays);
  }
});

const moving = (name: string | undefined, network: NamespaceSpec = { type: 'network' }): Change => ({
  linux: {
    namespaces: [...namespaces('pid', 'mount', 'ipc', 'uts'), network],
    netDevices: { [moved]: name === undefined ? {} : { name } },
  },
});

describe('an interface of the host', () => {
  test('is in the container with its addresses, up, under the name it was given', async () => {
    const text = await bundles.sh(moving('eth7'), 'ip -o addr show eth7; ip -o link show eth7');
    expect(text).toMatch(/inet 192\.0\.2\.7\/24 scope global eth7/);
    expect(text).toMatch(/inet6 2001:db8::7\/64 scope global/);
    expect(text).toMatch(/eth7@?\w*: <[^>]*\bUP\b/);
  });

  test.for([
    [undefined, moved],
    ['eth%d', 'eth0'],
  ] as const)('named %s is called %s', async ([name, expected]) => {
    expect(await bundles.sh(moving(name), 'ip -o link')).toMatch(new RegExp(` ${expected}[@:]`));
  });

  test('may have the same template as another one', async () => {
    const change = moving('eth%d');
    const linux = { ...change.linux, netDevices: { [moved]: { name: 'eth%d' }, [stays]: { name: 'eth%d' } } };
    const text = await bundles.sh({ linux }, 'ip -o link');
    expect(text).toMatch(/ eth0[@:]/);
    expect(text).toMatch(/ eth1[@:]/);
  });

  test('goes to a namespace that is joined; a name that every container has is refused', async () => {
    const netns = `tsr-${process.pid}-dev`;
    ip('netns', 'add', netns);
    try {
      const joined: NamespaceSpec = { type: 'network', path: `/run/netns/${netns}` };
      await expect(bundles.run(moving('lo', joined), 'true')).rejects.toThrow('has another one of that name');
      expect(ip('-o', 'link')).toContain(moved);
      expect(await bundles.sh(moving('eth7', joined), 'ip -o link')).toContain('eth7');
    } finally {
      ip('netns', 'del', netns);
    }
  });

  test('that is not there is refused, and so is one without a namespace to go to', async () => {
    const linux = { namespaces: namespaces('pid', 'mount', 'network'), netDevices: { 'tsr-none': {} } };
    await expect(bundles.run({ linux }, 'true')).rejects.toThrow('the host has none of that name');
    const onHost = {
      linux: { namespaces: namespaces('pid', 'mount'), netDevices: { [moved]: {} } },
      hostname: undefined,
    };
    await expect(bundles.run(onHost, 'true')).rejects.toThrow('netDevices need a network namespace');
  });
});
