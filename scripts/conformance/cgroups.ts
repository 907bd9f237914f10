/**
 * The cgroups of one test. On v1 it gets one of its own in each hierarchy, which its cgroup namespace shows as the
 * root: nothing it makes lies beside the machine's. cgroup v2 cannot be lent so, since a cgroup with processes hands
 * no controllers down unless it is the real root. There a test gets the real root, of a machine of its own.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, TsrunError } from '../../src/lib/errors.ts';

export type View = 'v1' | 'v2';

export interface TestCgroups {
  /** What the machine calls them. */
  readonly name: string;
  /** The hierarchies of v1 as mount options name them, such as `cpu,cpuacct` or `name=systemd`. */
  readonly hierarchies: readonly string[];
  /** What a process of the test is to join before it makes its cgroup namespace. */
  readonly joined: readonly string[];
  /** Below these everything is the test's, but for `before`. */
  readonly roots: readonly string[];
  readonly before: ReadonlySet<string>;
}

const MOUNTS = '/sys/fs/cgroup';

/** The view of the cgroups that this machine can give to a test. */
export function cgroupView(): View {
  if (!existsSync(join(MOUNTS, 'cgroup.controllers'))) return 'v1';
  if (process.env.TSRUN_VM !== undefined) return 'v2';
  throw new TsrunError(
    'CONFORMANCE_CGROUP',
    'Cannot lend this machine: the suites write into the root of cgroup v2',
    {
      hint: 'run them in a machine of their own: npm run conformance -- --vm',
    },
  );
}

export function makeCgroups(view: View, name = `conformance-${process.pid}`): TestCgroups {
  if (view === 'v2') {
    // The root has no freezer: runc's suite looks for one in any other cgroup, and every machine with systemd has some.
    mkdirSync(join(MOUNTS, 'system.slice'), { recursive: true });
    return { name, hierarchies: [], joined: [], roots: [MOUNTS], before: new Set(cgroupsBelow(MOUNTS)) };
  }
  const own = ownV1Cgroups().map((one) => ({ ...one, made: join(one.directory, name) }));
  for (const { hierarchy, directory, made } of own) {
    mkdirSync(made);
    if (hierarchy.split(',').includes('cpuset')) copyCpuset(directory, made);
    if (hierarchy.split(',').includes('cpu')) shareRealtime(directory, made);
  }
  const directories = own.map(({ made }) => made);
  const hierarchies = own.map(({ hierarchy }) => hierarchy);
  return { name, hierarchies, joined: directories, roots: directories, before: new Set() };
}

/** A new cgroup of cpuset begins with nothing, and takes no process. cpuset(7) */
function copyCpuset(from: string, to: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems'])
    writeFileSync(join(to, file), readFileSync(join(from, file)));
}

/**
 * A new cgroup has no realtime to give to those below it. Three quarters of the parent's are what the suite asks for;
 * EINVAL is the kernel's answer when another run has them already. Documentation/scheduler/sched-rt-group.rst
 */
function shareRealtime(from: string, to: string): void {
  const file = 'cpu.rt_runtime_us';
  if (!existsSync(join(from, file))) return; // a kernel without CONFIG_RT_GROUP_SCHED
  try {
    writeFileSync(join(to, file), String(Math.floor(Number(readFileSync(join(from, file))) * 0.75)));
  } catch (error) {
    if (errnoOf(error) !== 'EINVAL') throw error;
  }
}

/** The caller's own cgroup in each hierarchy of v1 that is mounted. The formats: cgroups(7), proc_pid_mountinfo(5). */
function ownV1Cgroups(): { hierarchy: string; directory: string }[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [front = '', back = ''] = line.split(' - ');
      const [, , , root = '/', at = ''] = front.split(' ');
      const [type, , options = ''] = back.split(' ');
      return type === 'cgroup' ? [{ root, at, options: options.split(',') }] : [];
    });
  return readFileSync('/proc/self/cgroup', 'utf8')
    .trim()
    .split('\n')
    .flatMap((line) => {
      const [, hierarchy = '', path = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
      const mount = mounts.find(({ options }) => hierarchy.split(',').every((one) => options.includes(one)));
      return mount === undefined
        ? []
        : [{ hierarchy, directory: join(mount.at, relative(mount.root, path)) }];
    });
}

/** A process in a frozen cgroup of v1 does not even die: thaws what a test has left so. Its cgroups stay. */
export function thaw({ roots }: TestCgroups): void {
  for (const cgroup of roots.flatMap(cgroupsBelow)) {
    const file = join(cgroup, 'freezer.state');
    if (existsSync(file)) writeFileSync(file, 'THAWED');
  }
}

/** Removes the test's cgroups, when its processes are dead, and returns those that the test should have removed. */
export async function removeCgroups({ name, joined, roots, before }: TestCgroups): Promise<string[]> {
  const left = roots.flatMap(cgroupsBelow).filter((cgroup) => !before.has(cgroup));
  for (const cgroup of [...left.toReversed(), ...joined]) await removeCgroup(cgroup);
  return left.map((cgroup) => cgroup.replace(`/${name}`, ''));
}

/** The cgroups below a directory, parents first. */
function cgroupsBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => [join(directory, name), ...cgroupsBelow(join(directory, name))]);
}

/** The kernel counts a dead process for a moment longer, until its parent has been told. */
async function removeCgroup(directory: string): Promise<void> {
  const end = Date.now() + 5000;
  for (;;) {
    try {
      rmdirSync(directory);
      return;
    } catch (error) {
      if (errnoOf(error) !== 'EBUSY' || Date.now() > end) throw error;
      await sleep(20);
    }
  }
}
