import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { invalid, without } from './support/config.ts';
import { error } from './support/container.ts';
import { apparmor, compiler } from './support/host.ts';
import { section } from './support/section.ts';
import { inTerminal } from './support/terminal.ts';

const clause = section('config.md, Process');
const linux = section('config.md, Linux Process');

const TERMINAL =
  '`terminal` (bool, OPTIONAL) specifies whether a terminal is attached to the process, defaults to false.';
const ARGS =
  "This specification extends the IEEE standard in that at least one entry is REQUIRED (non-Windows), and that entry is used with the same semantics as `execvp`'s file.";

clause(TERMINAL, 'true', async (box) => {
  box.needs(compiler);
  const output = await inTerminal(box, 'tty; test -t 0 && test -t 1 && test -t 2 && echo three');
  expect(output).toMatch(/^\/dev\/(pts\/\d+|console)\r?\nthree\r?\n$/);
});

clause(TERMINAL, 'not set', async (box) => {
  expect(await box.sh('test -t 0 || test -t 1 || test -t 2 || echo none')).toBe('none\n');
});

clause(
  '`consoleSize` (object, OPTIONAL) specifies the console size in characters of the terminal.',
  async (box) => {
    box.needs(compiler);
    const output = await inTerminal(box, 'stty size', ({ process }) => {
      process.consoleSize = { height: 31, width: 97 };
    });
    expect(output.trim()).toBe('31 97');
  },
);

for (const terminal of [false, undefined])
  clause(
    'Runtimes MUST ignore `consoleSize` if `terminal` is `false` or unset.',
    `${terminal}`,
    async (box) => {
      const output = await box.sh('echo ran', ({ process }) => {
        process.consoleSize = { height: 31, width: 97 };
        if (terminal !== undefined) process.terminal = terminal;
      });
      expect(output).toBe('ran\n');
    },
  );

clause(
  '`cwd` (string, REQUIRED) is the working directory that will be set for the executable.',
  async (box) => {
    const output = await box.sh('pwd', ({ process }) => {
      process.cwd = '/tmp';
    });
    expect(output).toBe('/tmp\n');
  },
);

for (const cwd of ['tmp', '.', ''])
  clause('This value MUST be an absolute path.', `cwd is ${JSON.stringify(cwd)}`, async (box) => {
    const container = box.container(({ process }) => {
      process.cwd = cwd;
    });
    await error(container.create());
  });

clause(
  "`env` (array of strings, OPTIONAL) with the same semantics as IEEE Std 1003.1-2008's `environ`.",
  async (box) => {
    const env = ['PATH=/bin', 'KEY=value', 'EMPTY=', 'EQUALS=a=b', 'SPACES=a  b'];
    const container = await box.started(({ process }) => {
      process.env = env;
      process.args = ['env'];
    });
    const lines = (await container.exit()).trim().split('\n');
    // A runtime may set HOME from /etc/passwd where it is not given.
    expect(lines.filter((line) => !line.startsWith('HOME='))).toEqual(env);
  },
);

clause(ARGS, 'no entry', async (box) => {
  const container = box.container(({ process }) => {
    process.args = [];
  });
  await error(container.create().then(() => container.start()));
});

clause(ARGS, 'no args', async (box) => {
  const container = box.container(({ process }) => without(process, 'args'));
  await error(container.create().then(() => container.start()));
});

clause(ARGS, 'found in the PATH of its env', async (box) => {
  const container = box.container(({ process }) => {
    process.env = ['PATH=/nowhere:/opt:/bin'];
    process.args = ['only-here'];
  });
  writeFileSync(`${container.rootfs}/bin/only-here`, '#!/bin/sh\necho found $0\n', { mode: 0o755 });
  await container.create();
  await container.start();
  expect(await container.exit()).toBe('found /bin/only-here\n');
});

