/** The QEMU machine: the full kernel, all controllers and modules, two processors; slow without KVM. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { TsrunError } from '../../src/lib/errors.ts';
import { initramfs } from './initramfs.ts';
import { debianKernel } from './kernel.ts';
import { GUEST_STDERR_FD, GUEST_STDIN_FD, GUEST_STDOUT_FD } from './leash.ts';
import type { VmOptions } from './options.ts';

const QEMU = '/usr/bin/qemu-system-x86_64';
const MODULES = ['virtio_pci', 'virtio_console', '9pnet_virtio', '9p', 'overlay'];

/**
 * All that can be had but protection keys: with them V8 (Node 22 to 26) guards the pages of compiled code, and a Node
 * that runs WebAssembly, as it does to strip types, ends in SIGSEGV or a failed check, once in 20 starts when emulated.
 */
const CPU = 'max,-pku';

/**
 * What an emulator has to pay for without a use here: erms and fsrm make copies one byte per turn of a loop instead of
 * eight, la57 makes page walks longer, smap and smep split the translated code of the kernel.
 */
const EMULATED_CPU = `${CPU},-erms,-fsrm,-la57,-smap,-smep`;

const ACCELERATION = {
  kvm: ['-accel', 'kvm', '-cpu', CPU],
  tcg: ['-accel', 'tcg,thread=multi', '-cpu', EMULATED_CPU],
};

/**
 * No mitigations: emulation pays for them many times over, and no secret lives in this machine. No random addresses:
 * the emulator keeps translated code by its address, so that the next process of a program finds it translated. The
 * kernel mistrusts an emulated time stamp counter, and the clock that it takes instead ends in the emulator each time.
 */
const KERNEL_ARGUMENTS =
  'quiet panic=-1 cgroup_no_v1=all apparmor=0 mitigations=off norandmaps tsc=reliable random.trust_cpu=on';

/** Ports by number, as the virtio-serial devices below give them; the kernel numbers the bus. */
const PORTS = [
  { name: 'stdout', fd: GUEST_STDOUT_FD, device: '/dev/vport*p1' },
  { name: 'stderr', fd: GUEST_STDERR_FD, device: '/dev/vport*p2' },
  { name: 'stdin', fd: GUEST_STDIN_FD, device: '/dev/vport*p3' },
];

/** The command line that boots a machine which reads its task from `runDirectory`. */
export function qemuCommand(
  options: VmOptions,
  accel: 'kvm' | 'tcg',
  runDirectory: string,
  cache: string,
): string[] {
  const kernel = debianKernel(cache);
  const append = [
    'TSRUN_HOST=9p',
    `TSRUN_RUN=${runDirectory}`,
    `TSRUN_MODULES=${join(kernel.root, 'lib/modules')}`,
    `TSRUN_DISK=${options.disk ? 'ext4' : ''}`,
    `TSRUN_SYSTEMD=${options.systemd ? 'yes' : ''}`,
    `TSRUN_PORTS=${PORTS.map((port) => port.device).join()}`,
  ];
  return [
    ...bareMachine(accel, options.memory, append.join(' '), cache),
    ...virtfs('/', 'hostroot', 'readonly=on'),
    ...options.rwDirs.flatMap((directory, index) => virtfs(directory, `rw${index}`, 'readonly=off')),
    ...['-device', 'virtio-serial-pci'],
    ...PORTS.flatMap(({ name, fd }, index) => [
      ...['-chardev', `socket,id=${name},fd=${fd}`],
      ...['-device', `virtserialport,chardev=${name},name=${name},nr=${index + 1}`],
    ]),
  ];
}

/** The least that boots our kernel and initramfs, with the console on QEMU's standard output. */
export function bareMachine(accel: 'kvm' | 'tcg', memory: string, append: string, cache: string): string[] {
  if (!existsSync(QEMU)) {
    throw new TsrunError('VM_QEMU_MISSING', `Cannot start the machine: ${QEMU} does not exist`, {
      hint: 'apt-get install qemu-system-x86',
    });
  }
  const kernel = debianKernel(cache);
  return [
    ...[QEMU, '-nodefaults', '-no-user-config', '-display', 'none', '-serial', 'stdio', '-no-reboot'],
    ...['-M', 'q35', '-smp', '2', '-m', memory, ...ACCELERATION[accel]],
    ...['-kernel', kernel.image, '-initrd', initramfs(kernel, MODULES, cache)],
    ...['-append', `console=ttyS0 ${KERNEL_ARGUMENTS} ${append}`],
  ];
}

/** multidevs=remap: the host's root spans several file systems, whose inode numbers may be the same. */
function virtfs(path: string, tag: string, mode: string): string[] {
  const escaped = path.replaceAll(',', ',,');
  return ['-virtfs', `local,path=${escaped},mount_tag=${tag},security_model=none,${mode},multidevs=remap`];
}
