/** The process that keeps a cgroup from being empty: what systemd would remove stays until the helper has read it. */
import { existsSync, readFileSync, rmdirSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import * as K from '../../src/kernel/constants.ts';
import type { Op } from '../../src/kernel/ops.ts';
import { realDoor } from '../../src/kernel/real-door.ts';
import { readCgroupHost } from '../../src/runtime/cgroup-facts.ts';

const { v2Mount = '' } = readCgroupHost();
const why = 'a test';

/** A plan that holds a cgroup, runs a script on the host, and at the end does `last`, and then removes the cgroup. */
function hold(cgroup: string, script: string, last: readonly Op[]) {
  const ops: readonly Op[] = [
    { op: 'mkdir', path: cgroup, mode: 0o755, why },
    { op: 'open', into: 'holder', path: cgroup, flags: K.O_PATH + K.O_DIRECTORY, mode: 0, resolve: 0, why },
    { op: 'hold_cgroup', cgroup: 'holder', why },
    {
      ...{ op: 'run_hook', path: '/bin/sh', args: ['sh', '-c', script, 'sh', cgroup], env: [] },
      ...{ timeout: 20_000, state: '', rest: '', why },
    },
  ];
  const cleanup: readonly Op[] = [{ op: 'rmdir', path: cgroup, why }, ...last];
  const { report } = realDoor.run({
    groups: [
      { who: 'cleanup', title: 'end', ops: cleanup },
      { who: 'host', title: 'begin', ops },
    ],
    monitor: { interactive: false },
    reporter: [],
  });
  expect(report.failure).toBeUndefined();
  return report.trace.find(({ op }) => op.op === 'rmdir');
}

test('a cgroup that is held is not empty, whatever signal comes, until it is released', () => {
  const cgroup = `${v2Mount}/tsrun-test-hold-${process.pid}`;
  const stays = `
    set -e
    read holder <$1/cgroup.procs
    for signal in TERM HUP INT QUIT STOP CONT USR1; do kill -$signal $holder; done
    read still <$1/cgroup.procs
    [ $holder = $still ]
    until [ $(cat /proc/$holder/comm) = tsrun-hold ] && [ -z "$(ls /proc/$holder/fd)" ]; do sleep 0.05; done`;
  const removed = hold(cgroup, stays, [{ op: 'release_cgroup', why }]);
  expect(removed?.result).toBe(0);
  expect(existsSync(cgroup)).toBe(false);
});

test('the holder dies with the helper', async () => {
  const cgroup = `${v2Mount}/tsrun-test-held-${process.pid}`;
  onTestFinished(() => rmdirSync(cgroup));
  expect(hold(cgroup, '', [])?.result).toBe(-16 /* EBUSY */);
  await expect.poll(() => readFileSync(`${cgroup}/cgroup.procs`, 'utf8')).toBe('');
});
