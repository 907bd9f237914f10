/** The flags of `run` (and of `explain run`) → what is asked of the container. */
import { readFileSync } from 'node:fs';
import type { ContainerOptions } from '../engine/container-options.ts';
import { parseDevice } from '../engine/host-devices.ts';
import { errnoOf, TsrunError } from '../lib/errors.ts';
import { parseTmpfs, parseVolume } from '../volume/parse.ts';
import {
  parseCgroupManager,
  parseCgroupNamespace,
  parseOomScore,
  parseShmSize,
  parseSysctl,
  parseUlimits,
} from './flag-values.ts';
import { type FlagTable, type FlagValues, type Syntax, usage } from './flags.ts';
import { NETWORK_FLAGS, networkOptions } from './network-flags.ts';
import { PORT_FLAGS, portOptions } from './port-flags.ts';
import { RESOURCE_FLAGS, resourceOptions } from './resource-flags.ts';

export const CONTAINER_FLAGS = {
  ...NETWORK_FLAGS,
  ...PORT_FLAGS,
  ...RESOURCE_FLAGS,
  'cap-add': { type: 'list', value: 'CAPABILITY', help: 'add a Linux capability, or ALL' },
  'cap-drop': { type: 'list', value: 'CAPABILITY', help: 'drop a Linux capability, or ALL' },
  cgroupns: { type: 'text', value: 'private|host', help: "a cgroup namespace of its own, or the host's" },
  device: {
    type: 'list',
    value: 'HOST[:CONTAINER][:rwm]',
    help: 'give it a device of the host, or a directory of devices',
  },
  'cgroup-manager': {
    type: 'text',
    value: 'cgroupfs|systemd',
    help: 'who makes the cgroup: tsrun itself, or systemd when asked; TSRUN_CGROUP_MANAGER says the same',
  },
  'cgroup-parent': {
    type: 'text',
    value: 'PATH',
    help: 'cgroup that the container lies in; for systemd, a slice',
  },
  entrypoint: { type: 'text', value: 'PROGRAM', help: "replace the image's entrypoint" },
  env: {
    short: 'e',
    type: 'list',
    value: 'NAME[=VALUE]',
    help: 'set a variable, or pass on the one of this shell',
  },
  'env-file': { type: 'list', value: 'FILE', help: 'read variables from a file, one NAME=VALUE a line' },
  hardened: { type: 'switch', help: 'leave out the capabilities MKNOD, NET_RAW and AUDIT_WRITE' },
  hostname: {
    short: 'h',
    type: 'text',
    value: 'NAME',
    help: 'host name inside; the short id when not given',
  },
  interactive: { short: 'i', type: 'switch', help: 'pass standard input on to the program' },
  name: { type: 'text', value: 'NAME', help: 'name of the container' },
  'oom-score-adj': {
    type: 'text',
    value: 'NUMBER',
    help: 'which process the kernel ends first when memory runs out: -1000 never, 1000 first',
  },
  privileged: { type: 'switch', help: 'all capabilities and devices, nothing hidden, no system call filter' },
  'read-only': { type: 'switch', help: 'make the root file system read-only' },
  rm: { type: 'switch', help: 'remove the container when it has ended' },
  'security-opt': {
    type: 'list',
    value: 'OPTION',
    help: 'seccomp=unconfined, seccomp=FILE, no-new-privileges',
  },
  'shm-size': { type: 'text', value: 'SIZE', help: 'size of /dev/shm, such as 256m; 64m when not given' },
  sysctl: {
    type: 'list',
    value: 'NAME=VALUE',
    help: 'set a kernel parameter of its own namespaces',
  },
  tmpfs: { type: 'list', value: 'PATH[:OPTIONS]', help: 'mount a tmpfs' },
  tty: { short: 't', type: 'switch', help: 'give the program a terminal' },
  ulimit: {
    type: 'list',
    value: 'NAME=SOFT[:HARD]',
    help: 'limit of each process, such as nofile=1024:4096',
  },
  user: { short: 'u', type: 'text', value: 'USER[:GROUP]', help: 'name or number of the user' },
  volume: {
    short: 'v',
    type: 'list',
    value: 'HOST:CONTAINER[:ro]',
    help: 'mount a file or directory of the host',
  },
  workdir: { short: 'w', type: 'text', value: 'DIRECTORY', help: 'working directory inside' },
} as const satisfies FlagTable;

