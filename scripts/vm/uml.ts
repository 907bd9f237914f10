/** The user-mode-linux machine: a kernel that is a program. Boots fast; one processor, fewer controllers. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TsrunError } from '../../src/lib/errors.ts';
import { initramfs } from './initramfs.ts';
import { umlKernel } from './kernel.ts';
import { GUEST_STDERR_FD, GUEST_STDOUT_FD } from './leash.ts';
import type { VmOptions } from './options.ts';

const MODULES = ['overlay'];

/**
 * hostfs would let the guest's root write to the host, whatever its mount says. So the kernel program itself
 * runs where / is read-only, but for its run directory and the directories that are to be written. Its memory
 * is a file in $TMPDIR and the like, or else in /dev/shm, which can be written.
 * No exec at the end: after a panic the program aborts itself, and as PID 1 of a namespace it would be immune
 * to its own signal and spin for ever.
 */
const READ_ONLY_HOST = `
while [ "$1" != -- ]; do mount --bind "$1" "$1"; shift; done
shift
mount -o remount,bind,ro /
unset TMP TEMP TMPDIR
"$@"`;

/** raid6 measures its algorithms for 0.9 s in every boot, for a btrfs that nobody mounts here. */
const KERNEL_ARGUMENTS =
  'quiet panic=-1 printk.time=1 cgroup_no_v1=all lsm= initcall_blacklist=raid6_select_algo';

/**
 * Whether this computer's processor lets it run. It sets the registers of its processes with PTRACE_SETREGSET, which
 * takes all of them or none, and Linux 6.1 has no room for the 8 KiB of AMX: its init would end in a panic.
 */
export function umlRunsHere(): boolean {
  return !/^flags\b.*\bamx_tile\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
}

/** The command line that boots a machine which reads its task from `runDirectory`. */
export function umlCommand(options: VmOptions, runDirectory: string, cache: string): string[] {
  if (!umlRunsHere()) {
    throw new TsrunError(
      'VM_UML_AMX',
      'Cannot start user-mode-linux: the processor has AMX, whose registers it cannot save',
      {
        hint: 'leave --uml out: QEMU runs here',
      },
    );
  }
  const kernel = umlKernel(cache);
  return [
    ...['sh', '-euc', READ_ONLY_HOST, 'sh', runDirectory, ...options.rwDirs, '--'],
    ...[kernel.image, `mem=${options.memory}`, `initrd=${initramfs(kernel, MODULES, cache)}`],
    ...[`uml_dir=${runDirectory}`, 'umid=uml', 'con=null', 'con0=null,fd:1', 'ssl=null'],
    ...[`ssl0=null,fd:${GUEST_STDOUT_FD}`, `ssl1=null,fd:${GUEST_STDERR_FD}`],
    ...[
      ...KERNEL_ARGUMENTS.split(' '),
      'TSRUN_HOST=hostfs',
      `TSRUN_RUN=${runDirectory}`,
      `TSRUN_DISK=${options.disk ? 'ext4' : ''}`,
      `TSRUN_SYSTEMD=${options.systemd ? 'yes' : ''}`,
    ],
    ...[`TSRUN_MODULES=${join(kernel.root, 'lib/modules')}`, 'TSRUN_PORTS=/dev/ttyS0,/dev/ttyS1,/dev/null'],
  ];
}
