import { expect } from 'vitest';
import { type Change, invalid } from './support/config.ts';
import { error } from './support/container.ts';
import { section } from './support/section.ts';

const errors = section('runtime.md, Errors');
const warnings = section('runtime.md, Warnings');

/** Each fails at another moment: while the file is read, in the middle of the mounts, at the very end. */
const FAULTS: Readonly<Record<string, Change>> = {
  'a value of the wrong type': (config) => {
    config.process.args = invalid('sh');
  },
  'a mount that the kernel refuses': ({ mounts }) => {
    mounts.push({ destination: '/mnt', type: 'no-such-file-system', source: 'none' });
  },
  'a namespace that is none': ({ linux }) => {
    linux.namespaces.push({ type: 'cgroup', path: '/proc/self/status' });
  },
  'a sysctl that does not exist': ({ linux }) => {
    linux.sysctl = { 'net.ipv4.no_such_value': '1' };
  },
  'a limit that the kernel refuses': ({ linux }) => {
    linux.resources = { cpu: { period: 1, quota: 1 } };
  },
  'a hook that fails': (config) => {
    config.hooks = { createRuntime: [{ path: '/bin/false' }] };
  },
};

for (const [fault, change] of Object.entries(FAULTS))
  errors(
    'Unless otherwise stated, generating an error MUST leave the state of the environment as if the operation were never attempted - modulo any possible trivial ancillary changes such as logging.',
    `create: ${fault}`,
    async (box) => {
      const container = box.container(change);
      await error(container.create());
      expect(await container.exists()).toBe(false);
      expect(box.leftovers()).toEqual([]);
      // The ID, the cgroup and the bundle are as free as before.
      container.configure(box.container().readConfig());
      await container.create();
    },
  );

errors(
  'Unless otherwise stated, generating an error MUST leave the state of the environment as if the operation were never attempted - modulo any possible trivial ancillary changes such as logging.',
  'create: an ID in use',
  async (box) => {
    const container = await box.started();
    const before = await container.state();
    const before2 = box.leftovers();
    await error(container.create());
    // create wrote no new pid file, ended nobody and left nobody.
    expect(await container.state()).toEqual(before);
    expect(box.leftovers()).toEqual(before2);
  },
);

warnings(
  'Unless otherwise stated, logging a warning does not change the flow of the operation; it MUST continue as if the warning had not been logged.',
  'a capability that does not exist',
  async (box) => {
    const output = await box.sh('echo ran', ({ process }) => {
      process.capabilities.bounding?.push('CAP_NO_SUCH_THING');
    });
    expect(output).toBe('ran\n');
  },
);

warnings(
  'Unless otherwise stated, logging a warning does not change the flow of the operation; it MUST continue as if the warning had not been logged.',
  'a poststop hook fails',
  async (box) => {
    const container = await box.started((config) => {
      config.process.args = ['true'];
      config.hooks = { poststop: [{ path: '/bin/false' }] };
    });
    await container.exit();
    await container.delete();
    expect(await container.exists()).toBe(false);
    expect(box.leftovers()).toEqual([]);
  },
);
