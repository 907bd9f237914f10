/** The engine and the host it runs on, as `docker info` describes them; the fields this engine has, under Docker's names. */
import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, hostname, machine, release, totalmem, type } from 'node:os';
import { dirname, join } from 'node:path';
import type { CgroupManager } from '../cgroup/host.ts';
import { openImageStore } from '../image/store.ts';
import { nativeDirectory } from '../kernel/native.ts';
import { readFileIfThere } from '../lib/files.ts';
import { readCgroupHost } from '../runtime/cgroup-facts.ts';
import { listContainers } from './container-store.ts';
import { describeCgroups } from './describe-cgroups.ts';
import type { EnginePaths } from './paths.ts';

const RUNTIME = 'tsrun-exec';

export type EngineDescription = Awaited<ReturnType<typeof describeEngine>>;

export async function describeEngine(paths: EnginePaths, version: string, manager: CgroupManager) {
  const containers = listContainers(paths);
  const running = containers.filter(({ state }) => state.status === 'running').length;
  const images = await openImageStore(paths.dataRoot).list();
  return {
    Containers: containers.length,
    ContainersRunning: running,
    ContainersPaused: 0,
    ContainersStopped: containers.length - running,
    Images: new Set(images.map(({ id }) => id)).size,
    ServerVersion: version,
    Driver: 'overlay2',
    DriverStatus: [['Backing Filesystem', fileSystemOf(paths.dataRoot)]],
    ...describeCgroups(readCgroupHost(), manager),
    Runtimes: { [RUNTIME]: { path: join(nativeDirectory(), RUNTIME) } },
    DefaultRuntime: RUNTIME,
    SecurityOptions: securityOptions(),
    KernelVersion: release(),
    OperatingSystem: operatingSystem(readFileIfThere('/etc/os-release') ?? ''),
    OSType: type().toLowerCase(),
    Architecture: machine(),
    NCPU: availableParallelism(),
    MemTotal: totalmem(),
    Name: hostname(),
    DockerRootDir: paths.dataRoot,
  } as const;
}

/** statfs(2), and the names that Docker has for them. */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: 'extfs',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  16914836: 'tmpfs',
  2035054128: 'overlayfs',
};

/** Of the nearest directory that is there already. */
function fileSystemOf(path: string): string {
  if (!existsSync(path)) return fileSystemOf(dirname(path));
  const { type: magic } = statfsSync(path);
  return FILE_SYSTEMS[magic] ?? `0x${magic.toString(16)}`;
}

function securityOptions(): readonly string[] {
  const filters = /^Seccomp:/m.test(readFileSync('/proc/self/status', 'utf8'));
  return [...(filters ? ['name=seccomp,profile=builtin'] : []), 'name=cgroupns'];
}

/** os-release(5) */
export function operatingSystem(osRelease: string): string {
  const [, quoted, plain] = /^PRETTY_NAME=(?:"(.*)"|(.*))$/m.exec(osRelease) ?? [];
  return quoted ?? plain ?? 'Linux';
}
