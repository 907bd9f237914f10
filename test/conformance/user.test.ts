import { expect } from 'vitest';
import { section } from './support/section.ts';

const clause = section('config.md, POSIX-platform User');

clause('`uid` (int, REQUIRED) specifies the user ID in the container namespace.', async (box) => {
  const output = await box.sh('grep Uid: /proc/self/status', ({ process }) => {
    process.user.uid = 1234;
  });
  expect(output).toBe('Uid:\t1234\t1234\t1234\t1234\n');
});

clause('`gid` (int, REQUIRED) specifies the group ID in the container namespace.', async (box) => {
  const output = await box.sh('grep Gid: /proc/self/status', ({ process }) => {
    process.user.gid = 2345;
  });
  expect(output).toBe('Gid:\t2345\t2345\t2345\t2345\n');
});

clause('`umask` (int, OPTIONAL) specifies the umask of the user.', async (box) => {
  const output = await box.sh('umask', ({ process }) => {
    process.user.umask = 0o137;
  });
  expect(Number.parseInt(output, 8)).toBe(0o137);
});

clause(
  '`additionalGids` (array of ints, OPTIONAL) specifies additional group IDs in the container namespace to be added to the process.',
  async (box) => {
    const output = await box.sh('grep Groups: /proc/self/status', ({ process }) => {
      process.user = { uid: 1234, gid: 2345, additionalGids: [30, 40, 50] };
    });
    const groups = output.replace('Groups:', '').trim().split(' ');
    expect(groups).toEqual(expect.arrayContaining(['30', '40', '50']));
    // The primary group may be there too; nothing of the host's.
    expect(groups.filter((group) => !['30', '40', '50', '2345'].includes(group))).toEqual([]);
  },
);

clause(
  '`additionalGids` (array of ints, OPTIONAL) specifies additional group IDs in the container namespace to be added to the process.',
  'none are given',
  async (box) => {
    const output = await box.sh('grep Groups: /proc/self/status', ({ process }) => {
      process.user = { uid: 1234, gid: 2345 };
    });
    expect(['', '2345']).toContain(output.replace('Groups:', '').trim());
  },
);
