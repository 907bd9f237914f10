import { readlinkSync } from 'node:fs';
import { expect } from 'vitest';
import type { Box } from './support/box.ts';
import { HOOK_KINDS, type HookKind } from './support/config.ts';
import { type Container, until } from './support/container.ts';
import { HookLog } from './support/hooks.ts';
import { section } from './support/section.ts';

const lifecycle = section('runtime.md, Lifecycle');
const state = section('runtime.md, State');
const clause = section('config.md, POSIX-platform Hooks');

const CREATE_HOOKS = ['prestart', 'createRuntime', 'createContainer'] as const;
const RUNTIME_HOOKS = ['prestart', 'createRuntime', 'poststart', 'poststop'] as const;
const CONTAINER_HOOKS = ['createContainer', 'startContainer'] as const;
const TITLES: Readonly<Record<HookKind, string>> = {
  prestart: 'Prestart',
  createRuntime: 'CreateRuntime Hooks',
  createContainer: 'CreateContainer Hooks',
  startContainer: 'StartContainer Hooks',
  poststart: 'Poststart',
  poststop: 'Poststop',
};
const of = (kind: HookKind) => section(`config.md, ${TITLES[kind]}`);

/** A whole life of a container with one hook of each of these kinds, all with the same script. */
async function live(
  box: Box,
  kinds: readonly HookKind[],
  script = '',
): Promise<{ log: HookLog; container: Container }> {
  const log = new HookLog(box);
  const container = await box.started((config) => {
    log.mounted(config);
    config.hooks = Object.fromEntries(kinds.map((kind) => [kind, [log.hook(kind, script)]]));
  });
  await container.exit();
  await container.reaches('stopped');
  await container.delete();
  return { log, container };
}

for (const kind of HOOK_KINDS)
  lifecycle(`The \`${kind}\` hooks MUST be invoked by the runtime.`, async (box) => {
    const { log } = await live(box, [kind]);
    expect(log.order().filter((name) => name !== 'program')).toEqual([kind]);
  });

clause('Hooks MUST be called in the listed order.', async (box) => {
  const log = new HookLog(box);
  const names = ['one', 'two', 'three'];
  const container = await box.started((config) => {
    log.mounted(config);
    config.hooks = Object.fromEntries(
      HOOK_KINDS.map((kind) => [kind, names.map((name) => log.hook(kind, '', `${kind}-${name}`))]),
    );
  });
  await container.exit();
  await container.reaches('stopped');
  await container.delete();
  for (const kind of HOOK_KINDS)
    expect(log.order().filter((name) => name.startsWith(`${kind}-`))).toEqual(
      names.map((name) => `${kind}-${name}`),
    );
});

const STATE =
  'The state of the container MUST be passed to hooks over stdin so that they may do work appropriate to the current state of the container.';

/** runtime.md, State: create is over when it returns; other names are allowed for what the four do not mean. */
const STATUS: Readonly<Record<HookKind, RegExp>> = {
  prestart: /^creat(ing|ed)$/,
  createRuntime: /^creat(ing|ed)$/,
  createContainer: /^creat(ing|ed)$/,
  startContainer: /^(?!creating|running|stopped)/,
  poststart: /^running$/,
  poststop: /^stopped$/,
};

for (const kind of HOOK_KINDS)
  clause(STATE, kind, async (box) => {
    const { log, container } = await live(box, [kind]);
    expect(log.state(kind)).toMatchObject({
      id: container.id,
      bundle: container.bundle,
      ociVersion: expect.any(String),
      status: expect.stringMatching(STATUS[kind]),
    });
  });

state('For hooks executed in the runtime namespace, it is the pid as seen by the runtime.', async (box) => {
  const { log, container } = await live(box, ['prestart', 'createRuntime', 'poststart']);
  for (const kind of ['prestart', 'createRuntime', 'poststart'])
    expect([kind, log.state(kind).pid]).toEqual([kind, container.pid()]);
});

state(
  'For hooks executed in the container namespace, it is the pid as seen by the container.',
  async (box) => {
    const { log } = await live(box, CONTAINER_HOOKS);
    for (const kind of CONTAINER_HOOKS) expect([kind, log.state(kind).pid]).toEqual([kind, 1]);
  },
);

