import { expect, test } from 'vitest';
import { hostPath } from '../../../src/lib/brands.ts';
import { setPaused, whileFrozen } from '../../../src/runtime/bundle/freezer.ts';
import { signalAll } from '../../../src/runtime/bundle/signal.ts';

/** systemd removes the cgroups of a scope whose last process has ended. */
const GONE = { v2: hostPath('/nowhere/tsrun-x.scope/container'), v1: {} };

test('in a cgroup that is gone nobody has to be held, let go or killed', () => {
  let acted = false;
  whileFrozen(GONE, () => {
    acted = true;
  });
  expect(acted).toBe(true);
  setPaused(GONE, true);
  setPaused(GONE, false);
  signalAll(GONE, 9);
});
