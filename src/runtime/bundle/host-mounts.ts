/** The mounts of a container without a mount namespace: they are the host's, and do not go with its last process. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import * as K from '../../kernel/constants.ts';
import type { Plan } from '../../kernel/ops.ts';
import { realDoor } from '../../kernel/real-door.ts';
import { hasNamespace } from '../../namespaces/plan-namespaces.ts';
import { failureToError } from '../failure.ts';
import type { BundleRecord } from './record.ts';

/** Takes the root file system away, and all that is mounted below it, if the container has left it there. */
export function removeHostMounts({ spec, rootfs }: Pick<BundleRecord, 'spec' | 'rootfs'>): void {
  if (hasNamespace(spec.linux, 'mount')) return;
  if (
    !existsSync(rootfs) ||
    !coversItself(readFileSync('/proc/self/mountinfo', 'utf8'), realpathSync(rootfs))
  )
    return;
  const groups: Plan['groups'] = [
    {
      who: 'host',
      title: 'The mounts of the container go',
      ops: [
        {
          op: 'open',
          into: 'rootfs',
          path: rootfs,
          flags: K.O_PATH + K.O_DIRECTORY,
          mode: 0,
          resolve: 0,
          why: 'The mount that was made for the container.',
        },
        { op: 'detach', fd: 'rootfs', why: 'Without a mount namespace its mounts do not go by themselves.' },
      ],
    },
  ];
  const { failure } = realDoor.run({ groups, monitor: { interactive: false }, reporter: [] }).report;
  if (failure !== undefined) throw failureToError(failure);
}

/**
 * Whether the topmost mount at `path` shows the very directory that it lies on, as planSharedRoot makes it: what an engine has
 * mounted there for the container shows another. proc_pid_mountinfo(5).
 */
export function coversItself(mountinfo: string, path: string): boolean {
  const mounts = mountinfo.split('\n').map((line) => {
    const [id, parent, device, root = '', at = ''] = line.split(' ');
    return { id, parent, device, root, at };
  });
  const place = escapePath(path);
  const top = mounts.findLast(({ at }) => at === place);
  const below = mounts.find(({ id }) => id === top?.parent);
  if (top === undefined || below === undefined) return false;
  const rest = below.at === '/' ? place : place.slice(below.at.length);
  const shown = below.root === '/' ? rest || '/' : `${below.root}${rest}`;
  return top.device === below.device && top.root === shown;
}

/** As the kernel writes paths where spaces divide. */
function escapePath(path: string): string {
  return path.replaceAll(/[ \t\n\\]/g, (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, '0')}`);
}
