/** Reads the section `linux` of a runtime configuration that nobody has checked. config-linux.md, schema/config-linux.json. */
import { readResources } from './resources-config.ts';
import {
  type DeviceSpec,
  type IdMapping,
  type IntelRdtSpec,
  type LinuxSpec,
  MEMORY_POLICY_FLAGS,
  MEMORY_POLICY_MODES,
  type MemoryPolicySpec,
  NAMESPACE_TYPES,
  type NamespaceSpec,
} from './runtime.ts';
import { parseLinuxSeccomp } from './seccomp.ts';
import {
  readAbsolutePath,
  readBoolean,
  readInt,
  readList,
  readMap,
  readObject,
  readOptional,
  readOptionalText,
  readText,
  readTexts,
  readUint32,
  readWord,
  withoutAbsent,
  wrongShape,
} from './shape.ts';

/** With an r before each, as runc takes them too and Docker and Podman write them. */
const PROPAGATIONS = [
  'private',
  'shared',
  'slave',
  'unbindable',
  'rprivate',
  'rshared',
  'rslave',
  'runbindable',
] as const;

export function parseLinux(value: unknown, path: string): LinuxSpec {
  const linux = readObject(value, path);
  const at = (name: string) => `${path}.${name}`;
  const text = (name: string) => readOptionalText(linux[name], at(name));
  const list = <T>(name: string, read: (item: unknown, path: string) => T) =>
    readOptional(linux[name], at(name), (items, where) => readList(items, where, read));
  return withoutAbsent({
    namespaces: list('namespaces', readNamespace) ?? [],
    uidMappings: readOptional(linux.uidMappings, at('uidMappings'), readIdMappings),
    gidMappings: readOptional(linux.gidMappings, at('gidMappings'), readIdMappings),
    timeOffsets: readOptional(linux.timeOffsets, at('timeOffsets'), readTimeOffsets),
    devices: list('devices', readDevice),
    netDevices: readOptional(linux.netDevices, at('netDevices'), readNetDevices),
    sysctl: readOptional(linux.sysctl, at('sysctl'), (map, where) => readMap(map, where, readText)),
    seccomp: readOptional(linux.seccomp, at('seccomp'), parseLinuxSeccomp),
    maskedPaths: list('maskedPaths', readAbsolutePath),
    readonlyPaths: list('readonlyPaths', readAbsolutePath),
    rootfsPropagation: readOptional(linux.rootfsPropagation || null, at('rootfsPropagation'), (word, where) =>
      readWord(word, where, PROPAGATIONS),
    ),
    mountLabel: text('mountLabel'),
    personality: readOptional(linux.personality, at('personality'), readPersonality),
    memoryPolicy: readOptional(linux.memoryPolicy, at('memoryPolicy'), readMemoryPolicy),
    intelRdt: readOptional(linux.intelRdt, at('intelRdt'), readIntelRdt),
    cgroupsPath: text('cgroupsPath'),
    resources: readOptional(linux.resources, at('resources'), readResources),
  });
}

export function readIdMappings(value: unknown, path: string): readonly IdMapping[] {
  return readList(value, path, (item, at) => {
    const mapping = readObject(item, at);
    return {
      containerID: readUint32(mapping.containerID, `${at}.containerID`),
      hostID: readUint32(mapping.hostID, `${at}.hostID`),
      size: readUint32(mapping.size, `${at}.size`),
    };
  });
}

function readNamespace(value: unknown, path: string): NamespaceSpec {
  const namespace = readObject(value, path);
  const file = readOptionalText(namespace.path, `${path}.path`);
  if (file !== undefined && !file.startsWith('/')) throw wrongShape(file, `${path}.path`, 'an absolute path');
  return withoutAbsent({ type: readWord(namespace.type, `${path}.type`, NAMESPACE_TYPES), path: file });
}

