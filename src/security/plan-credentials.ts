/** Who the program is and what it may do: capabilities(7), credentials(7). The order is the kernel's. */
import * as K from '../kernel/constants.ts';
import type { Op } from '../kernel/ops.ts';
import type { ProcessSpec } from '../spec/runtime.ts';
import { capabilityMask } from './capabilities.ts';

/** `available` is the bounding set of this host: capabilities outside of it cannot be given, and are left out. */
export function planCredentials(process: ProcessSpec, available: bigint): readonly Op[] {
  const { user } = process;
  const sets = process.capabilities ?? {};
  const mask = (names: readonly string[] | undefined) => capabilityMask(names ?? []) & available;
  const bounding = mask(sets.bounding);
  const permitted = mask(sets.permitted);
  const inheritable = mask(sets.inheritable);
  return [
    // Dropping from the bounding set needs CAP_SETPCAP, which is about to go.
    {
      op: 'drop_bounding',
      keep: bounding,
      why: 'No program in the container, set-user-ID or not, can ever gain another capability.',
    },
    {
      op: 'prctl',
      option: K.PR_SET_KEEPCAPS,
      arg2: 1,
      arg3: 0,
      arg4: 0,
      arg5: 0,
      why: 'The change of user would drop all capabilities; the permitted ones are needed once more below.',
    },
    // Groups first: a process that is no longer root may not change them.
    {
      op: 'setgroups',
      groups: user.additionalGids ?? [],
      why: "The supplementary groups of the user, and none of the caller's.",
    },
    { op: 'setresgid', gid: user.gid, why: 'The group of the program.' },
    {
      op: 'setresuid',
      uid: user.uid,
      why: 'The user of the program: the kernel checks files and signals against it from here on.',
    },
    {
      op: 'capset',
      effective: mask(sets.effective),
      permitted,
      inheritable,
      why: 'Exactly the capabilities that were asked for.',
    },
    // The kernel keeps the ambient set within the permitted and the inheritable one; what is outside is left out, as by runc.
    ...(inheritable === 0n
      ? []
      : [
          {
            op: 'ambient',
            mask: mask(sets.ambient) & permitted & inheritable,
            why: 'Capabilities that survive the exec of an ordinary program by an ordinary user.',
          } as const,
        ]),
  ];
}