for (const kind of CREATE_HOOKS) {
  const sentence = `The \`${kind}\` hooks MUST be called as part of the \`create\` operation after the runtime environment has been created (according to the configuration in config.json) but before the \`pivot_root\` or any equivalent operation has been executed.`;

  of(kind)(sentence, 'as part of create', async (box) => {
    const log = new HookLog(box);
    await box.created((config) => {
      log.mounted(config);
      config.hooks = { [kind]: [log.hook(kind)] };
    });
    expect(log.order()).toEqual([kind]);
  });

  of(kind)(sentence, 'after the environment: namespaces and mounts', async (box) => {
    const log = new HookLog(box);
    // createContainer hooks are in the container's namespaces themselves.
    const who = kind === 'createContainer' ? 'self' : '$(sed "s/.*\\"pid\\": *\\([0-9]*\\).*/\\1/" <compact)';
    const script = `tr -d "\\n" <${kind}.state >compact; p=${who}; readlink /proc/$p/ns/mnt; readlink /proc/$p/ns/net; readlink /proc/$p/ns/uts; cat /proc/$p/mountinfo`;
    const container = await box.created((config) => {
      log.mounted(config);
      config.hooks = { [kind]: [log.hook(kind, script)] };
    });
    const output = log.output(kind);
    for (const type of ['mnt', 'net', 'uts'])
      expect(output).toContain(readlinkSync(`/proc/${container.pid()}/ns/${type}`));
    expect(output).toMatch(new RegExp(`${container.rootfs}/hooks `));
    expect(output).toMatch(new RegExp(`${container.rootfs}/proc .* - proc `));
  });

  of(kind)(sentence, 'before pivot_root', async (box) => {
    const log = new HookLog(box);
    const who = kind === 'createContainer' ? 'self' : '$(sed "s/.*\\"pid\\": *\\([0-9]*\\).*/\\1/" <compact)';
    const script = `tr -d "\\n" <${kind}.state >compact; ls /proc/${who}/root${log.directory}`;
    await box.created((config) => {
      log.mounted(config);
      config.hooks = { [kind]: [log.hook(kind, script)] };
    });
    // The host's path to this directory leads there only while the root is still the host's.
    expect(log.output(kind)).toContain(`${kind}.state`);
  });
}

of('prestart')('The `prestart` hooks MUST be called before the `createRuntime` hooks.', async (box) => {
  const { log } = await live(box, ['createRuntime', 'prestart']);
  expect(log.order()).toEqual(['prestart', 'createRuntime', 'program']);
});

of('createContainer')(
  'The `createContainer` hooks MUST be called after the `createRuntime` hooks.',
  async (box) => {
    const { log } = await live(box, ['createContainer', 'createRuntime']);
    expect(log.order()).toEqual(['createRuntime', 'createContainer', 'program']);
  },
);

of('startContainer')(
  'The `startContainer` hooks MUST be called before the user-specified process is executed as part of the `start` operation.',
  async (box) => {
    const log = new HookLog(box);
    const container = await box.created((config) => {
      log.mounted(config);
      config.hooks = { startContainer: [log.hook('startContainer', 'sleep 0.3; echo done >>order')] };
    });
    expect(log.order()).toEqual([]);
    await container.start();
    await container.exit();
    expect(log.order()).toEqual(['startContainer', 'done', 'program']);
  },
);

of('poststart')(
  'The `poststart` hooks MUST be called after the user-specified process is executed but before the `start` operation returns.',
  async (box) => {
    const log = new HookLog(box);
    const script =
      'pid=$(tr -d "\\n" <poststart.state | sed "s/.*\\"pid\\": *\\([0-9]*\\).*/\\1/"); sleep 0.3; cat /proc/$pid/cmdline; echo done >>order';
    const container = await box.created((config) => {
      log.mounted(config);
      config.process.args = ['sleep', '600'];
      config.hooks = { poststart: [log.hook('poststart', script)] };
    });
    expect(log.order()).toEqual([]);
    await container.start();
    expect(log.order()).toEqual(['poststart', 'done']);
    expect(log.output('poststart')).toBe('sleep\x00600\x00');
  },
);