/** Of the two clocks that a time namespace shifts. time_namespaces(7). */
function readTimeOffsets(value: unknown, path: string): NonNullable<LinuxSpec['timeOffsets']> {
  const clocks = readObject(value, path);
  const unknown = Object.keys(clocks).find((name) => name !== 'monotonic' && name !== 'boottime');
  if (unknown !== undefined) throw wrongShape(unknown, `a key of ${path}`, 'monotonic or boottime');
  const read = (name: string) =>
    readOptional(clocks[name], `${path}.${name}`, (item, at) => {
      const offset = readObject(item, at);
      return withoutAbsent({
        secs: readOptional(offset.secs, `${at}.secs`, (secs, where) =>
          readInt(secs, where, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
        ),
        nanosecs: readOptional(offset.nanosecs, `${at}.nanosecs`, readUint32),
      });
    });
  return withoutAbsent({ monotonic: read('monotonic'), boottime: read('boottime') });
}

function readDevice(value: unknown, path: string): DeviceSpec {
  const device = readObject(value, path);
  const type = readWord(device.type, `${path}.type`, ['c', 'b', 'u', 'p']);
  const file = readAbsolutePath(device.path, `${path}.path`);
  const number = (name: string) =>
    type === 'p'
      ? readOptional(device[name], `${path}.${name}`, readUint32)
      : readUint32(device[name], `${path}.${name}`);
  return withoutAbsent({
    type,
    path: file,
    major: number('major'),
    minor: number('minor'),
    // Go's encoders write the bits of the file type along with the permissions.
    fileMode: readOptional(device.fileMode, `${path}.fileMode`, readUint32),
    uid: readOptional(device.uid, `${path}.uid`, readUint32),
    gid: readOptional(device.gid, `${path}.gid`, readUint32),
  });
}

function readNetDevices(value: unknown, path: string): NonNullable<LinuxSpec['netDevices']> {
  return readMap(value, path, (item, at) =>
    withoutAbsent({ name: readOptionalText(readObject(item ?? {}, at).name, `${at}.name`) }),
  );
}

function readPersonality(value: unknown, path: string): NonNullable<LinuxSpec['personality']> {
  const personality = readObject(value, path);
  const flags = readOptional(personality.flags, `${path}.flags`, readTexts) ?? [];
  if (flags.length > 0) throw wrongShape(flags, `${path}.flags`, 'no flags: the specification knows none');
  return { domain: readWord(personality.domain, `${path}.domain`, ['LINUX', 'LINUX32']) };
}

function readMemoryPolicy(value: unknown, path: string): MemoryPolicySpec {
  const policy = readObject(value, path);
  return withoutAbsent({
    mode: readWord(policy.mode, `${path}.mode`, MEMORY_POLICY_MODES),
    nodes: readOptionalText(policy.nodes, `${path}.nodes`),
    flags: readOptional(policy.flags, `${path}.flags`, (list, at) =>
      readList(list, at, (flag, where) => readWord(flag, where, MEMORY_POLICY_FLAGS)),
    ),
  });
}

/** Each line of a schemata file by itself: a line break would be another one. */
function readIntelRdt(value: unknown, path: string): IntelRdtSpec {
  const rdt = readObject(value, path);
  const line = (item: unknown, at: string) => {
    const text = readText(item, at);
    if (!text.includes('\n')) return text;
    throw wrongShape(item, at, 'one line');
  };
  const optionalLine = (name: string) => readOptional(rdt[name] || null, `${path}.${name}`, line);
  const memBwSchema = optionalLine('memBwSchema');
  if (memBwSchema !== undefined && !memBwSchema.startsWith('MB:'))
    throw wrongShape(memBwSchema, `${path}.memBwSchema`, 'a line that begins with MB:');
  return withoutAbsent({
    closID: optionalLine('closID'),
    schemata: readOptional(rdt.schemata, `${path}.schemata`, (list, at) => readList(list, at, line)),
    l3CacheSchema: optionalLine('l3CacheSchema'),
    memBwSchema,
    enableMonitoring: readOptional(rdt.enableMonitoring, `${path}.enableMonitoring`, readBoolean),
  });
}
