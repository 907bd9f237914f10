/** What Linux security modules know the program by: AppArmor's profile, SELinux' label. apparmor(7), selinux(8). */
import type { Op } from '../kernel/ops.ts';
import { escapeForTerminal, TsrunError } from '../lib/errors.ts';
import type { MountSpec, ProcessSpec, RuntimeSpec } from '../spec/runtime.ts';
import { planOwnProc } from './own-proc.ts';

export type SecurityModule = 'apparmor' | 'selinux';

/** "A field that the host cannot honour is an error": a container would run with fewer limits than it was given. */
export function checkLabels(
  { process }: Pick<RuntimeSpec, 'process'>,
  modules: readonly SecurityModule[],
): void {
  const asked = [
    ['process.apparmorProfile', process.apparmorProfile, 'apparmor'],
    ['process.selinuxLabel', process.selinuxLabel, 'selinux'],
  ] as const;
  for (const [name, value, module] of asked) {
    // An unconfined process is what there is without AppArmor.
    if (value === undefined || value === 'unconfined' || modules.includes(module)) continue;
    throw new TsrunError(
      'NO_SECURITY_MODULE',
      `Cannot honour ${name} ${JSON.stringify(escapeForTerminal(value))}: this kernel has no ${module === 'apparmor' ? 'AppArmor' : 'SELinux'}`,
      { hint: 'leave it out, or boot a kernel that has it enabled' },
    );
  }
}

/**
 * Written through a procfs of the container's own, by descriptor: under another file of that name the program would run with
 * no label at all (CVE-2019-16884). The kernel keeps it for the next exec.
 */
export function planLabels(
  { apparmorProfile, selinuxLabel }: ProcessSpec,
  mounts: readonly MountSpec[],
  modules: readonly SecurityModule[],
): readonly Op[] {
  const writes = [
    ...(apparmorProfile === undefined || !modules.includes('apparmor')
      ? []
      : [
          label(
            'attr/apparmor/exec',
            `exec ${apparmorProfile}`,
            `AppArmor holds the program to its profile ${apparmorProfile}.`,
          ),
        ]),
    ...(selinuxLabel === undefined
      ? []
      : [
          label('attr/exec', selinuxLabel, `SELinux decides about the program by the label ${selinuxLabel}.`),
        ]),
  ];
  return writes.length === 0 ? [] : [...planOwnProc(mounts), ...writes];
}

function label(file: string, data: string, why: string): Op {
  return { op: 'write', at: 'proc', path: `thread-self/${file}`, data, why };
}
