/**
 * Runs one plan in a process of its own, as `test/support/bundle.ts` asks: input as JSON in the file named first, the
 * outcome as JSON in the second. The container's standard streams are this process's.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { realDoor } from '../../src/kernel/real-door.ts';
import { planNetDevices, readNetDevices } from '../../src/network/plan-net-devices.ts';
import { planNetwork } from '../../src/network/plan-network.ts';
import { failureToError } from '../../src/runtime/failure.ts';
import { readHostFacts } from '../../src/runtime/host-facts.ts';
import { planContainer } from '../../src/runtime/plan.ts';
import { compileSeccomp } from '../../src/security/seccomp-compile.ts';
import type { BundleInput, Outcome } from './bundle.ts';

const input = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as BundleInput;
const here = readHostFacts();
const facts = input.withoutV2
  ? { ...here, cgroup: { ...here.cgroup, v2Mount: undefined, v2Controllers: [] } }
  : here;
const { seccomp: section, netDevices, namespaces } = input.spec.linux;
const isMade = namespaces.some(({ type, path }) => type === 'network' && path === undefined);
const plan = planContainer(
  {
    spec: { ...input.spec, linux: { ...input.spec.linux, cgroupsPath: input.scope ?? input.cgroupName } },
    cgroupManager: input.scope === undefined ? 'cgroupfs' : 'systemd',
    root: input.root,
    state: input.state,
    network: input.network && planNetwork(input.network, facts.ipv6),
    joined: input.joined,
    interactive: input.interactive,
    everyCgroup: input.everyCgroup,
    sourceType: (path) => (input.files.includes(path) ? 'file' : 'directory'),
    reporter: [],
    netDevices: netDevices && planNetDevices(readNetDevices(netDevices), isMade),
    identity: { ociVersion: '1.3.0', id: 'box', bundle: '/run/bundle' },
    seccomp: section === undefined ? undefined : compileSeccomp(section, facts.arch),
  },
  facts,
);
const { exitCode, report } = realDoor.run(plan);
const { failure } = report;
const outcome: Outcome = {
  exitCode,
  ...(failure === undefined
    ? {}
    : {
        failure: {
          op: failure.op.op,
          errno: failure.errno,
          detail: failure.detail,
          message: failureToError(failure).message,
          exitCode: failureToError(failure).exitCode,
        },
      }),
  trace: report.trace.map(({ op, group, outcome, result }) => ({
    op: op.op,
    who: group.who,
    outcome,
    result,
  })),
};
writeFileSync(process.argv[3] ?? '', JSON.stringify(outcome));
