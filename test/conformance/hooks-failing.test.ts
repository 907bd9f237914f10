import { join } from 'node:path';
import { expect } from 'vitest';
import { type HookKind, invalid } from './support/config.ts';
import { error } from './support/container.ts';
import { HookLog } from './support/hooks.ts';
import { section } from './support/section.ts';

const lifecycle = section('runtime.md, Lifecycle');
const clause = section('config.md, POSIX-platform Hooks');

const fails = (kind: HookKind) =>
  `If any \`${kind}\` hook fails, the runtime MUST generate an error, stop the container, and continue the lifecycle at step 12.`;

for (const kind of ['prestart', 'createRuntime', 'createContainer'] as const) {
  lifecycle(fails(kind), async (box) => {
    const log = new HookLog(box);
    const container = box.container((config) => {
      log.mounted(config);
      config.hooks = { [kind]: [log.hook(kind, 'exit 3')] };
    });
    await error(container.create());
    expect(log.order()).toEqual([kind]);
    // Step 12: it is destroyed.
    expect(await container.exists()).toBe(false);
    expect(box.leftovers()).toEqual([]);
  });

  lifecycle(fails(kind), 'step 13: the poststop hooks are invoked', async (box) => {
    const log = new HookLog(box);
    const container = box.container((config) => {
      log.mounted(config);
      config.hooks = { [kind]: [log.hook(kind, 'exit 3')], poststop: [log.hook('poststop')] };
    });
    await error(container.create());
    expect(log.order()).toEqual([kind, 'poststop']);
  });
}

lifecycle(fails('startContainer'), 'an error, and the program does not run', async (box) => {
  const log = new HookLog(box);
  const container = await box.created((config) => {
    log.mounted(config);
    config.hooks = { startContainer: [log.hook('startContainer', 'exit 3')] };
  });
  await error(container.start());
  expect(log.order()).toEqual(['startContainer']);
});

lifecycle(fails('startContainer'), 'the container stops', async (box) => {
  const log = new HookLog(box);
  const container = await box.created((config) => {
    log.mounted(config);
    config.process.args = ['sleep', '600'];
    config.hooks = { startContainer: [log.hook('startContainer', 'exit 3')] };
  });
  await container.start().catch(() => {});
  await container.exit();
  expect(log.order()).toEqual(['startContainer']);
});

lifecycle(fails('poststart'), async (box) => {
  const log = new HookLog(box);
  const container = await box.created((config) => {
    log.mounted(config);
    config.process.args = ['sleep', '600'];
    config.hooks = { poststart: [log.hook('poststart', 'exit 3')] };
  });
  await error(container.start());
  await container.exit();
});

for (const kind of ['startContainer', 'poststart'] as const)
  lifecycle(
    fails(kind),
    'step 12 and 13: it is destroyed, and the poststop hooks are invoked',
    async (box) => {
      const log = new HookLog(box);
      const container = await box.created((config) => {
        log.mounted(config);
        config.process.args = ['sleep', '600'];
        config.hooks = { [kind]: [log.hook(kind, 'exit 3')], poststop: [log.hook('poststop')] };
      });
      await error(container.start());
      expect(log.order()).toEqual([kind, 'poststop']);
      expect(await container.exists()).toBe(false);
      expect(box.leftovers()).toEqual([]);
    },
  );

lifecycle(
  'If any `poststop` hook fails, the runtime MUST log a warning, but the remaining hooks and lifecycle continue as if the hook had succeeded.',
  async (box) => {
    const log = new HookLog(box);
    const container = await box.started((config) => {
      log.mounted(config);
      config.hooks = {
        poststop: [log.hook('poststop', 'exit 3', 'first'), log.hook('poststop', '', 'second')],
      };
    });
    await container.exit();
    await container.reaches('stopped');
    await container.delete();
    expect(log.order()).toEqual(['program', 'first', 'second']);
    expect(await container.exists()).toBe(false);
    expect(box.leftovers()).toEqual([]);
  },
);

for (const [name, script] of [
  ['the hook sleeps', 'exec sleep 600'],
  ['a child of the hook sleeps, and has its output', 'sleep 600; echo not aborted >>order'],
] as const)
  clause(
    '`timeout` (int, OPTIONAL) is the number of seconds before aborting the hook.',
    name,
    async (box) => {
      const log = new HookLog(box);
      const container = box.container((config) => {
        config.hooks = { createRuntime: [{ ...log.hook('createRuntime', script), timeout: 1 }] };
      });
      const began = Date.now();
      await error(container.create());
      expect(Date.now() - began).toBeGreaterThan(900);
      expect(log.order()).toEqual(['createRuntime']);
      expect(await container.exists()).toBe(false);
    },
  );

for (const timeout of [0, -1])
  clause('If set, `timeout` MUST be greater than zero.', `${timeout}`, async (box) => {
    const log = new HookLog(box);
    const container = box.container((config) => {
      config.hooks = { createRuntime: [{ ...log.hook('createRuntime'), timeout }] };
    });
    await error(container.create());
    expect(log.order()).toEqual([]);
  });

for (const kind of ['createRuntime', 'startContainer'] as const)
  clause(
    'This specification extends the IEEE standard in that `path` MUST be absolute.',
    kind,
    async (box) => {
      const container = box.container((config) => {
        config.hooks = { [kind]: [{ path: 'bin/true', args: ['true'] }] };
      });
      await error(container.create().then(() => container.start()));
    },
  );

clause('The value of `path` MUST resolve in the runtime namespace.', 'it does not', async (box) => {
  const container = box.container((config) => {
    config.hooks = { createRuntime: [{ path: join(box.directory, 'missing') }] };
  });
  await error(container.create());
  expect(await container.exists()).toBe(false);
});

clause(
  'The value of `path` MUST resolve in the container namespace.',
  'it does only on the host',
  async (box) => {
    const log = new HookLog(box);
    const container = box.container((config) => {
      config.hooks = { startContainer: [log.hook('createRuntime', '', 'on-the-host')] };
    });
    await error(container.create().then(() => container.start()));
    expect(log.order()).toEqual([]);
  },
);

clause(
  '`hooks` (object, OPTIONAL) MAY contain any of the following properties:',
  'args is no array',
  async (box) => {
    const container = box.container((config) => {
      config.hooks = { createRuntime: [{ path: '/bin/true', args: invalid('true') }] };
    });
    await error(container.create());
  },
);