of('poststop')(
  'The `poststop` hooks MUST be called after the container is deleted but before the `delete` operation returns.',
  async (box) => {
    const log = new HookLog(box);
    const container = await box.started((config) => {
      log.mounted(config);
      config.hooks = { poststop: [log.hook('poststop', 'sleep 0.3; cat /proc/*/cgroup; echo done >>order')] };
    });
    await container.exit();
    await container.reaches('stopped');
    expect(log.order()).toEqual(['program']);
    await container.delete();
    expect(log.order()).toEqual(['program', 'poststop', 'done']);
    expect(log.output('poststop')).not.toMatch(new RegExp(`${box.name}-1$`, 'm'));
  },
);

const NAMESPACES = 'for type in mnt net uts ipc; do readlink /proc/self/ns/$type; done';
const TYPES = ['mnt', 'net', 'uts', 'ipc'];

for (const kind of RUNTIME_HOOKS)
  of(kind)(`The \`${kind}\` hooks MUST be executed in the runtime namespace.`, async (box) => {
    const { log } = await live(box, [kind], NAMESPACES);
    expect(log.output(kind).trim().split('\n')).toEqual(
      TYPES.map((type) => readlinkSync(`/proc/self/ns/${type}`)),
    );
  });

for (const kind of CONTAINER_HOOKS)
  of(kind)(`The \`${kind}\` hooks MUST be executed in the container namespace.`, async (box) => {
    const log = new HookLog(box);
    const container = await box.started((config) => {
      log.mounted(config);
      config.process.args = ['sleep', '600'];
      config.hooks = { [kind]: [log.hook(kind, NAMESPACES)] };
    });
    await until(`the ${kind} hook has run`, () => log.output(kind).includes('ipc:'));
    expect(log.output(kind).trim().split('\n')).toEqual(
      TYPES.map((type) => readlinkSync(`/proc/${container.pid()}/ns/${type}`)),
    );
  });

for (const kind of [...RUNTIME_HOOKS, 'createContainer'] as const)
  of(kind)(`The \`${kind}\` hooks' path MUST resolve in the runtime namespace.`, async (box) => {
    // Nothing of the host is mounted: the path leads to a file there, and to none in the container.
    const log = new HookLog(box);
    const container = await box.started((config) => {
      config.process.args = ['true'];
      config.hooks = { [kind]: [log.hook(kind)] };
    });
    await container.exit();
    await container.reaches('stopped');
    await container.delete();
    expect(log.order()).toEqual([kind]);
  });

of('startContainer')(
  "The `startContainer` hooks' path MUST resolve in the container namespace.",
  async (box) => {
    const container = await box.started((config) => {
      config.hooks = { startContainer: [{ path: '/bin/touch', args: ['touch', '/tmp/from-hook'] }] };
      config.process.args = ['ls', '/tmp'];
      // touch is a link to busybox only in there.
      config.process.env = ['PATH=/bin'];
    });
    expect(await container.exit()).toBe('from-hook\n');
  },
);

lifecycle(
  'The `createRuntime` hooks MUST be invoked by the runtime.',
  'with its args and its env',
  async (box) => {
    const log = new HookLog(box);
    await box.created((config) => {
      const hook = log.hook('createRuntime', 'echo "$1" "$2"; env');
      config.hooks = {
        createRuntime: [
          { ...hook, args: ['zero', 'one', 'two words'], env: ['PATH=/bin:/usr/bin', 'KEY=value'] },
        ],
      };
    });
    const lines = log.output('createRuntime').trim().split('\n');
    expect(lines[0]).toBe('one two words');
    // The shell adds PWD, and some also SHLVL and _.
    const added = /^(PWD|OLDPWD|SHLVL|_)=/;
    expect(
      lines
        .slice(1)
        .filter((line) => !added.test(line))
        .sort(),
    ).toEqual(['KEY=value', 'PATH=/bin:/usr/bin']);
  },
);
