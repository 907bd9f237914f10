/** The flags of `run` and `update` about resources → numbers. What they may be is said in engine/resource-options.ts. */
import { statSync } from 'node:fs';
import { deviceNumberOf } from '../engine/host-devices.ts';
import type { ResourceOptions } from '../engine/resource-options.ts';
import { parseByteSize } from '../lib/byte-size.ts';
import { errnoOf, TsrunError } from '../lib/errors.ts';
import type { DeviceRule, Throttle } from '../spec/runtime.ts';
import { type FlagTable, type FlagValues, type Syntax, usage } from './flags.ts';

/** What a container that runs can be given anew. */
export const UPDATE_FLAGS = {
  'blkio-weight': { type: 'text', value: 'WEIGHT', help: 'share of a busy disk, 10 to 1000' },
  'cpu-period': { type: 'text', value: 'MICROSECONDS', help: 'period that --cpu-quota counts over' },
  'cpu-quota': { type: 'text', value: 'MICROSECONDS', help: 'processor time in each period' },
  'cpu-rt-period': {
    type: 'text',
    value: 'MICROSECONDS',
    help: 'period that --cpu-rt-runtime counts over',
  },
  'cpu-rt-runtime': {
    type: 'text',
    value: 'MICROSECONDS',
    help: 'realtime in each period (cgroup v1)',
  },
  'cpu-shares': {
    short: 'c',
    type: 'text',
    value: 'SHARES',
    help: 'share of busy processors; 1024 is usual',
  },
  cpus: { type: 'text', value: 'NUMBER', help: "how many processors' time, such as 1.5" },
  'cpuset-cpus': { type: 'text', value: 'LIST', help: 'the processors to run on, such as 0-2,4' },
  'cpuset-mems': { type: 'text', value: 'LIST', help: 'the memory nodes to use' },
  'device-cgroup-rule': {
    type: 'list',
    value: 'RULE',
    help: 'allow a kind of device, such as "c 189:* rwm"',
  },
  memory: { short: 'm', type: 'text', value: 'SIZE', help: 'most memory, such as 512m' },
  'memory-reservation': { type: 'text', value: 'SIZE', help: 'memory it keeps when the host runs short' },
  'memory-swap': {
    type: 'text',
    value: 'SIZE',
    help: 'most memory and swap together; -1 for all swap; twice the memory when not given',
  },
  'pids-limit': { type: 'text', value: 'NUMBER', help: 'most processes and threads; -1 for any number' },
} as const satisfies FlagTable;

export const RESOURCE_FLAGS = {
  ...UPDATE_FLAGS,
  'device-read-bps': { type: 'list', value: 'DEVICE:SIZE', help: 'most bytes read a second' },
  'device-read-iops': { type: 'list', value: 'DEVICE:NUMBER', help: 'most reads a second' },
  'device-write-bps': { type: 'list', value: 'DEVICE:SIZE', help: 'most bytes written a second' },
  'device-write-iops': { type: 'list', value: 'DEVICE:NUMBER', help: 'most writes a second' },
  'memory-swappiness': {
    type: 'text',
    value: 'NUMBER',
    help: 'how readily memory goes to swap, 0 to 100 (cgroup v1)',
  },
  'oom-kill-disable': {
    type: 'switch',
    help: 'wait at the memory limit instead of being killed (cgroup v1)',
  },
} as const satisfies FlagTable;

type TextFlag = Exclude<keyof typeof UPDATE_FLAGS, 'device-cgroup-rule'>;

/** Flags that were not given are left out. */
export function updateOptions(flags: FlagValues<typeof UPDATE_FLAGS>, syntax: Syntax): ResourceOptions {
  const number = (flag: TextFlag) => parseNumber(flag, flags[flag], syntax);
  const size = (flag: TextFlag) => parseBytes(flag, flags[flag], syntax);
  return given({
    memory: size('memory'),
    memorySwap: flags['memory-swap'] === '-1' ? -1 : size('memory-swap'),
    memoryReservation: size('memory-reservation'),
    cpus: parseCpus(flags.cpus, syntax),
    cpuQuota: number('cpu-quota'),
    cpuPeriod: number('cpu-period'),
    cpuShares: number('cpu-shares'),
    cpuRtRuntime: number('cpu-rt-runtime'),
    cpuRtPeriod: number('cpu-rt-period'),
    cpusetCpus: flags['cpuset-cpus'],
    cpusetMems: flags['cpuset-mems'],
    pidsLimit: number('pids-limit'),
    blkioWeight: number('blkio-weight'),
    deviceRules: flags['device-cgroup-rule'].map((text) => parseDeviceRule(text, syntax)),
  });
}

