/** Runs the op `dns` for a container that waits for the end of its input. The op's fields come as JSON in the first argument. */
import { openSync } from 'node:fs';
import * as K from '../../../src/kernel/constants.ts';
import type { Op, Plan } from '../../../src/kernel/ops.ts';
import { realDoor } from '../../../src/kernel/real-door.ts';

export interface Served {
  /** Files: the network namespace, and the directory of leases. */
  readonly netns: string;
  readonly networks: string;
  readonly container: string;
  readonly upstreams: readonly string[];
}

const served = JSON.parse(process.argv[2] ?? '') as Served;
const open = (into: string, path: string): Op => ({
  op: 'open',
  into,
  path,
  flags: 0,
  mode: 0,
  resolve: 0,
  why: '',
});
const plan: Plan = {
  groups: [
    {
      who: 'host',
      title: '',
      ops: [
        open('netns', served.netns),
        open('networks', served.networks),
        {
          op: 'dns',
          netns: 'netns',
          port: 53,
          networks: 'networks',
          container: served.container,
          upstreams: served.upstreams,
          why: '',
        },
        { op: 'clone3', pidfd: 'child', flags: 0, why: '' },
      ],
    },
    {
      who: 'child',
      title: '',
      ops: [
        { op: 'prctl', option: K.PR_SET_PDEATHSIG, arg2: K.SIGKILL, arg3: 0, arg4: 0, arg5: 0, why: '' },
        { op: 'execve', args: ['/bin/sh', '-c', 'echo ready && exec cat'], env: [], why: '' },
      ],
    },
  ],
  monitor: { interactive: false },
  reporter: [],
};
// One descriptor more than the standard ones is open in the helper: the service must not keep it.
openSync('/dev/zero', 'r');
const { exitCode, report } = realDoor.run(plan);
if (report.failure !== undefined) {
  const { op, errno, detail } = report.failure;
  process.stderr.write(`${op.op}: ${errno} ${detail}\n`);
}
process.exitCode = exitCode;
