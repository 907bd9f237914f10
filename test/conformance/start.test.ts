import { expect } from 'vitest';
import { without } from './support/config.ts';
import { error } from './support/container.ts';
import { section } from './support/section.ts';

const clause = section('runtime.md, Start');

const NOT_CREATED =
  'Attempting to `start` a container that is not `created` MUST have no effect on the container and MUST generate an error.';

clause('This operation MUST generate an error if it is not provided the container ID.', async (box) => {
  await error(box.container().command('start'));
});

clause(NOT_CREATED, 'it does not exist', async (box) => {
  const container = box.container();
  await error(container.start());
  expect(await container.exists()).toBe(false);
});

clause(NOT_CREATED, 'it is running', async (box) => {
  const container = await box.started(({ process }) => {
    process.args = ['sh', '-c', 'echo once; sleep 600'];
  });
  await container.printed(/once/);
  const before = await container.state();
  await error(container.start());
  expect(await container.state()).toEqual(before);
  expect(container.output()).toBe('once\n');
});

clause(NOT_CREATED, 'it is stopped', async (box) => {
  const container = await box.started(({ process }) => {
    process.args = ['echo', 'once'];
  });
  await container.exit();
  await container.reaches('stopped');
  await error(container.start());
  expect((await container.state()).status).toBe('stopped');
  expect(container.output()).toBe('once\n');
});

clause('This operation MUST run the user-specified program as specified by `process`.', async (box) => {
  const container = await box.created(({ process }) => {
    process.args = ['sh', '-c', 'echo "$0 $1 in $PWD"', 'zero', 'one'];
    process.cwd = '/tmp';
  });
  await container.start();
  expect(await container.exit()).toBe('zero one in /tmp\n');
});

for (const [of, sentence] of [
  [clause, 'This operation MUST generate an error if `process` was not set.'],
  [section('config.md, Process'), 'This property is REQUIRED when `start` is called.'],
] as const)
  of(sentence, async (box) => {
    const container = box.container((config) => without(config, 'process'));
    // A runtime may find it wrong as early as in create.
    await error(container.create().then(() => container.start()));
  });
