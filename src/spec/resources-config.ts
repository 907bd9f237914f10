/** Reads the limits of a container that nobody has checked. config-linux.md, Control groups; schema/config-linux.json. */
import { parseSpecJson } from './exact-json.ts';
import type {
  BlockIoSpec,
  CpuSpec,
  DeviceNumber,
  DeviceRule,
  MemorySpec,
  NetworkResources,
  ResourcesSpec,
  Throttle,
} from './runtime.ts';
import {
  readBoolean,
  readInt,
  readList,
  readMap,
  readObject,
  readOptional,
  readOptionalText,
  readText,
  readUint,
  readUint32,
  readUint64,
  readWord,
  withoutAbsent,
  wrongShape,
} from './shape.ts';

const UINT16_MAX = 2 ** 16 - 1;
const UINT32_MAX = 2 ** 32 - 1;

/** The limits in the text of a file, as `update -r` takes it. Throws `SPEC_JSON` and `SPEC_SHAPE`. */
export function parseResources(text: string): ResourcesSpec {
  return readResources(parseSpecJson(text, 'the resources'), 'resources');
}

export function readResources(value: unknown, path: string): ResourcesSpec {
  const resources = readObject(value, path);
  const read = <T>(name: string, reader: (value: unknown, path: string) => T) =>
    readOptional(resources[name], `${path}.${name}`, reader);
  return withoutAbsent({
    devices: read('devices', (list, at) => readList(list, at, readDeviceRule)),
    memory: read('memory', readMemory),
    cpu: read('cpu', readCpu),
    pids: read('pids', readPids),
    blockIO: read('blockIO', readBlockIo),
    hugepageLimits: read('hugepageLimits', (list, at) => readList(list, at, readHugepageLimit)),
    network: read('network', readNetwork),
    rdma: read('rdma', (map, at) => readMap(map, at, readRdma)),
    unified: read('unified', (map, at) => readMap(map, at, readText)),
  });
}

function readDeviceRule(value: unknown, path: string): DeviceRule {
  const rule = readObject(value, path);
  const access = readOptionalText(rule.access, `${path}.access`);
  // Letters beside them are ignored, with a warning: runc does so, and there are configurations with an `a`.
  if (access !== undefined && !/^[a-z]*[rwm][a-z]*$/.test(access))
    throw wrongShape(access, `${path}.access`, 'some of r, w and m');
  // runc, and what it is configured by, writes -1 for every number.
  const number = (name: string) =>
    readOptional(rule[name], `${path}.${name}`, (item, at) => readInt(item, at, -1, UINT32_MAX));
  return withoutAbsent({
    allow: readBoolean(rule.allow, `${path}.allow`),
    type: readOptional(rule.type || null, `${path}.type`, (word, at) => readWord(word, at, ['a', 'b', 'c'])),
    major: number('major'),
    minor: number('minor'),
    access,
  });
}

function readMemory(value: unknown, path: string): MemorySpec {
  const memory = readObject(value, path);
  // Engines write 0 for one that nobody set, and runc takes it so: a program could not even begin with 0 bytes.
  const limit = (name: string) => readOptional(memory[name], `${path}.${name}`, readLimit) || undefined;
  return withoutAbsent({
    limit: limit('limit'),
    reservation: limit('reservation'),
    swap: limit('swap'),
    kernel: limit('kernel'),
    kernelTCP: limit('kernelTCP'),
    swappiness: readSwappiness(memory.swappiness, `${path}.swappiness`),
    disableOOMKiller: readOptional(memory.disableOOMKiller, `${path}.disableOOMKiller`, readBoolean),
    checkBeforeUpdate: readOptional(memory.checkBeforeUpdate, `${path}.checkBeforeUpdate`, readBoolean),
  });
}

/** Docker and Podman write 2^64-1, which is -1 in Go, for one that nobody set. */
function readSwappiness(value: unknown, path: string): number | undefined {
  if (value === 2n ** 64n - 1n) return undefined;
  return readOptional(value, path, (number, at) => readUint(number, at, 100));
}

function readCpu(value: unknown, path: string): CpuSpec {
  const cpu = readObject(value, path);
  const unsigned = (name: string) => readOptional(cpu[name], `${path}.${name}`, readTime);
  const signed = (name: string) =>
    readOptional(cpu[name], `${path}.${name}`, (time, at) => readInt(time, at, -1, Number.MAX_SAFE_INTEGER));
  return withoutAbsent({
    shares: unsigned('shares'),
    quota: signed('quota'),
    period: unsigned('period'),
    burst: unsigned('burst'),
    realtimeRuntime: signed('realtimeRuntime'),
    realtimePeriod: unsigned('realtimePeriod'),
    cpus: readOptionalText(cpu.cpus, `${path}.cpus`),
    mems: readOptionalText(cpu.mems, `${path}.mems`),
    idle: readOptional(cpu.idle, `${path}.idle`, (idle, at) => readUint(idle, at, 1)),
  });
}

