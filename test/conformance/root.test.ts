import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { without } from './support/config.ts';
import { error } from './support/container.ts';
import { section } from './support/section.ts';

const clause = section('config.md, Root');

const PATH = 'On POSIX platforms, `path` is either an absolute path or a relative path to the bundle.';
const EXISTS = 'A directory MUST exist at the path declared by the field.';
const READONLY =
  '`readonly` (bool, OPTIONAL) If true then the root filesystem MUST be read-only inside the container, defaults to false.';

clause('On all other platforms, this field is REQUIRED.', async (box) => {
  await error(box.container((config) => without(config, 'root')).create());
});

clause(
  '`path` (string, REQUIRED) Specifies the path to the root filesystem for the container.',
  async (box) => {
    await error(box.container(({ root }) => without(root, 'path')).create());
  },
);

clause(
  '`path` (string, REQUIRED) Specifies the path to the root filesystem for the container.',
  'it is the root',
  async (box) => {
    const container = box.container(({ process }) => {
      process.args = ['ls', '/'];
    });
    writeFileSync(join(container.rootfs, 'only-here'), '');
    await container.create();
    await container.start();
    expect((await container.exit()).split('\n')).toContain('only-here');
  },
);

clause(PATH, 'a relative path of two parts', async (box) => {
  const container = box.container(({ root, process }) => {
    root.path = 'deeper/rootfs';
    process.args = ['echo', 'found'];
  });
  mkdirSync(join(container.bundle, 'deeper'));
  renameSync(container.rootfs, join(container.bundle, 'deeper/rootfs'));
  await container.create();
  await container.start();
  expect(await container.exit()).toBe('found\n');
});

clause(PATH, 'an absolute path outside of the bundle', async (box) => {
  const elsewhere = join(box.directory, 'elsewhere');
  const container = box.container(({ root, process }) => {
    root.path = elsewhere;
    process.args = ['echo', 'found'];
  });
  renameSync(container.rootfs, elsewhere);
  await container.create();
  await container.start();
  expect(await container.exit()).toBe('found\n');
});

clause(EXISTS, 'there is nothing', async (box) => {
  const container = box.container(({ root }) => {
    root.path = 'missing';
  });
  await error(container.create());
  expect(box.leftovers()).toEqual([]);
});

clause(EXISTS, 'there is a file', async (box) => {
  const container = box.container(({ root }) => {
    root.path = 'config.json';
  });
  await error(container.create());
});

clause(READONLY, 'true', async (box) => {
  const output = await box.sh('touch /file 2>&1', ({ root }) => {
    root.readonly = true;
  });
  expect(output).toContain('Read-only file system');
});

for (const readonly of [false, undefined])
  clause(READONLY, readonly === undefined ? 'not set' : 'false', async (box) => {
    const output = await box.sh('touch /file && ls /file', ({ root }) => {
      if (readonly !== undefined) root.readonly = readonly;
    });
    expect(output).toBe('/file\n');
  });
