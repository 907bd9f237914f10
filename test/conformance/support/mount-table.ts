/** A mount as the kernel tells it in /proc/self/mountinfo: see proc_pid_mountinfo(5). */

export interface MountLine {
  readonly destination: string;
  /** Of this mount: ro, nosuid, noatime … */
  readonly flags: readonly string[];
  /** shared:N, master:N, unbindable. */
  readonly propagation: readonly string[];
  readonly type: string;
  /** Of the file system: sync, lazytime, size= … */
  readonly data: readonly string[];
}

export function parseMounts(mountinfo: string): MountLine[] {
  return mountinfo.trim().split('\n').filter(Boolean).map(parseMount);
}

function parseMount(line: string): MountLine {
  const [before = '', after = ''] = line.split(' - ');
  const [, , , , destination = '', flags = '', ...propagation] = before.split(' ');
  const [type = '', , data = ''] = after.split(' ');
  return {
    destination,
    flags: flags.split(','),
    propagation: propagation.filter(Boolean),
    type,
    data: data.split(','),
  };
}

/** Whether a path is this directory or leads through it. */
export function isBelow(path: string, directory: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`);
}
