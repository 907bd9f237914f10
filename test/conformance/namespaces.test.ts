import { readlinkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Change, type Config, withUserNamespace } from './support/config.ts';
import { type Container, error } from './support/container.ts';
import { namespaceKind } from './support/host.ts';
import { CommandFailed } from './support/runtime.ts';
import { section } from './support/section.ts';

const clause = section('config-linux.md, Namespaces');

/** [type, its name below /proc/PID/ns] */
const TYPES = [
  ['pid', 'pid'],
  ['network', 'net'],
  ['mount', 'mnt'],
  ['ipc', 'ipc'],
  ['uts', 'uts'],
  ['user', 'user'],
  ['cgroup', 'cgroup'],
  ['time', 'time'],
] as const;

const INHERITS =
  'If a namespace type is not specified in the `namespaces` array, the container MUST inherit the runtime namespace of that type.';
const PLACES = 'The runtime MUST place the container process in the namespace associated with that `path`.';
const MISMATCH =
  'The runtime MUST generate an error if `path` is not associated with a namespace of type `type`.';

function own(config: Config, type: string): void {
  if (type === 'user') withUserNamespace(100000)(config);
  else if (!config.linux.namespaces.some((namespace) => namespace.type === type))
    config.linux.namespaces.push({ type });
}

function drop({ linux }: Config, type: string): void {
  linux.namespaces = linux.namespaces.filter((namespace) => namespace.type !== type);
}

function join_(config: Config, type: string, path: string): void {
  drop(config, type);
  config.linux.namespaces.push({ type, path });
}

const namespaceOf = (container: Container, name: string) =>
  readlinkSync(`/proc/${container.pid()}/ns/${name}`);
const ownNamespace = (name: string) => readlinkSync(`/proc/self/ns/${name}`);

for (const [type, name] of TYPES)
  clause(
    'If `path` is not specified, the runtime MUST create a new container namespace of type `type`.',
    type,
    async (box) => {
      box.needs(namespaceKind(name));
      const change: Change = (config) => own(config, type);
      const one = await box.started(change);
      const other = await box.started(change);
      expect(namespaceOf(one, name)).not.toBe(ownNamespace(name));
      expect(namespaceOf(one, name)).not.toBe(namespaceOf(other, name));
    },
  );

// Without a mount namespace of its own, pivot_root would change the root of this suite.
for (const [type, name] of TYPES.filter(([each]) => each !== 'mount'))
  clause(INHERITS, type, async (box) => {
    box.needs(namespaceKind(name));
    const container = await box.started((config) => drop(config, type));
    expect(namespaceOf(container, name)).toBe(ownNamespace(name));
  });

for (const [type, name] of TYPES.filter(([each]) => each !== 'mount'))
  clause(PLACES, type, async (box) => {
    box.needs(namespaceKind(name));
    const owner = await box.started((config) => own(config, type));
    const guest = await box.started((config) => {
      join_(config, type, `/proc/${owner.pid()}/ns/${name}`);
    });
    expect(namespaceOf(guest, name)).toBe(namespaceOf(owner, name));
    expect(namespaceOf(guest, name)).not.toBe(ownNamespace(name));
  });

clause(PLACES, 'several at once, as in a pod', async (box) => {
  const owner = await box.started();
  const guest = await box.started((config) => {
    join_(config, 'network', `/proc/${owner.pid()}/ns/net`);
    join_(config, 'ipc', `/proc/${owner.pid()}/ns/ipc`);
    join_(config, 'uts', `/proc/${owner.pid()}/ns/uts`);
  });
  for (const name of ['net', 'ipc', 'uts']) expect(namespaceOf(guest, name)).toBe(namespaceOf(owner, name));
  expect(namespaceOf(guest, 'pid')).not.toBe(namespaceOf(owner, 'pid'));
});

for (const [type, path] of [
  ['network', '/proc/self/ns/uts'],
  ['uts', '/proc/self/ns/net'],
  ['ipc', '/proc/self/ns/pid'],
  ['pid', '/proc/self/ns/mnt'],
  ['mount', '/proc/self/ns/ipc'],
  ['network', '/etc/passwd'],
  ['network', '/no/such/file'],
  ['network', '/'],
] as const)
  clause(MISMATCH, `${type} at ${path}`, async (box) => {
    const container = box.container((config) => join_(config, type, path));
    await error(container.create());
    expect(box.leftovers()).toEqual([]);
  });

clause(
  'This value MUST be an absolute path in the runtime mount namespace.',
  'a relative one that leads to a namespace',
  async (box) => {
    const owner = await box.started();
    const container = box.container((config) => join_(config, 'network', 'net'));
    // Where it would be found: create's working directory is the bundle.
    symlinkSync(`/proc/${owner.pid()}/ns/net`, join(container.bundle, 'net'));
    await error(container.create());
  },
);

for (const type of ['network', 'mount', 'uts'])
  clause(
    'If a `namespaces` field contains duplicated namespaces with same `type`, the runtime MUST generate an error.',
    type,
    async (box) => {
      const container = box.container(({ linux }) => {
        linux.namespaces.push({ type });
      });
      await error(container.create());
    },
  );

clause('`type` (string, REQUIRED) - namespace type.', 'one that does not exist', async (box) => {
  const container = box.container(({ linux }) => {
    linux.namespaces.push({ type: 'made-up' });
  });
  await error(container.create());
});

for (const type of ['user', 'cgroup', 'time'])
  clause('`type` (string, REQUIRED) - namespace type.', `${type}: supported, or refused`, async (box) => {
    // The types are ones that runtimes SHOULD support.
    const container = box.container((config) => own(config, type));
    const failure = await container.create().then(
      () => undefined,
      (reason) => reason,
    );
    if (failure === undefined) expect(namespaceOf(container, type)).not.toBe(ownNamespace(type));
    else expect(failure).toBeInstanceOf(CommandFailed);
  });
