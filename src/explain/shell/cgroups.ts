/** Ops on cgroups that are more than files: as writes to them, and as calls of busctl(1) to systemd. */
import {
  CHILD_PID,
  type DbusCall,
  type DbusRequest,
  type DbusValue,
  isVariant,
  splitTypes,
} from '../../kernel/dbus.ts';
import { quote } from './quote.ts';
import type { Translations } from './table.ts';

export const CGROUPS: Translations<
  'join_cgroup' | 'cgroup_device' | 'systemd_job' | 'hold_cgroup' | 'release_cgroup'
> = {
  join_cgroup: (op, sh) => sh.line(`echo "$CHILD" >${sh.variable(op.cgroup)}/cgroup.procs`),
  cgroup_device: (op, sh) =>
    sh.impossible(
      op,
      'no command of util-linux or coreutils loads a program into the kernel. The container may open every device of which it has, or can make, a node.',
    ),
  hold_cgroup: (op, sh) =>
    sh.line(
      `setpriv --pdeathsig KILL sh -c "trap '' TERM; exec sleep infinity" >/dev/null 2>&1 & HOLDER=$!`,
      `echo "$HOLDER" >${sh.variable(op.cgroup)}/cgroup.procs`,
    ),
  release_cgroup: (_op, sh) =>
    sh.line(`[ -z "\${HOLDER:-}" ] || { kill -KILL "$HOLDER"; wait "$HOLDER" 2>/dev/null || :; }`),
  systemd_job(op, sh) {
    const call = (op.request as DbusRequest).at(-1);
    if (call === undefined) throw new Error('a job of systemd without a call');
    sh.comment('busctl says which job was begun; systemd knows that job until it has ended.');
    sh.line(
      `JOB=$(busctl call ${callWords(call).join(' ')} | cut -d '"' -f 2)`,
      `[ -n "$JOB" ] || fail ${quote(`systemd refuses the unit ${op.unit}`)}`,
      `while busctl get-property ${call.destination} "$JOB" ${call.destination}.Job State >/dev/null 2>&1; do sleep 0.01; done`,
    );
  },
};

/** An array is its length and its elements; a variant its type and its value. busctl(1), "Parameter Formatting". */
function callWords({
  destination,
  path,
  interface: face,
  member,
  signature,
  body,
}: DbusCall): readonly string[] {
  const types = splitTypes(signature);
  return [
    destination,
    path,
    face,
    member,
    signature,
    ...body.flatMap((value, i) => words(types[i] ?? '', value)),
  ].map((word) => (word === CHILD ? word : quote(word)));
}

const CHILD = '"$CHILD"';

function words(type: string, value: DbusValue): readonly string[] {
  if (value === CHILD_PID) return [CHILD];
  if (isVariant(value)) return [value.signature, ...words(value.signature, value.value)];
  if (!Array.isArray(value)) return [String(value)];
  if (type.startsWith('a')) return [`${value.length}`, ...value.flatMap((one) => words(type.slice(1), one))];
  const fields = splitTypes(type.slice(1, -1));
  return value.flatMap((one, i) => words(fields[i] ?? '', one));
}
