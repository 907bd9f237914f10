/** The system call filter. seccomp(2). */
import type { Op } from '../kernel/ops.ts';
import type { LinuxSeccomp } from '../spec/seccomp.ts';
import { compileSeccomp } from './seccomp-compile.ts';

export function planSeccomp(section: LinuxSeccomp | undefined, arch: 'x86_64' | 'aarch64'): readonly Op[] {
  if (section === undefined) return [];
  const { program, flags } = compileSeccomp(section, arch);
  return [
    {
      op: 'seccomp',
      flags,
      program,
      why: `A filter of ${program.length / 8} instructions decides about every system call from here on: what is not on its list is refused.`,
    },
  ];
}
