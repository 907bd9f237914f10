import { expect } from 'vitest';
import { error } from './support/container.ts';
import { section } from './support/section.ts';

const clause = section('runtime.md, Kill');

const NEITHER =
  'Attempting to send a signal to a container that is neither `created` nor `running` MUST have no effect on the container and MUST generate an error.';
const SENDS = 'This operation MUST send the specified signal to the container process.';

clause('This operation MUST generate an error if it is not provided the container ID.', async (box) => {
  await error(box.container().command('kill'));
});

clause(NEITHER, 'it does not exist', async (box) => {
  await error(box.container().kill('KILL'));
});

clause(NEITHER, 'it is stopped', async (box) => {
  const container = await box.started(({ process }) => {
    process.args = ['true'];
  });
  await container.exit();
  await container.reaches('stopped');
  const before = await container.state();
  await error(container.kill('KILL'));
  expect(await container.state()).toEqual(before);
});

for (const [given, name] of [
  ['TERM', 'TERM'],
  ['SIGTERM', 'TERM'],
  ['15', 'TERM'],
  ['USR1', 'USR1'],
  ['HUP', 'HUP'],
  ['WINCH', 'WINCH'],
] as const)
  clause(SENDS, `${given} to a running container`, async (box) => {
    const script = `trap "echo got ${name}; exit" ${name}; echo ready; while :; do sleep 0.05; done`;
    const container = await box.started(({ process }) => {
      process.args = ['sh', '-c', script];
    });
    await container.printed(/ready/);
    await container.kill(given);
    expect(await container.exit()).toBe(`ready\ngot ${name}\n`);
  });

for (const status of ['created', 'running'] as const)
  clause(SENDS, `KILL to a container that is ${status}`, async (box) => {
    const container = await box[status === 'created' ? 'created' : 'started']();
    await container.kill('KILL');
    await container.reaches('stopped');
  });

clause(SENDS, 'a signal that does not exist is refused', async (box) => {
  const container = await box.started();
  await error(container.kill('NOSUCHSIGNAL'));
  expect((await container.state()).status).toBe('running');
});