clause(ARGS, 'not in its PATH', async (box) => {
  const container = box.container(({ process }) => {
    process.env = ['PATH=/nowhere'];
    process.args = ['echo', 'ran'];
  });
  await error(container.create().then(() => container.start()));
  expect(container.output()).toBe('');
});

clause(ARGS, 'a path with a slash is not searched for', async (box) => {
  const container = await box.started(({ process }) => {
    process.env = ['PATH=/nowhere'];
    process.args = ['/bin/echo', 'ran'];
  });
  expect(await container.exit()).toBe('ran\n');
});

clause(ARGS, 'is no string', async (box) => {
  const container = box.container(({ process }) => {
    process.args = invalid([1]);
  });
  await error(container.create());
});

for (const given of [500, 0, 1000])
  linux(
    'If `oomScoreAdj` is set, the runtime MUST set `oom_score_adj` to the given value.',
    `${given}`,
    async (box) => {
      const output = await box.sh('cat /proc/self/oom_score_adj', ({ process }) => {
        process.oomScoreAdj = given;
      });
      expect(output).toBe(`${given}\n`);
    },
  );

linux(
  'If `oomScoreAdj` is not set, the runtime MUST NOT change the value of `oom_score_adj`.',
  async (box) => {
    const own = '/proc/self/oom_score_adj';
    const before = readFileSync(own, 'utf8');
    writeFileSync(own, `${Number(before) + 77}`);
    try {
      expect(await box.sh('cat /proc/self/oom_score_adj')).toBe(`${Number(before) + 77}\n`);
    } finally {
      writeFileSync(own, before);
    }
  },
);

linux(
  '`noNewPrivileges` (bool, OPTIONAL) setting `noNewPrivileges` to true prevents the process from gaining additional privileges.',
  async (box) => {
    const output = await box.sh('grep NoNewPrivs /proc/self/status', ({ process }) => {
      process.noNewPrivileges = true;
    });
    expect(output).toBe('NoNewPrivs:\t1\n');
  },
);

linux(
  '`apparmorProfile` (string, OPTIONAL) specifies the name of the AppArmor profile for the process.',
  async (box) => {
    box.needs(apparmor);
    const output = await box.sh('cat /proc/self/attr/current', ({ process }) => {
      process.apparmorProfile = 'unconfined';
    });
    expect(output).toContain('unconfined');
  },
);

/** Fields of /proc/PID/stat after the name, counted from field 3 as in proc_pid_stat(5). */
async function schedulingOf(output: string): Promise<{ nice: number; priority: number; policy: number }> {
  const fields = output.slice(output.lastIndexOf(')') + 2).split(' ');
  return { nice: Number(fields[16]), priority: Number(fields[37]), policy: Number(fields[38]) };
}

for (const [policy, number, rest, expected] of [
  ['SCHED_BATCH', 3, { nice: 5 }, { nice: 5, priority: 0 }],
  ['SCHED_IDLE', 5, {}, { nice: 0, priority: 0 }],
  ['SCHED_OTHER', 0, { nice: 7 }, { nice: 7, priority: 0 }],
] as const)
  linux('`policy` (string, REQUIRED) represents the scheduling policy.', policy, async (box) => {
    const output = await box.sh('cat /proc/self/stat', ({ process }) => {
      process.scheduler = { policy, ...rest };
    });
    expect(await schedulingOf(output)).toEqual({ policy: number, ...expected });
  });

for (const [name, expected] of [
  ['IOPRIO_CLASS_BE', 'best-effort: prio 6'],
  ['IOPRIO_CLASS_IDLE', 'idle'],
] as const)
  linux('`class` (string, REQUIRED) specifies the I/O scheduling class.', name, async (box) => {
    const output = await box.sh('ionice -p 1', ({ process }) => {
      process.ioPriority = { class: name, priority: name === 'IOPRIO_CLASS_BE' ? 6 : 0 };
    });
    expect(output.trim()).toContain(expected);
  });
