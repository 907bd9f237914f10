/** `tsrun info`: the engine, and what this host can do for containers. */
import { describeEngine, type EngineDescription } from '../engine/describe-engine.ts';
import { escapeForTerminal } from '../lib/errors.ts';
import { parseCgroupManager } from './flag-values.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax } from './flags.ts';
import { compileFormat } from './format-template.ts';
import { print } from './print.ts';
import { binarySize } from './table.ts';
import type { Context, Verb } from './verb.ts';
import { VERSION } from './version.ts';

const FLAGS = {
  format: {
    short: 'f',
    type: 'text',
    value: 'FORMAT',
    help: "'json', or a template such as '{{.CgroupVersion}}'",
  },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'info' };

export const verb: Verb = {
  synopsis: 'info [flags]',
  summary: 'Show the engine, and what this host can do for containers',
  flags: FLAGS,
  run,
};

async function run(args: readonly string[], { paths, env }: Context): Promise<number> {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 0, 0);
  const info = await describeEngine(paths, VERSION, parseCgroupManager(undefined, env));
  if (flags.format !== undefined) {
    print(compileFormat(flags.format, Object.keys(info))(info));
    return 0;
  }
  print(formatInfo(info));
  process.stderr.write(info.Warnings.map((warning) => `${warning}\n`).join(''));
  return 0;
}

/** Docker's layout. */
function formatInfo(info: EngineDescription): string {
  const lines = [
    `Containers: ${info.Containers}`,
    ` Running: ${info.ContainersRunning}`,
    ` Paused: ${info.ContainersPaused}`,
    ` Stopped: ${info.ContainersStopped}`,
    `Images: ${info.Images}`,
    `Server Version: ${info.ServerVersion}`,
    `Storage Driver: ${info.Driver}`,
    ...info.DriverStatus.map(([name, value]) => ` ${name}: ${value}`),
    `Cgroup Driver: ${info.CgroupDriver}`,
    `Cgroup Version: ${info.CgroupVersion}`,
    ` Controllers: ${info.CgroupControllers.join(' ')}`,
    `Runtimes: ${Object.keys(info.Runtimes).join(' ')}`,
    `Default Runtime: ${info.DefaultRuntime}`,
    'Security Options:',
    ...info.SecurityOptions.flatMap(securityLines),
    `Kernel Version: ${info.KernelVersion}`,
    `Operating System: ${info.OperatingSystem}`,
    `OSType: ${info.OSType}`,
    `Architecture: ${info.Architecture}`,
    `CPUs: ${info.NCPU}`,
    `Total Memory: ${binarySize(info.MemTotal)}`,
    `Name: ${info.Name}`,
    `Data Root: ${info.DockerRootDir}`,
  ];
  return lines.map((line) => `${escapeForTerminal(line)}\n`).join('');
}

/** `name=seccomp,profile=builtin` */
function securityLines(option: string): readonly string[] {
  const [name = '', ...others] = option.split(',').map((part) => part.split('='));
  return [
    ` ${name[1]}`,
    ...others.map(([key = '', value]) => `  ${key.charAt(0).toUpperCase()}${key.slice(1)}: ${value}`),
  ];
}
