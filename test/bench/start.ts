/** Start of a container, from clone to exit: tsrun's executor with a ready plan, runc, crun, and the floor. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chooseSeccomp } from '../../src/engine/choose-seccomp.ts';
import { engineFileMounts, writeEngineFiles } from '../../src/engine/container-files.ts';
import { containerSpec } from '../../src/engine/container-spec.ts';
import { encodePlan } from '../../src/kernel/encode.ts';
import { nativeDirectory } from '../../src/kernel/native.ts';
import { reportSize } from '../../src/kernel/report.ts';
import { type ContainerId, type HostPath, hostPath } from '../../src/lib/brands.ts';
import { readHostFacts } from '../../src/runtime/host-facts.ts';
import { type HostFacts, planContainer } from '../../src/runtime/plan.ts';
import { DEFAULT_CAPABILITIES } from '../../src/security/capabilities.ts';
import { DEFAULT_OPTIONS, NO_NETWORK } from '../support/container-options.ts';
import { type Contestant, PROGRAMS, printAim, printTable, REPOSITORY, race } from './measure.ts';

const ROUNDS = 40;
const AIM = 1.3;

export async function benchStart(scratch: string): Promise<void> {
  const directory = join(scratch, 'start');
  const rootfs = join(directory, 'layers/rootfs');
  mkdirSync(rootfs, { recursive: true });
  execFileSync('tar', ['-xf', join(REPOSITORY, '.cache/images/busybox.layer.tar'), '-C', rootfs]);
  const host = readHostFacts();
  const { v2Mount, ...conditions } = changeCgroupView();

  const contestants: readonly Contestant[] = [
    { name: 'spawn of a static true', command: ['/bin/busybox', 'true'] },
    floor(v2Mount, directory, rootfs),
    await tsrunExecutor({ ...host, cgroup: { ...host.cgroup, v2Mount } }, directory),
    peer('crun', directory, rootfs),
    peer('runc', directory, rootfs),
  ];
  const medians = race(ROUNDS, contestants, conditions);
  const [, least = Number.NaN, ours = Number.NaN] = medians;
  printTable(
    'Start of a container, clone to exit (ratio to the floor)',
    contestants.map((c) => c.name),
    medians,
    least,
  );
  printAim(`clone to exit within ${AIM}x of the floor`, ours <= AIM * least);
}

/**
 * crun 1.8 refuses a hybrid host. In this process's own mount namespace /sys/fs/cgroup becomes a purely v1 view of
 * the same hierarchies, for all contestants; v2 is still there under a name that crun does not look for. A host with cgroup v2 alone needs nothing.
 */
function changeCgroupView(): { v2Mount: HostPath; warm?: string } {
  if (existsSync('/sys/fs/cgroup/cgroup.controllers')) return { v2Mount: hostPath('/sys/fs/cgroup') };
  const controllers = readdirSync('/sys/fs/cgroup').filter((name) => !['unified', 'systemd'].includes(name));
  execFileSync('mount', ['-t', 'tmpfs', 'cgroup', '/sys/fs/cgroup']);
  for (const controller of controllers) {
    const directory = `/sys/fs/cgroup/${controller}`;
    mkdirSync(directory);
    execFileSync('mount', ['-t', 'cgroup', '-o', controller, 'cgroup', directory]);
  }
  const elsewhere = '/sys/fs/cgroup/version-2';
  mkdirSync(elsewhere);
  execFileSync('mount', ['-t', 'cgroup2', 'cgroup2', elsewhere]);
  const own = /^\d+:pids:(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
  return { v2Mount: hostPath(elsewhere), warm: join('/sys/fs/cgroup/pids', own, 'cgroup.procs') };
}

export function floor(v2Mount: HostPath | undefined, directory: string, rootfs: string): Contestant {
  if (v2Mount === undefined) throw new Error('The floor program needs a mount of cgroup v2');
  const scratch = join(directory, 'floor');
  for (const name of ['upper', 'work', 'merged']) mkdirSync(join(scratch, name), { recursive: true });
  const command = [join(PROGRAMS, 'floor'), v2Mount, rootfs, scratch, '/bin/true'];
  return { name: 'floor (test/bench/floor.c)', command };
}

/** The plan of `run busybox true`, made once; what is timed is tsrun-exec alone. */
async function tsrunExecutor(host: HostFacts, directory: string): Promise<Contestant> {
  const dir = hostPath(join(directory, 'container'));
  for (const name of ['upper', 'work', 'rootfs']) mkdirSync(join(dir, name), { recursive: true });
  writeEngineFiles(dir, { hostname: 'bench', options: OPTIONS.network, endpoints: [] });
  const plan = planContainer(
    {
      spec: containerSpec({
        id: 'bench' as ContainerId,
        options: OPTIONS,
        image: {},
        user: ROOT,
        hostname: 'bench',
        dir,
        host,
      }),
      cgroupManager: 'cgroupfs',
      root: {
        kind: 'overlay',
        layersDir: hostPath(join(directory, 'layers')),
        lower: ['rootfs'],
        upper: hostPath(join(dir, 'upper')),
        work: hostPath(join(dir, 'work')),
        discarded: false,
        mountPoint: hostPath(join(dir, 'rootfs')),
      },
      state: undefined,
      interactive: false,
      seccomp: await chooseSeccomp(OPTIONS, DEFAULT_CAPABILITIES, host.arch),
      sourceType: (path) =>
        engineFileMounts(dir).some((mount) => mount.source === path) ? 'file' : 'directory',
      reporter: [],
    },
    host,
  );
  const file = join(directory, 'plan');
  writeFileSync(file, encodePlan(plan));
  const command = [join(nativeDirectory(), 'tsrun-exec'), 'run', '3', '4'];
  return { name: 'tsrun (tsrun-exec with a ready plan)', command, file, memoryBytes: reportSize(plan) };
}

const ROOT = { uid: 0, gid: 0, additionalGids: [], home: '/root' };
const OPTIONS = { ...DEFAULT_OPTIONS, network: NO_NETWORK, command: ['/bin/true'] };

/** The peer's own default configuration, with the program and no terminal. It has no overlay and no seccomp. */
function peer(name: 'crun' | 'runc', directory: string, rootfs: string): Contestant {
  const bundle = join(directory, name);
  mkdirSync(bundle);
  execFileSync(name, ['spec'], { cwd: bundle });
  const file = join(bundle, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8'));
  config.process.terminal = false;
  config.process.args = ['/bin/true'];
  config.root = { path: rootfs, readonly: true };
  writeFileSync(file, JSON.stringify(config));
  return {
    name: `${name} run`,
    command: [name, '--root', join(bundle, 'state'), 'run', '--bundle', bundle, `bench-${name}`],
  };
}
