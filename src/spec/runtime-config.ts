/**
 * Reads an OCI runtime configuration that nobody has checked: the config.json of a bundle. What breaks the specification's
 * schema is refused with the JSON path of the fault; properties that it does not know are ignored, as it demands; null
 * and "" count as absent where a property may be absent, as Go's encoders write them. config.md, schema/config-schema.json.
 */
import { posix } from 'node:path';
import { parseSpecJson } from './exact-json.ts';
import { parseLinux, readIdMappings } from './linux-config.ts';
import { isBind } from './mount.ts';
import {
  HOOK_NAMES,
  type HookSpec,
  type HooksSpec,
  type Int64,
  IO_PRIORITY_CLASSES,
  type MountSpec,
  type ProcessSpec,
  type RlimitSpec,
  type RuntimeSpec,
  SCHEDULER_FLAGS,
  SCHEDULER_POLICIES,
  type SchedulerSpec,
  type UserSpec,
} from './runtime.ts';
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
  readUint64,
  readWord,
  withoutAbsent,
  wrongShape,
} from './shape.ts';

const INT32_MAX = 2 ** 31 - 1;
const INT32_MIN = -(2 ** 31);

/** A configuration as the specification allows it: what is to run may be left out until it is started. */
export interface BundleSpec extends Omit<RuntimeSpec, 'process'> {
  readonly process?: ProcessSpec;
}

/** The configuration in the text of a config.json. Throws `SPEC_JSON` and `SPEC_SHAPE`. */
export function parseRuntimeSpec(text: string): BundleSpec {
  return readRuntimeSpec(parseSpecJson(text, 'config.json'));
}

/** The process in the text of a file, as `exec --process` takes it. Throws `SPEC_JSON` and `SPEC_SHAPE`. */
export function parseProcessSpec(text: string): ProcessSpec {
  return readProcess(parseSpecJson(text, 'the process'), 'process');
}

/** `spec` with the paths that may be relative to the bundle made absolute: of the root, and of the sources of bind mounts. */
export function inBundle(spec: BundleSpec, bundle: string): BundleSpec {
  return {
    ...spec,
    root: { ...spec.root, path: posix.resolve(bundle, spec.root.path) },
    mounts: spec.mounts.map((mount) =>
      mount.source !== undefined && isBind(mount)
        ? { ...mount, source: posix.resolve(bundle, mount.source) }
        : mount,
    ),
  };
}

function readRuntimeSpec(value: unknown): BundleSpec {
  const config = readObject(value, 'config.json');
  return withoutAbsent({
    ociVersion: readVersion(config.ociVersion, 'ociVersion'),
    root: readRoot(config.root, 'root'),
    process: readOptional(config.process, 'process', readProcess),
    hostname: readOptionalText(config.hostname, 'hostname'),
    domainname: readOptionalText(config.domainname, 'domainname'),
    mounts: readOptional(config.mounts, 'mounts', (list, path) => readList(list, path, readMount)) ?? [],
    hooks: readOptional(config.hooks, 'hooks', readHooks),
    annotations: readOptional(config.annotations, 'annotations', readAnnotations),
    linux: parseLinux(config.linux ?? {}, 'linux'),
  });
}

/** SemVer 2.0.0. Every minor version of one major version is compatible with the others. */
function readVersion(value: unknown, path: string): string {
  const version = readText(value, path);
  const major = /^(0|[1-9]\d*)\.\d+\.\d+(?:-[\w.-]+)?(?:\+[\w.-]+)?$/.exec(version)?.[1];
  if (major === undefined) throw wrongShape(value, path, 'a version such as 1.3.0');
  if (Number(major) <= 1) return version;
  throw wrongShape(value, path, 'a version 1.x.y of the specification');
}

function readRoot(value: unknown, path: string): RuntimeSpec['root'] {
  const root = readObject(value, path);
  return withoutAbsent({
    path: readFilled(root.path, `${path}.path`),
    readonly: readOptional(root.readonly, `${path}.readonly`, readBoolean),
  });
}

