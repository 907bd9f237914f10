/** Start of a container, from clone to exit: tsrun's executor with a ready plan, runc, crun, and the floor. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { engineFileMounts, writeEngineFiles } from '../../src/engine/container-files.ts';
import { containerSpec } from '../../src/engine/container-spec.ts';
import { encodePlan } from '../../src/kernel/encode.ts';
import { nativeDirectory } from '../../src/kernel/native.ts';
import { reportSize } from '../../src/kernel/report.ts';
import { hostPath } from '../../src/lib/brands.ts';
import { readHostFacts } from '../../src/runtime/host-facts.ts';
import { planContainer } from '../../src/runtime/plan.ts';
import { type Contestant, PROGRAMS, printAim, printTable, REPOSITORY, race } from './measure.ts';

const ROUNDS = 40;
const AIM = 1.3;

export function benchStart(scratch: string): void {
  const directory = join(scratch, 'start');
  const rootfs = join(directory, 'layers/rootfs');
  mkdirSync(rootfs, { recursive: true });
  execFileSync('tar', ['-xf', join(REPOSITORY, '.cache/images/busybox.layer.tar'), '-C', rootfs]);
  mountPrivateCgroupView();

  const contestants: readonly Contestant[] = [
    { name: 'spawn of a static true', command: ['/bin/busybox', 'true'] },
    floor(directory, rootfs),
    tsrunExecutor(directory),
    peer('crun', directory, rootfs),
    peer('runc', directory, rootfs),
  ];
  const medians = race(ROUNDS, contestants);
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
 * the same hierarchies; all contestants run in it. A host with cgroup v2 alone needs nothing.
 */
function mountPrivateCgroupView(): void {
  if (existsSync('/sys/fs/cgroup/cgroup.controllers')) return;
  const controllers = readdirSync('/sys/fs/cgroup').filter((name) => !['unified', 'systemd'].includes(name));
  execFileSync('mount', ['-t', 'tmpfs', 'cgroup', '/sys/fs/cgroup']);
  for (const controller of controllers) {
    const directory = `/sys/fs/cgroup/${controller}`;
    mkdirSync(directory);
    execFileSync('mount', ['-t', 'cgroup', '-o', controller, 'cgroup', directory]);
  }
}

export function floor(directory: string, rootfs: string): Contestant {
  const scratch = join(directory, 'floor');
  for (const name of ['upper', 'work', 'merged']) mkdirSync(join(scratch, name), { recursive: true });
  return {
    name: 'floor (test/bench/floor.c)',
    command: [join(PROGRAMS, 'floor'), rootfs, scratch, '/bin/true'],
  };
}

/** The plan of `run busybox true`, made once; what is timed is tsrun-exec alone. */
function tsrunExecutor(directory: string): Contestant {
  const dir = hostPath(join(directory, 'container'));
  for (const name of ['upper', 'work', 'rootfs']) mkdirSync(join(dir, name), { recursive: true });
  writeEngineFiles(dir, 'bench', 'none');
  const host = readHostFacts();
  const plan = planContainer(
    {
      spec: containerSpec({ options: OPTIONS, image: {}, user: ROOT, hostname: 'bench', dir, host }),
      root: {
        kind: 'overlay',
        layersDir: hostPath(join(directory, 'layers')),
        lower: ['rootfs'],
        upper: hostPath(join(dir, 'upper')),
        work: hostPath(join(dir, 'work')),
        mountPoint: hostPath(join(dir, 'rootfs')),
      },
      cgroupName: 'tsrun-bench',
      state: undefined,
      interactive: false,
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
const OPTIONS = {
  image: 'busybox',
  command: ['/bin/true'],
  env: [],
  mounts: [],
  readonlyRoot: false,
  capAdd: [],
  capDrop: [],
  seccomp: 'default',
  noNewPrivileges: true,
  privileged: false,
  network: 'none',
  tty: false,
  interactive: false,
  remove: false,
} as const;

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
