import { readlinkSync } from 'node:fs';
import { expect } from 'vitest';
import { type Change, invalid } from './support/config.ts';
import { error } from './support/container.ts';
import { section } from './support/section.ts';

const scope = section('runtime.md, Scope of a Container');
const clause = section('runtime.md, Lifecycle');

const printing =
  (word: string): Change =>
  ({ process }) => {
    process.args = ['echo', word];
  };

scope(
  'The entity using a runtime to create a container MUST be able to use the operations defined in this specification against that same container.',
  async (box) => {
    const container = await box.created();
    await container.state();
    await container.start();
    await container.kill('KILL');
    await container.reaches('stopped');
    await container.delete();
  },
);

clause(
  "The container's runtime environment MUST be created according to the configuration in `config.json`.",
  async (box) => {
    const output = await box.sh('hostname; pwd; id -u; echo $KEY', ({ process, ...config }) => {
      process.cwd = '/mnt';
      process.user.uid = 1234;
      process.env.push('KEY=value');
      config.linux.namespaces.push({ type: 'cgroup' });
    });
    expect(output.split('\n').slice(1)).toEqual(['/mnt', '1234', 'value', '']);
  },
);

clause(
  'If the runtime is unable to create the environment specified in the `config.json`, it MUST generate an error.',
  async (box) => {
    const container = box.container(({ mounts }) => {
      mounts.push({ destination: '/mnt', type: 'no-such-file-system', source: 'none' });
    });
    await error(container.create());
  },
);

clause(
  'While the resources requested in the `config.json` MUST be created, the user-specified program (from `process`) MUST NOT be run at this time.',
  'the resources are there',
  async (box) => {
    const container = await box.created();
    for (const kind of ['pid', 'net', 'ipc', 'uts', 'mnt'])
      expect(readlinkSync(`/proc/${container.pid()}/ns/${kind}`)).not.toBe(
        readlinkSync(`/proc/self/ns/${kind}`),
      );
    expect(box.leftovers().filter((line) => line.startsWith('cgroup'))).not.toEqual([]);
  },
);

clause(
  'While the resources requested in the `config.json` MUST be created, the user-specified program (from `process`) MUST NOT be run at this time.',
  'the program has not run',
  async (box) => {
    const container = await box.created(printing('run'));
    expect(container.output()).toBe('');
    expect((await container.state()).status).toBe('created');
    expect(container.output()).toBe('');
  },
);

clause('Any updates to `config.json` after this step MUST NOT affect the container.', async (box) => {
  const container = await box.created(printing('before'));
  const config = container.readConfig();
  printing('after')(config);
  config.annotations = { 'org.example.later': 'yes' };
  container.configure(config);
  await container.start();
  expect(await container.exit()).toBe('before\n');
  expect((await container.state()).annotations ?? {}).not.toHaveProperty('org.example.later');
});

clause(
  'Any updates to `config.json` after this step MUST NOT affect the container.',
  'config.json is no longer valid',
  async (box) => {
    const container = await box.created(printing('before'));
    container.configure(invalid('nonsense'));
    await container.start();
    expect(await container.exit()).toBe('before\n');
    await container.delete();
  },
);

clause('The runtime MUST run the user-specified program, as specified by `process`.', async (box) => {
  const container = await box.started(printing('hello'));
  expect(await container.exit()).toBe('hello\n');
});

clause(
  'The container MUST be destroyed by undoing the steps performed during create phase (step 2).',
  async (box) => {
    const container = await box.started(printing('hello'));
    await container.exit();
    await container.delete();
    expect(await container.exists()).toBe(false);
    expect(box.leftovers()).toEqual([]);
  },
);
