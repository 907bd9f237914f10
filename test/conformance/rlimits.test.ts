import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { error } from './support/container.ts';
import { section } from './support/section.ts';

const clause = section('config.md, POSIX process');

/** [type, its name in /proc/PID/limits, soft, hard] */
const TYPES: readonly (readonly [string, string, number, number])[] = [
  ['RLIMIT_AS', 'Max address space', 2 ** 40, 2 ** 41],
  ['RLIMIT_CORE', 'Max core file size', 1024, 4096],
  ['RLIMIT_CPU', 'Max cpu time', 1000, 2000],
  ['RLIMIT_DATA', 'Max data size', 2 ** 34, 2 ** 35],
  ['RLIMIT_FSIZE', 'Max file size', 2 ** 30, 2 ** 31],
  ['RLIMIT_LOCKS', 'Max file locks', 10, 20],
  ['RLIMIT_MEMLOCK', 'Max locked memory', 32768, 65536],
  ['RLIMIT_MSGQUEUE', 'Max msgqueue size', 10000, 20000],
  ['RLIMIT_NICE', 'Max nice priority', 3, 5],
  ['RLIMIT_NOFILE', 'Max open files', 256, 512],
  ['RLIMIT_NPROC', 'Max processes', 1000, 2000],
  ['RLIMIT_RSS', 'Max resident set', 2 ** 30, 2 ** 31],
  ['RLIMIT_RTPRIO', 'Max realtime priority', 3, 5],
  ['RLIMIT_RTTIME', 'Max realtime timeout', 100000, 200000],
  ['RLIMIT_SIGPENDING', 'Max pending signals', 100, 200],
  ['RLIMIT_STACK', 'Max stack size', 2 ** 22, 2 ** 23],
];

/** Hard limits can only be lowered without CAP_SYS_RESOURCE. */
function ownHardLimit(name: string): number {
  const line = readFileSync('/proc/self/limits', 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${name} `));
  const [, hard] = line?.slice(name.length).trim().split(/\s+/) ?? [];
  return hard === undefined || hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard);
}

for (const [type, name, wantedSoft, wantedHard] of TYPES) {
  const hard = Math.min(wantedHard, ownHardLimit(name));
  const soft = Math.min(wantedSoft, hard);
  const limits = { soft, hard };

  for (const [sentence, index] of [
    ['`rlim.rlim_cur` MUST match the configured value.', 0],
    ['`rlim.rlim_max` MUST match the configured value.', 1],
  ] as const)
    clause(sentence, type, async (box) => {
      const output = await box.sh(`grep '^${name} ' /proc/self/limits`, ({ process }) => {
        process.rlimits = [{ type, ...limits }];
      });
      expect(output.slice(name.length).trim().split(/\s+/)[index]).toBe(`${[soft, hard][index]}`);
    });
}

for (const type of ['RLIMIT_NO_SUCH_THING', 'NOFILE', ''])
  clause(
    'The runtime MUST generate an error for any values which cannot be mapped to a relevant kernel interface.',
    JSON.stringify(type),
    async (box) => {
      const container = box.container(({ process }) => {
        process.rlimits = [{ type, soft: 100, hard: 100 }];
      });
      await error(container.create());
    },
  );

clause('For each entry in `rlimits`, a `getrlimit(3)` on `type` MUST succeed.', async (box) => {
  const output = await box.sh('cat /proc/self/limits', ({ process }) => {
    process.rlimits = TYPES.map(([type, name, soft, hard]) => ({
      type,
      soft: Math.min(soft, ownHardLimit(name)),
      hard: Math.min(hard, ownHardLimit(name)),
    }));
  });
  for (const [, name, soft] of TYPES)
    expect(output).toMatch(new RegExp(`^${name} +${Math.min(soft, ownHardLimit(name))} `, 'm'));
});

clause(
  'If `rlimits` contains duplicated entries with same `type`, the runtime MUST generate an error.',
  async (box) => {
    const container = box.container(({ process }) => {
      process.rlimits = [
        { type: 'RLIMIT_NOFILE', soft: 100, hard: 100 },
        { type: 'RLIMIT_NOFILE', soft: 200, hard: 200 },
      ];
    });
    await error(container.create());
  },
);
