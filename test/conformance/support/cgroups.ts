/** The control groups of a container, read on the host: version 1, version 2 and both at once. */
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export interface CgroupMount {
  readonly version: 1 | 2;
  readonly directory: string;
  /** The cgroup that is mounted there. */
  readonly root: string;
  /** Of version 1: the controllers of this hierarchy. */
  readonly controllers: readonly string[];
}

/** Those that can be reached: of two at one place the later, and none below a mount that hides it. */
export function cgroupMounts(): CgroupMount[] {
  const mounts = new Map<string, CgroupMount>();
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root = '', directory = ''] = before.split(' ');
    const [type, , options = ''] = after.split(' ');
    if (type === 'cgroup2') mounts.set(directory, { version: 2, directory, root, controllers: [] });
    if (type === 'cgroup')
      mounts.set(directory, { version: 1, directory, root, controllers: options.split(',') });
  }
  return [...mounts.values()].filter(({ directory }) => existsSync(join(directory, 'cgroup.procs')));
}

/** Where the controller of a process's cgroup lies on the host; undefined when no hierarchy has this controller. */
export function cgroupDirectory(pid: number, controller: string): string | undefined {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
  const memberships = lines.map((line) => {
    const [, names = '', ...path] = line.split(':');
    return { names: names.split(','), path: path.join(':') };
  });
  for (const mount of cgroupMounts()) {
    const membership = memberships.find(({ names }) =>
      mount.version === 2
        ? names[0] === ''
        : names.includes(controller) && mount.controllers.includes(controller),
    );
    if (membership === undefined) continue;
    const directory = join(mount.directory, relative(mount.root, membership.path));
    if (mount.version === 1 || hasController(mount.directory, controller)) return directory;
  }
  return undefined;
}

/** A file of the container's cgroup, without the last line feed. */
export function readCgroup(pid: number, controller: string, file: string): string {
  const directory = cgroupDirectory(pid, controller);
  if (directory === undefined) throw new Error(`No hierarchy has the controller ${controller}`);
  return readFileSync(join(directory, file), 'utf8').trimEnd();
}

function hasController(directory: string, controller: string): boolean {
  return readFileSync(join(directory, 'cgroup.controllers'), 'utf8').trim().split(' ').includes(controller);
}