export function resourceOptions(flags: FlagValues<typeof RESOURCE_FLAGS>, syntax: Syntax): ResourceOptions {
  const bytes = (flag: 'device-read-bps' | 'device-write-bps') =>
    flags[flag].map((text) => parseThrottle(flag, text, syntax, parseBytes));
  const operations = (flag: 'device-read-iops' | 'device-write-iops') =>
    flags[flag].map((text) => parseThrottle(flag, text, syntax, parseNumber));
  return {
    ...updateOptions(flags, syntax),
    ...given({
      memorySwappiness: parseNumber('memory-swappiness', flags['memory-swappiness'], syntax),
      oomKillDisable: flags['oom-kill-disable'] || undefined,
      readBps: bytes('device-read-bps'),
      writeBps: bytes('device-write-bps'),
      readIops: operations('device-read-iops'),
      writeIops: operations('device-write-iops'),
    }),
  };
}

function given(
  values: { readonly [K in keyof ResourceOptions]: ResourceOptions[K] | undefined },
): ResourceOptions {
  const isGiven = (value: unknown) => value !== undefined && !(Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(values).filter(([, value]) => isGiven(value)));
}

type Parse = (flag: string, text: string | undefined, syntax: Syntax) => number | undefined;

const parseNumber: Parse = (flag, text, syntax) => {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (/^-?\d+$/.test(text) && Number.isSafeInteger(number)) return number;
  throw usage(syntax, `--${flag} takes a whole number, not ${JSON.stringify(text)}`);
};

const parseBytes: Parse = (flag, text, syntax) => {
  if (text === undefined) return undefined;
  const bytes = parseByteSize(text);
  if (bytes !== undefined) return bytes;
  throw usage(syntax, `--${flag} takes a size such as 512m or 1g, not ${JSON.stringify(text)}`);
};

function parseCpus(text: string | undefined, syntax: Syntax): number | undefined {
  if (text === undefined) return undefined;
  if (/^(\d+\.?\d*|\.\d+)$/.test(text)) return Number(text);
  throw usage(syntax, `--cpus takes a number such as 1.5, not ${JSON.stringify(text)}`);
}

/** `/dev/sda:1mb`: the device by its node on the host. */
function parseThrottle(flag: string, text: string, syntax: Syntax, parse: Parse): Throttle {
  const [, path = '', amount = ''] = /^(\/dev\/.+):([^:]*)$/.exec(text) ?? [];
  if (path === '')
    throw usage(
      syntax,
      `--${flag} takes a device below /dev and a rate, such as /dev/sda:1m, not ${JSON.stringify(text)}`,
    );
  const rate = parse(flag, amount, syntax) ?? 0;
  if (rate < 0) throw usage(syntax, `--${flag} takes no negative rate: ${JSON.stringify(text)}`);
  return { ...blockDevice(path, flag), rate };
}

function blockDevice(path: string, flag: string): { readonly major: number; readonly minor: number } {
  try {
    const found = statSync(path);
    if (found.isBlockDevice()) return deviceNumberOf(found.rdev);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  throw new TsrunError('NO_DEVICE', `Cannot use --${flag} ${path}: there is no such disk`, {
    hint: 'lsblk -p lists them',
  });
}

/** `c 189:* rwm`, as the files of cgroup v1 have it. */
function parseDeviceRule(text: string, syntax: Syntax): DeviceRule {
  const [, type = '', major = '', minor = '', access = ''] =
    /^([abc]) (\*|\d+):(\*|\d+) ([rwm]{1,3})$/.exec(text) ?? [];
  if (type === '')
    throw usage(
      syntax,
      `--device-cgroup-rule takes a rule such as "c 189:* rwm", not ${JSON.stringify(text)}`,
    );
  const number = (n: string) => (n === '*' ? -1 : Number(n));
  return { allow: true, type: type as 'a' | 'b' | 'c', major: number(major), minor: number(minor), access };
}
