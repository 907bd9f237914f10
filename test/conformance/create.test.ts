import { readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { readCgroup } from './support/cgroups.ts';
import { error } from './support/container.ts';
import { controller } from './support/host.ts';
import { section } from './support/section.ts';

const operations = section('runtime.md, Operations');
const clause = section('runtime.md, Create');

const NOT_UNIQUE =
  'If the ID provided is not unique across all containers within the scope of the runtime, or is not valid in any other way, the implementation MUST generate an error and a new container MUST NOT be created.';

operations('Unless otherwise stated, runtimes MUST support the following operations.', async (box) => {
  const container = box.container(({ process }) => {
    process.args = ['sh', '-c', 'trap "echo asked; exit" TERM; echo ready; while :; do sleep 0.05; done'];
  });
  await container.create();
  expect((await container.state()).status).toBe('created');
  await container.start();
  await container.printed(/ready/);
  await container.kill('TERM');
  expect(await container.exit()).toBe('ready\nasked\n');
  await container.delete();
});

clause(
  'This operation MUST generate an error if it is not provided a path to the bundle and the container ID to associate with the container.',
  'no ID',
  async (box) => {
    const container = box.container();
    await error(container.command('create', '--bundle', container.bundle));
    expect(box.leftovers()).toEqual([]);
  },
);

clause(
  'This operation MUST generate an error if it is not provided a path to the bundle and the container ID to associate with the container.',
  'no bundle, and the working directory is none',
  async (box) => {
    const container = box.container();
    const bundle = box.folder('empty');
    await error(container.command('create', '--bundle', bundle, container.id));
    await error(container.command('create', '--bundle', join(bundle, 'missing'), container.id));
    expect(await container.exists()).toBe(false);
  },
);

for (const status of ['created', 'running', 'stopped'])
  clause(NOT_UNIQUE, `the ID of a container that is ${status}`, async (box) => {
    const one = await box.created(({ process }) => {
      if (status === 'stopped') process.args = ['true'];
    });
    if (status !== 'created') await one.start();
    await one.reaches(status);
    const before = await one.state();
    const other = box.container(undefined, one.id);
    await error(other.create());
    expect(await one.state()).toEqual(before);
  });

for (const id of ['', '.', '..', 'a/b', '../escape', '/absolute'])
  clause(NOT_UNIQUE, `the ID ${JSON.stringify(id)}`, async (box) => {
    const container = box.container(undefined, id);
    await error(container.create());
    expect(box.leftovers()).toEqual([]);
  });

clause('This operation MUST create a new container.', async (box) => {
  const container = box.container();
  expect(await container.exists()).toBe(false);
  await container.create();
  expect(await container.exists()).toBe(true);
});

clause(
  'All of the properties configured in `config.json` except for `process` MUST be applied.',
  async (box) => {
    box.needs(controller('pids'));
    const container = await box.created((config) => {
      config.hostname = 'configured';
      config.annotations = { 'org.example.key': 'value' };
      config.linux.resources = { pids: { limit: 123 } };
    });
    const pid = container.pid();
    expect(readlinkSync(`/proc/${pid}/ns/uts`)).not.toBe(readlinkSync('/proc/self/ns/uts'));
    expect(readCgroup(pid, 'pids', 'pids.max')).toBe('123');
    expect((await container.state()).annotations).toMatchObject({ 'org.example.key': 'value' });
  },
);

clause('`process.args` MUST NOT be applied until triggered by the `start` operation.', async (box) => {
  const container = await box.created(({ process }) => {
    process.args = ['echo', 'applied'];
  });
  expect(container.output()).toBe('');
  await container.start();
  expect(await container.exit()).toBe('applied\n');
});

clause(
  'If the runtime cannot apply a property as specified in the configuration, it MUST generate an error and a new container MUST NOT be created.',
  async (box) => {
    const container = box.container(({ mounts }) => {
      mounts.push({ destination: '/mnt', source: '/no/such/directory', options: ['bind'] });
    });
    await error(container.create());
    expect(await container.exists()).toBe(false);
    expect(box.leftovers()).toEqual([]);
  },
);
