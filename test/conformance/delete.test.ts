import { existsSync, mkdirSync, readdirSync, readlinkSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { cgroupMounts } from './support/cgroups.ts';
import { error, isAlive } from './support/container.ts';
import { section } from './support/section.ts';

const clause = section('runtime.md, Delete');

const NOT_STOPPED =
  'Attempting to `delete` a container that is not `stopped` MUST have no effect on the container and MUST generate an error.';
const DELETES = 'Deleting a container MUST delete the resources that were created during the `create` step.';
const SPARES =
  'Note that resources associated with the container, but not created by this container, MUST NOT be deleted.';

clause('This operation MUST generate an error if it is not provided the container ID.', async (box) => {
  await error(box.container().command('delete'));
});

clause(NOT_STOPPED, 'it does not exist', async (box) => {
  await error(box.container().delete());
});

for (const status of ['created', 'running'] as const)
  clause(NOT_STOPPED, `it is ${status}`, async (box) => {
    const container = await box[status === 'created' ? 'created' : 'started']();
    const [before, beforeOnHost] = [await container.state(), box.leftovers()];
    await error(container.delete());
    expect(await container.state()).toEqual(before);
    expect(box.leftovers()).toEqual(beforeOnHost);
  });

clause(DELETES, 'its cgroups, processes and mounts', async (box) => {
  const container = await box.started();
  expect(box.leftovers()).not.toEqual([]);
  await container.kill('KILL');
  await container.reaches('stopped');
  await container.delete();
  expect(box.leftovers()).toEqual([]);
});

clause(
  DELETES,
  'the first process has ended and left others in a cgroup without a pid namespace',
  async (box) => {
    const container = await box.started(({ process, linux }) => {
      linux.namespaces = linux.namespaces.filter(({ type }) => type !== 'pid');
      process.args = ['sh', '-c', 'sleep 600 & echo $!'];
    });
    const left = Number(await container.exit());
    await container.reaches('stopped');
    await container.delete('--force');
    expect(isAlive(left)).toBe(false);
    expect(box.leftovers()).toEqual([]);
  },
);

clause(DELETES, 'the cgroups that the program made below its own', async (box) => {
  const container = await box.started();
  for (const { directory } of cgroupMounts()) {
    const own = readdirSync(directory).find((name) => name.startsWith(box.name));
    if (own !== undefined) mkdirSync(join(directory, own, 'below'));
  }
  await container.kill('KILL');
  await container.reaches('stopped');
  await container.delete();
  expect(box.leftovers()).toEqual([]);
});

clause(DELETES, 'what the runtime wrote about it', async (box) => {
  const container = await box.started(({ process }) => {
    process.args = ['true'];
  });
  await container.exit();
  await container.reaches('stopped');
  await container.delete();
  expect(await container.exists()).toBe(false);
  expect(readdirSync(join(box.directory, 'root')).filter((name) => name === container.id)).toEqual([]);
});

clause(SPARES, 'its bundle, and what was bound into it', async (box) => {
  const source = box.folder('source');
  writeFileSync(join(source, 'file'), 'content');
  const container = await box.started(({ process, mounts }) => {
    mounts.push({ destination: '/mnt', source, options: ['rbind'] });
    process.args = ['true'];
  });
  await container.exit();
  await container.reaches('stopped');
  await container.delete();
  expect(existsSync(join(source, 'file'))).toBe(true);
  expect(existsSync(join(container.rootfs, 'bin/busybox'))).toBe(true);
  expect(existsSync(join(container.bundle, 'config.json'))).toBe(true);
});

clause(SPARES, 'the namespaces and the processes of another container that it joined', async (box) => {
  const owner = await box.started();
  const guest = await box.started(({ process, linux }) => {
    linux.namespaces = linux.namespaces.map(({ type }) =>
      type === 'mount'
        ? { type }
        : { type, path: `/proc/${owner.pid()}/ns/${type === 'network' ? 'net' : type}` },
    );
    process.args = ['true'];
  });
  await guest.exit();
  await guest.reaches('stopped');
  await guest.delete();
  expect((await owner.state()).status).toBe('running');
  expect(readlinkSync(`/proc/${owner.pid()}/ns/net`)).toMatch(/^net:/);
});

clause(SPARES, 'the cgroup above its own', async (box) => {
  const above = cgroupMounts().map(({ directory }) => join(directory, `${box.name}-above`));
  for (const directory of above) mkdirSync(directory);
  const container = await box.started(({ process, linux }) => {
    linux.cgroupsPath = `/${box.name}-above/own`;
    process.args = ['true'];
  });
  await container.exit();
  await container.reaches('stopped');
  await container.delete();
  expect(above.filter((directory) => !existsSync(directory))).toEqual([]);
  expect(above.filter((directory) => existsSync(join(directory, 'own')))).toEqual([]);
  for (const directory of above) rmdirSync(directory);
});

clause('Once a container is deleted its ID MAY be used by a subsequent container.', async (box) => {
  const change = ({ process }: { process: { args: string[] } }) => {
    process.args = ['true'];
  };
  const first = await box.started(change);
  await first.exit();
  await first.reaches('stopped');
  await first.delete();
  const second = box.container(change, first.id);
  await second.create();
  expect((await second.state()).status).toBe('created');
});
