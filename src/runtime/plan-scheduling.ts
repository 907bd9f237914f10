/** How the kernel serves the processes of the container: processors, disks, memory. sched(7), ioprio_set(2), set_mempolicy(2). */
import type { Op } from '../kernel/ops.ts';
import { TsrunError } from '../lib/errors.ts';
import { bitmaskOfList } from '../lib/number-list.ts';
import {
  IO_PRIORITY_CLASSES,
  type LinuxSpec,
  type MEMORY_POLICY_FLAGS,
  MEMORY_POLICY_MODES,
  type MemoryPolicySpec,
  type ProcessSpec,
  type SCHEDULER_FLAGS,
  SCHEDULER_POLICIES,
  type SchedulerSpec,
} from '../spec/runtime.ts';

/** include/uapi/linux/sched.h */
const SCHEDULER_BITS: Readonly<Record<(typeof SCHEDULER_FLAGS)[number], number>> = {
  SCHED_FLAG_RESET_ON_FORK: 0x01,
  SCHED_FLAG_RECLAIM: 0x02,
  SCHED_FLAG_DL_OVERRUN: 0x04,
  SCHED_FLAG_KEEP_POLICY: 0x08,
  SCHED_FLAG_KEEP_PARAMS: 0x10,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40,
};

/** include/uapi/linux/mempolicy.h */
const MEMORY_POLICY_BITS: Readonly<Record<(typeof MEMORY_POLICY_FLAGS)[number], number>> = {
  MPOL_F_NUMA_BALANCING: 1 << 13,
  MPOL_F_RELATIVE_NODES: 1 << 14,
  MPOL_F_STATIC_NODES: 1 << 15,
};

/** personality(2) */
const PERSONALITIES = { LINUX: 0, LINUX32: 8 } as const;

/** Inherited by whatever the program starts. It is asked for while the child has every right yet. */
export function planScheduling(
  { scheduler, ioPriority }: ProcessSpec,
  { memoryPolicy, personality, intelRdt }: LinuxSpec,
): readonly Op[] {
  if (intelRdt !== undefined)
    throw new TsrunError(
      'NO_RESCTRL',
      'Cannot honour linux.intelRdt: containers cannot be assigned to classes of resctrl',
      { hint: 'leave it out; tsrun has no support for Intel RDT' },
    );
  return [
    ...(scheduler === undefined ? [] : [planScheduler(scheduler)]),
    ...(ioPriority === undefined
      ? []
      : [
          {
            op: 'ioprio_set',
            // 0 is no class: the kernel then goes by the nice value.
            class: IO_PRIORITY_CLASSES.indexOf(ioPriority.class) + 1,
            level: ioPriority.priority,
            why: 'In which order its reads and writes are served, where the scheduler of the disk asks for it.',
          } as const,
        ]),
    ...(memoryPolicy === undefined ? [] : [planMemoryPolicy(memoryPolicy)]),
    ...(personality === undefined
      ? []
      : [
          {
            op: 'personality',
            persona: PERSONALITIES[personality.domain],
            why:
              personality.domain === 'LINUX32'
                ? 'uname tells of a 32-bit processor, for programs that build for one.'
                : 'The ordinary execution domain.',
          } as const,
        ]),
  ];
}

function planScheduler(scheduler: SchedulerSpec): Op {
  const { policy, nice = 0, priority = 0, runtime = 0, deadline = 0, period = 0, flags = [] } = scheduler;
  if (nice < -20 || nice > 19)
    throw new TsrunError('BAD_SCHEDULER', `Cannot use the nice value ${nice}: it lies between -20 and 19`);
  return {
    op: 'sched_setattr',
    policy: SCHEDULER_POLICIES.indexOf(policy),
    flags: flags.reduce((bits, flag) => bits | SCHEDULER_BITS[flag], 0),
    nice: nice >>> 0,
    priority: priority >>> 0,
    runtime,
    deadline,
    period,
    why: `The policy ${policy}: when it gets a processor that others want too.`,
  };
}

function planMemoryPolicy({ mode, nodes = '', flags = [] }: MemoryPolicySpec): Op {
  const bits = flags.reduce((all, flag) => all | MEMORY_POLICY_BITS[flag], 0);
  return {
    op: 'set_mempolicy',
    mode: MEMORY_POLICY_MODES.indexOf(mode) | bits,
    nodes: bitmaskOfList(nodes, 'the memory nodes'),
    why: `The policy ${mode}: from which memory nodes its memory comes.`,
  };
}

/** For a process that is added to a container: on which processors it runs. sched_setaffinity(2). */
export function planAffinity(cpus: string | undefined, why: string): readonly Op[] {
  if (cpus === undefined) return [];
  return [{ op: 'sched_setaffinity', cpus: bitmaskOfList(cpus, 'the processors'), why }];
}

/** proc_pid_oom_score_adj(5) */
export function planOomScore(score: number | undefined): readonly Op[] {
  if (score === undefined) return [];
  return [
    {
      op: 'write',
      at: 'child-proc',
      path: 'oom_score_adj',
      data: `${score}`,
      why: 'How soon the kernel ends the container when memory runs out.',
    },
  ];
}