/** Below 2^53, far above what the kernel takes for any of them. */
function readTime(value: unknown, path: string): number {
  return readUint(value, path, Number.MAX_SAFE_INTEGER);
}

function readPids(value: unknown, path: string): ResourcesSpec['pids'] {
  const limit = readOptional(readObject(value, path).limit, `${path}.limit`, readLimit);
  return limit === undefined ? undefined : { limit };
}

function readBlockIo(value: unknown, path: string): BlockIoSpec {
  const io = readObject(value, path);
  const weight = (object: Readonly<Record<string, unknown>>, name: string, at: string) =>
    readOptional(object[name], `${at}.${name}`, (number, where) => readUint(number, where, UINT16_MAX));
  const throttles = (name: string) =>
    readOptional(io[name], `${path}.${name}`, (list, at) => readList(list, at, readThrottle));
  return withoutAbsent({
    weight: weight(io, 'weight', path),
    leafWeight: weight(io, 'leafWeight', path),
    weightDevice: readOptional(io.weightDevice, `${path}.weightDevice`, (list, where) =>
      readList(list, where, (item, at) => {
        const device = readObject(item, at);
        const weights = {
          weight: weight(device, 'weight', at),
          leafWeight: weight(device, 'leafWeight', at),
        };
        if (weights.weight === undefined && weights.leafWeight === undefined)
          throw wrongShape(undefined, `${at}.weight`, 'a weight or a leafWeight');
        return withoutAbsent({ ...readDeviceNumber(device, at), ...weights });
      }),
    ),
    throttleReadBpsDevice: throttles('throttleReadBpsDevice'),
    throttleWriteBpsDevice: throttles('throttleWriteBpsDevice'),
    throttleReadIOPSDevice: throttles('throttleReadIOPSDevice'),
    throttleWriteIOPSDevice: throttles('throttleWriteIOPSDevice'),
  });
}

function readThrottle(value: unknown, path: string): Throttle {
  const throttle = readObject(value, path);
  const rate = readUint64(throttle.rate, `${path}.rate`);
  // A rate of 0 is no limit: so is one that no device reaches.
  return { ...readDeviceNumber(throttle, path), rate: rate > Number.MAX_SAFE_INTEGER ? 0 : Number(rate) };
}

function readDeviceNumber(device: Readonly<Record<string, unknown>>, path: string): DeviceNumber {
  return {
    major: readUint32(device.major, `${path}.major`),
    minor: readUint32(device.minor, `${path}.minor`),
  };
}

function readHugepageLimit(
  value: unknown,
  path: string,
): NonNullable<ResourcesSpec['hugepageLimits']>[number] {
  const limit = readObject(value, path);
  const pageSize = readText(limit.pageSize, `${path}.pageSize`);
  if (!/^[1-9][0-9]*[KMG]B$/.test(pageSize))
    throw wrongShape(pageSize, `${path}.pageSize`, 'a size such as 2MB');
  const bytes = readUint64(limit.limit, `${path}.limit`);
  return { pageSize, limit: bytes > Number.MAX_SAFE_INTEGER ? -1 : Number(bytes) };
}

function readNetwork(value: unknown, path: string): NetworkResources {
  const network = readObject(value, path);
  return withoutAbsent({
    classID: readOptional(network.classID, `${path}.classID`, readUint32),
    priorities: readOptional(network.priorities, `${path}.priorities`, (list, where) =>
      readList(list, where, (item, at) => {
        const one = readObject(item, at);
        return {
          name: readText(one.name, `${at}.name`),
          priority: readUint32(one.priority, `${at}.priority`),
        };
      }),
    ),
  });
}

function readRdma(value: unknown, path: string): NonNullable<ResourcesSpec['rdma']>[string] {
  const limits = readObject(value, path);
  const read = (name: string) => readOptional(limits[name], `${path}.${name}`, readUint32);
  const [hcaHandles, hcaObjects] = [read('hcaHandles'), read('hcaObjects')];
  if (hcaHandles === undefined && hcaObjects === undefined)
    throw wrongShape(undefined, `${path}.hcaHandles`, 'hcaHandles or hcaObjects');
  return withoutAbsent({ hcaHandles, hcaObjects });
}

/** A limit in bytes, or in processes; -1, or what no machine reaches, is none. */
function readLimit(value: unknown, path: string): number {
  if (typeof value === 'bigint' && value > 0n && value < 2n ** 63n) return -1;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value < 0 ? -1 : value;
  throw wrongShape(value, path, 'an integer from -2^63 to 2^63-1');
}
