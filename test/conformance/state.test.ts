import { realpathSync } from 'node:fs';
import { expect } from 'vitest';
import { error } from './support/container.ts';
import { section } from './support/section.ts';

const clause = section('runtime.md, State');
const query = section('runtime.md, Query State');

clause(
  '`ociVersion` (string, REQUIRED) is version of the Open Container Initiative Runtime Specification with which the state complies.',
  async (box) => {
    const container = await box.created();
    expect((await container.state()).ociVersion).toMatch(/^1\.\d+\.\d+/);
  },
);

clause("`id` (string, REQUIRED) is the container's ID.", async (box) => {
  const container = await box.created();
  expect((await container.state()).id).toBe(container.id);
});

clause('`status` (string, REQUIRED) is the runtime state of the container.', 'created', async (box) => {
  const container = await box.created();
  expect((await container.state()).status).toBe('created');
});

clause('`status` (string, REQUIRED) is the runtime state of the container.', 'running', async (box) => {
  const container = await box.started();
  expect((await container.state()).status).toBe('running');
});

clause('`status` (string, REQUIRED) is the runtime state of the container.', 'stopped', async (box) => {
  const container = await box.started(({ process }) => {
    process.args = ['true'];
  });
  await container.exit();
  expect((await container.state()).status).toBe('stopped');
});

for (const status of ['created', 'running'] as const)
  clause(
    '`pid` (int, REQUIRED when `status` is `created` or `running` on Linux, OPTIONAL on other platforms) is the ID of the container process.',
    status,
    async (box) => {
      const container = await box[status === 'created' ? 'created' : 'started']();
      const { pid } = await container.state();
      expect(pid).toBe(container.pid());
      expect(pid).toBeGreaterThan(1);
    },
  );

clause(
  "`bundle` (string, REQUIRED) is the absolute path to the container's bundle directory.",
  async (box) => {
    const container = await box.created();
    expect((await container.state()).bundle).toBe(realpathSync(container.bundle));
  },
);

clause(
  "`bundle` (string, REQUIRED) is the absolute path to the container's bundle directory.",
  'create was given a relative path',
  async (box) => {
    const container = box.container();
    await container.command('create', '--bundle', '.', container.id);
    expect((await container.state()).bundle).toBe(realpathSync(container.bundle));
  },
);

clause(
  '`annotations` (map, OPTIONAL) contains the list of annotations associated with the container.',
  async (box) => {
    const annotations = { 'org.example.key': 'value', 'org.example.empty': '' };
    const container = await box.created((config) => {
      config.annotations = annotations;
    });
    expect((await container.state()).annotations).toMatchObject(annotations);
  },
);

clause(
  'When serialized in JSON, the format MUST adhere to the JSON Schema `schema/state-schema.json`.',
  async (box) => {
    const container = await box.started(({ process }) => {
      process.args = ['true'];
    });
    await container.exit();
    const state = await container.state();
    expect(state).toEqual(
      expect.objectContaining({
        ociVersion: expect.any(String),
        id: expect.any(String),
        status: expect.stringMatching(/^(creating|created|running|stopped)$/),
        bundle: expect.any(String),
      }),
    );
    if ('pid' in state) {
      expect(Number.isInteger(state.pid)).toBe(true);
      expect(state.pid).toBeGreaterThanOrEqual(0);
    }
    if ('annotations' in state)
      for (const value of Object.values(state.annotations ?? {})) expect(value).toBeTypeOf('string');
  },
);

query('This operation MUST generate an error if it is not provided the ID of a container.', async (box) => {
  await error(box.container().command('state'));
});

query('Attempting to query a container that does not exist MUST generate an error.', async (box) => {
  await error(box.container().state());
});

query(
  'This operation MUST return the state of a container as specified in the State section.',
  async (box) => {
    const [one, other] = [await box.created(), await box.started()];
    expect(await one.state()).toMatchObject({ id: one.id, status: 'created', pid: one.pid() });
    expect(await other.state()).toMatchObject({ id: other.id, status: 'running', pid: other.pid() });
  },
);
