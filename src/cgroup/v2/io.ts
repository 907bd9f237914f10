/** io.* of cgroup v2. Documentation/admin-guide/cgroup-v2.rst, IO. */
import type { BlockIoSpec, ResourcesSpec, Throttle } from '../../spec/runtime.ts';
import type { Setting } from '../setting.ts';

/** Each kind of throttle: OCI's name, the key in io.max, and its words. */
const THROTTLES = [
  ['throttleReadBpsDevice', 'rbps', 'bytes read'],
  ['throttleWriteBpsDevice', 'wbps', 'bytes written'],
  ['throttleReadIOPSDevice', 'riops', 'reads'],
  ['throttleWriteIOPSDevice', 'wiops', 'writes'],
] as const satisfies readonly (readonly [keyof BlockIoSpec, string, string])[];

/** Weights, and throttles in bytes or operations a second, of disks given by device number. */
export function ioSettings({ blockIO = {} }: ResourcesSpec): readonly Setting[] {
  return [...weights(blockIO), ...throttles(blockIO)];
}

/** Two schedulers know weights, each by a file of its own: bfq and the io.cost model. Which one serves a disk is the host's choice. */
function weights({ weight, weightDevice = [] }: BlockIoSpec): readonly Setting[] {
  const asked = [
    ...(weight ? [{ device: 'default', weight }] : []),
    ...weightDevice.flatMap(({ major, minor, weight: own }) =>
      own ? [{ device: `${major}:${minor}`, weight: own }] : [],
    ),
  ];
  return asked.flatMap((one): readonly Setting[] => [
    {
      file: 'io.bfq.weight',
      value: `${one.device} ${one.weight}`,
      why: 'Who wants the same disk gets it in proportion to the weights, where the bfq scheduler serves it.',
      tolerate: ['ENOENT'],
    },
    {
      file: 'io.weight',
      value: `${one.device} ${ioWeight(one.weight)}`,
      why: 'The same for disks with the io.cost model: 10 to 1000 become 1 to 10000, 100 is usual here.',
    },
  ]);
}

/** OCI's range onto that of io.weight, linearly, as runc and crun have it. */
export function ioWeight(weight: number): number {
  return 1 + Math.floor(((weight - 10) * 9999) / 990);
}

/** A line for each device: the kernel keeps what a line does not mention. A rate of 0 takes the limit away. */
function throttles(blockIO: BlockIoSpec): readonly Setting[] {
  const limits = THROTTLES.flatMap(([name, key, words]) =>
    (blockIO[name] ?? []).map((one: Throttle) => ({ ...one, key, words })),
  );
  const byDevice = Map.groupBy(limits, ({ major, minor }) => `${major}:${minor}`);
  return [...byDevice].map(([device, ones]) => ({
    file: 'io.max',
    value: [device, ...ones.map(({ key, rate }) => `${key}=${rate || 'max'}`)].join(' '),
    why: `On the device ${device}, ${ones.map(({ words }) => words).join(', ')} a second: what is more waits.`,
  }));
}
