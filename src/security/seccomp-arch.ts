/**
 * The instruction sets a filter can meet on a host, and how their calls are told apart. One process may switch between
 * them at any time (`int $0x80` on x86_64), with other numbers for the same calls, so a filter looks at the
 * architecture before it looks at the number.
 */
import type { HostArch } from '../spec/docker-seccomp.ts';
import type { SeccompArchitecture } from '../spec/seccomp.ts';
import type { SYSCALL_TABLES } from './syscalls.gen.ts';

export interface FilterArch {
  readonly oci: SeccompArchitecture;
  readonly table: keyof typeof SYSCALL_TABLES;
  /** seccomp_data.arch: AUDIT_ARCH_* of include/uapi/linux/audit.h. */
  readonly audit: number;
  /** The first number; x32 calls share x86_64's audit value and are told apart by this bit. */
  readonly firstNumber: number;
  /** Numbers from here on are outside the sequence that all architectures extend. */
  readonly firstPrivateNumber: number;
  /** Width of a register as the call sees it; of a 32-bit call only the low words of arguments count. */
  readonly wordBits: 32 | 64;
}

/** Set in the number of every x32 call (__X32_SYSCALL_BIT). */
export const X32_BIT = 0x40000000;
/** ARM's private calls (set_tls, cacheflush) start here, far above all others. */
const ARM_PRIVATE_CALLS = 0x0f0000;
const NO_PRIVATE_CALLS = 0xffffffff;

const AUDIT_ARCH_X86_64 = 0xc000003e;
const AUDIT_ARCH_I386 = 0x40000003;
const AUDIT_ARCH_AARCH64 = 0xc00000b7;
const AUDIT_ARCH_ARM = 0x40000028;

/** What each host's kernel can run, its own first. */
export const HOST_ARCHITECTURES: Readonly<
  Record<HostArch, readonly [own: FilterArch, ...others: FilterArch[]]>
> = {
  x86_64: [
    {
      oci: 'SCMP_ARCH_X86_64',
      table: 'x86_64',
      audit: AUDIT_ARCH_X86_64,
      firstNumber: 0,
      firstPrivateNumber: NO_PRIVATE_CALLS,
      wordBits: 64,
    },
    {
      oci: 'SCMP_ARCH_X32',
      table: 'x32',
      audit: AUDIT_ARCH_X86_64,
      firstNumber: X32_BIT,
      firstPrivateNumber: NO_PRIVATE_CALLS,
      wordBits: 32,
    },
    {
      oci: 'SCMP_ARCH_X86',
      table: 'x86',
      audit: AUDIT_ARCH_I386,
      firstNumber: 0,
      firstPrivateNumber: NO_PRIVATE_CALLS,
      wordBits: 32,
    },
  ],
  aarch64: [
    {
      oci: 'SCMP_ARCH_AARCH64',
      table: 'aarch64',
      audit: AUDIT_ARCH_AARCH64,
      firstNumber: 0,
      firstPrivateNumber: NO_PRIVATE_CALLS,
      wordBits: 64,
    },
    {
      oci: 'SCMP_ARCH_ARM',
      table: 'arm',
      audit: AUDIT_ARCH_ARM,
      firstNumber: 0,
      firstPrivateNumber: ARM_PRIVATE_CALLS,
      wordBits: 32,
    },
  ],
};
