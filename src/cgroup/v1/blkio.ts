/** blkio.* of cgroup v1. Documentation/admin-guide/cgroup-v1/blkio-controller.rst, Documentation/block/bfq-iosched.rst. */
import type { BlockIoSpec, ResourcesSpec } from '../../spec/runtime.ts';
import { type Setting, setting } from '../setting.ts';

/** Each kind of throttle: OCI's name, the file, and its words. */
const THROTTLES = [
  ['throttleReadBpsDevice', 'blkio.throttle.read_bps_device', 'bytes read'],
  ['throttleWriteBpsDevice', 'blkio.throttle.write_bps_device', 'bytes written'],
  ['throttleReadIOPSDevice', 'blkio.throttle.read_iops_device', 'reads'],
  ['throttleWriteIOPSDevice', 'blkio.throttle.write_iops_device', 'writes'],
] as const satisfies readonly (readonly [keyof BlockIoSpec, string, string])[];

/** One line a write: the kernel reads no more. A rate of 0 takes the limit away. */
export function blkioSettings({ blockIO = {} }: ResourcesSpec): readonly Setting[] {
  return [
    ...setting(
      blockIO.weight || undefined,
      'blkio.bfq.weight',
      String,
      'Who wants the same disk gets it in proportion to the weights, where the bfq scheduler serves it.',
    ),
    ...(blockIO.weightDevice ?? []).flatMap(({ major, minor, weight }) =>
      setting(
        weight || undefined,
        'blkio.bfq.weight_device',
        (own) => `${major}:${minor} ${own}`,
        `The weight on the device ${major}:${minor} alone.`,
      ),
    ),
    ...THROTTLES.flatMap(([name, file, words]) =>
      (blockIO[name] ?? []).map(({ major, minor, rate }) => ({
        file,
        value: `${major}:${minor} ${rate}`,
        why: `On the device ${major}:${minor}, ${words} a second: what is more waits.`,
      })),
    ),
  ];
}