function readMount(value: unknown, path: string): MountSpec {
  const mount = readObject(value, path);
  const uidMappings = readOptional(mount.uidMappings, `${path}.uidMappings`, readIdMappings);
  const gidMappings = readOptional(mount.gidMappings, `${path}.gidMappings`, readIdMappings);
  if ((uidMappings === undefined) !== (gidMappings === undefined)) {
    const missing = uidMappings === undefined ? 'uidMappings' : 'gidMappings';
    throw wrongShape(undefined, `${path}.${missing}`, 'mappings of users and of groups together');
  }
  return withoutAbsent({
    // A relative one is deprecated, and means from the root.
    destination: posix.join('/', readFilled(mount.destination, `${path}.destination`)),
    type: readOptionalText(mount.type, `${path}.type`),
    source: readOptionalText(mount.source, `${path}.source`),
    options: readOptional(mount.options, `${path}.options`, readTexts),
    uidMappings,
    gidMappings,
  });
}

function readHooks(value: unknown, path: string): HooksSpec {
  const hooks = readObject(value, path);
  return withoutAbsent(
    Object.fromEntries(
      HOOK_NAMES.map((name) => [
        name,
        readOptional(hooks[name], `${path}.${name}`, (list, at) => readList(list, at, readHook)),
      ]),
    ),
  );
}

function readHook(value: unknown, path: string): HookSpec {
  const hook = readObject(value, path);
  return withoutAbsent({
    path: readAbsolutePath(hook.path, `${path}.path`),
    args: readOptional(hook.args, `${path}.args`, readTexts),
    env: readOptional(hook.env, `${path}.env`, readTexts),
    timeout: readOptional(hook.timeout, `${path}.timeout`, (seconds, at) =>
      readInt(seconds, at, 1, INT32_MAX),
    ),
  });
}

function readProcess(value: unknown, path: string): ProcessSpec {
  const process = readObject(value, path);
  const args = readOptional(process.args, `${path}.args`, readTexts) ?? [];
  if (args.length === 0) throw wrongShape(process.args, `${path}.args`, 'the program and its arguments');
  const text = (name: string) => readOptionalText(process[name], `${path}.${name}`);
  return withoutAbsent({
    terminal: readOptional(process.terminal, `${path}.terminal`, readBoolean) ?? false,
    consoleSize: readOptional(process.consoleSize, `${path}.consoleSize`, readConsoleSize),
    cwd: readAbsolutePath(process.cwd, `${path}.cwd`),
    args,
    env: readOptional(process.env, `${path}.env`, readTexts) ?? [],
    user: readOptional(process.user, `${path}.user`, readUser) ?? { uid: 0, gid: 0 },
    capabilities: readOptional(process.capabilities, `${path}.capabilities`, readCapabilities),
    rlimits: readOptional(process.rlimits, `${path}.rlimits`, readRlimits),
    noNewPrivileges: readOptional(process.noNewPrivileges, `${path}.noNewPrivileges`, readBoolean),
    apparmorProfile: text('apparmorProfile'),
    selinuxLabel: text('selinuxLabel'),
    oomScoreAdj: readOptional(process.oomScoreAdj, `${path}.oomScoreAdj`, readInt32),
    scheduler: readOptional(process.scheduler, `${path}.scheduler`, readScheduler),
    ioPriority: readOptional(process.ioPriority, `${path}.ioPriority`, readIoPriority),
    execCPUAffinity: readOptional(process.execCPUAffinity, `${path}.execCPUAffinity`, readAffinity),
  });
}

/** struct winsize has 16 bits for each; tty_ioctl(4). */
function readConsoleSize(value: unknown, path: string): NonNullable<ProcessSpec['consoleSize']> {
  const size = readObject(value, path);
  const read = (name: string) => readInt(size[name], `${path}.${name}`, 0, 65535);
  return { height: read('height'), width: read('width') };
}