export function containerOptions(
  flags: FlagValues<typeof CONTAINER_FLAGS>,
  words: readonly string[],
  hostEnv: NodeJS.ProcessEnv,
  syntax: Syntax,
): ContainerOptions {
  const [image, ...command] = words;
  if (image === undefined) throw usage(syntax, `'tsrun ${syntax.verb}' needs an image`);
  const security = flags['security-opt'].map((option) => parseSecurityOption(option, syntax));
  const network = networkOptions(flags, syntax, flags.hostname);
  return {
    image,
    command,
    ...optional('entrypoint', flags.entrypoint),
    cgroupManager: parseCgroupManager(flags['cgroup-manager'], hostEnv),
    ...optional('cgroupParent', flags['cgroup-parent'] || undefined),
    ...optional('name', flags.name),
    ...optional('hostname', flags.hostname),
    ...optional('workdir', flags.workdir),
    ...optional('user', flags.user),
    env: [
      ...flags['env-file'].flatMap((file) => readEnvFile(file, hostEnv)),
      ...flags.env.flatMap((entry) => passOn(entry, hostEnv)),
    ],
    mounts: [...flags.volume.map(parseVolume), ...flags.tmpfs.map(parseTmpfs)],
    readonlyRoot: flags['read-only'],
    capAdd: flags['cap-add'],
    capDrop: flags['cap-drop'],
    seccomp: security.findLast((s) => s.seccomp !== undefined)?.seccomp ?? 'default',
    noNewPrivileges: security.findLast((s) => s.noNewPrivileges !== undefined)?.noNewPrivileges ?? false,
    privileged: flags.privileged,
    hardened: parseHardened(flags, syntax),
    devices: flags.device.map(parseDevice),
    rlimits: parseUlimits(flags.ulimit),
    ...optional('oomScoreAdj', parseOomScore(flags['oom-score-adj'], syntax)),
    sysctls: Object.fromEntries(flags.sysctl.map((entry) => parseSysctl(entry, syntax))),
    ...optional('shmBytes', parseShmSize(flags['shm-size'], syntax)),
    cgroupNamespace: parseCgroupNamespace(flags.cgroupns, syntax),
    resources: resourceOptions(flags, syntax),
    network,
    ports: portOptions(flags, network.mode, syntax),
    tty: flags.tty,
    interactive: flags.interactive,
    remove: flags.rm,
  };
}

function optional<N extends string, T>(name: N, value: T | undefined): { readonly [K in N]?: T } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [K in N]: T });
}

function parseHardened(
  { hardened, privileged }: { readonly hardened: boolean; readonly privileged: boolean },
  syntax: Syntax,
): boolean {
  if (hardened && privileged)
    throw usage(syntax, '--hardened takes rights away and --privileged gives all of them: choose one');
  return hardened;
}

/** `NAME=value` as it is; `NAME` alone takes the value of this shell, and is left out when it has none. */
function passOn(entry: string, hostEnv: NodeJS.ProcessEnv): readonly string[] {
  if (entry.startsWith('=') || entry === '')
    throw new TsrunError('BAD_ENV', `Cannot set the variable ${JSON.stringify(entry)}: it has no name`);
  if (entry.includes('=')) return [entry];
  const value = hostEnv[entry];
  return value === undefined ? [] : [`${entry}=${value}`];
}

/** Docker's format: a line is NAME=VALUE or NAME; empty lines and lines that begin with # are passed over. Values are taken literally. */
function readEnvFile(file: string, hostEnv: NodeJS.ProcessEnv): readonly string[] {
  const lines = readUserFile(file, 'the environment file', '--env-file').split(/\r?\n/);
  return lines.flatMap((line, i) => {
    const entry = line.trimStart();
    if (entry === '' || entry.startsWith('#')) return [];
    const name = entry.split('=', 1)[0] ?? '';
    if (name === '' || /\s/.test(name))
      throw new TsrunError(
        'BAD_ENV',
        `Cannot read line ${i + 1} of ${file}: ${JSON.stringify(name)} is no name of a variable`,
      );
    return passOn(entry, hostEnv);
  });
}

interface SecurityOption {
  readonly seccomp?: ContainerOptions['seccomp'];
  readonly noNewPrivileges?: boolean;
}

function parseSecurityOption(option: string, syntax: Syntax): SecurityOption {
  const [, name = option, value] = /^([^=:]+)[=:](.*)$/.exec(option) ?? [];
  switch (name) {
    case 'no-new-privileges':
      if (value !== undefined && value !== 'true' && value !== 'false') break;
      return { noNewPrivileges: value !== 'false' };
    case 'seccomp':
      if (value === undefined || value === '') break;
      if (value === 'unconfined') return { seccomp: 'unconfined' };
      return { seccomp: { file: value, text: readUserFile(value, 'the seccomp profile', 'seccomp=') } };
    default:
  }
  throw usage(
    syntax,
    `unknown security option ${JSON.stringify(option)}: there are seccomp=unconfined, seccomp=FILE and no-new-privileges`,
  );
}

const READ_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  ENOTDIR: 'it does not exist',
  EISDIR: 'it is a directory',
  EACCES: 'permission denied',
};

/** `flag`: what the path was given after. */
function readUserFile(file: string, what: string, flag: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const errno = errnoOf(cause) ?? '';
    throw new TsrunError('CANNOT_READ', `Cannot read ${what} ${file}: ${READ_ERRORS[errno] ?? cause}`, {
      hint: `correct the path after ${flag}`,
      cause,
    });
  }
}