function readUser(value: unknown, path: string): UserSpec {
  const user = readObject(value, path);
  return withoutAbsent({
    uid: readId(user.uid, `${path}.uid`),
    gid: readId(user.gid, `${path}.gid`),
    umask: readOptional(user.umask, `${path}.umask`, readUint32),
    additionalGids: readOptional(user.additionalGids, `${path}.additionalGids`, (list, at) =>
      readList(list, at, readId),
    ),
  });
}

/** 2^32-1 is no id: to the kernel it means "leave it as it is". credentials(7), setresuid(2). */
function readId(value: unknown, path: string): number {
  return readInt(value, path, 0, 2 ** 32 - 2);
}

function readCapabilities(value: unknown, path: string): NonNullable<ProcessSpec['capabilities']> {
  const sets = readObject(value, path);
  const read = (name: string) => readOptional(sets[name], `${path}.${name}`, readTexts);
  return withoutAbsent({
    bounding: read('bounding'),
    effective: read('effective'),
    inheritable: read('inheritable'),
    permitted: read('permitted'),
    ambient: read('ambient'),
  });
}

/** One of each kind: "if rlimits contains duplicated entries with same type, the runtime MUST generate an error". */
function readRlimits(value: unknown, path: string): readonly RlimitSpec[] {
  const seen = new Set<string>();
  return readList(value, path, (item, at) => {
    const limit = readObject(item, at);
    const type = readText(limit.type, `${at}.type`);
    if (!/^RLIMIT_[A-Z]+$/.test(type)) throw wrongShape(type, `${at}.type`, 'a limit such as RLIMIT_NOFILE');
    if (seen.has(type)) throw wrongShape(type, `${at}.type`, 'each limit once');
    seen.add(type);
    return {
      type,
      soft: readExactUint64(limit.soft, `${at}.soft`),
      hard: readExactUint64(limit.hard, `${at}.hard`),
    };
  });
}

function readScheduler(value: unknown, path: string): SchedulerSpec {
  const scheduler = readObject(value, path);
  const time = (name: string) => readOptional(scheduler[name], `${path}.${name}`, readExactUint64);
  return withoutAbsent({
    policy: readWord(scheduler.policy, `${path}.policy`, SCHEDULER_POLICIES),
    nice: readOptional(scheduler.nice, `${path}.nice`, readInt32),
    priority: readOptional(scheduler.priority, `${path}.priority`, readInt32),
    flags: readOptional(scheduler.flags, `${path}.flags`, (list, at) =>
      readList(list, at, (flag, where) => readWord(flag, where, SCHEDULER_FLAGS)),
    ),
    runtime: time('runtime'),
    deadline: time('deadline'),
    period: time('period'),
  });
}

function readIoPriority(value: unknown, path: string): NonNullable<ProcessSpec['ioPriority']> {
  const priority = readObject(value, path);
  return {
    class: readWord(priority.class, `${path}.class`, IO_PRIORITY_CLASSES),
    priority: readInt(priority.priority, `${path}.priority`, 0, 7),
  };
}

function readAffinity(value: unknown, path: string): NonNullable<ProcessSpec['execCPUAffinity']> {
  const affinity = readObject(value, path);
  const read = (name: string) => {
    const list = readOptionalText(affinity[name], `${path}.${name}`);
    if (list === undefined || /^[0-9, -]+$/.test(list)) return list;
    throw wrongShape(list, `${path}.${name}`, 'a list of processors such as 0-3,7');
  };
  return withoutAbsent({ initial: read('initial'), final: read('final') });
}

function readInt32(value: unknown, path: string): number {
  return readInt(value, path, INT32_MIN, INT32_MAX);
}

function readExactUint64(value: unknown, path: string): Int64 {
  const exact = readUint64(value, path);
  return exact <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(exact) : exact;
}

/** config.md, Annotations: keys must not be empty. */
function readAnnotations(value: unknown, path: string): Readonly<Record<string, string>> {
  const annotations = readMap(value, path, readText);
  if ('' in annotations) throw wrongShape('', `a key of ${path}`, 'a name');
  return annotations;
}

function readFilled(value: unknown, path: string): string {
  const text = readText(value, path);
  if (text !== '') return text;
  throw wrongShape(value, path, 'a path');
}
