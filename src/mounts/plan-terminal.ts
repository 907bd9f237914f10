/** A terminal from the container's own devpts: the master goes to the host process, the other side becomes stdin, stdout, stderr. */
import * as K from '../kernel/constants.ts';
import type { Op } from '../kernel/ops.ts';
import type { MountSpec, ProcessSpec } from '../spec/runtime.ts';

const NO_LINKS = K.RESOLVE_IN_ROOT + K.RESOLVE_NO_SYMLINKS;

/**
 * The terminal belongs to the user of the program, and to the group its devpts was mounted with (gid=5, `tty`). That of a container's
 * first program is `/dev/console` as well.
 */
export function planTerminal(
  { user, consoleSize }: Pick<ProcessSpec, 'user' | 'consoleSize'>,
  mounts: readonly MountSpec[],
  isConsole: boolean,
): readonly Op[] {
  const devpts = mounts.find((mount) => mount.type === 'devpts');
  const group = devpts?.options?.find((option) => option.startsWith('gid='))?.slice('gid='.length);
  return [
    {
      op: 'open',
      into: 'ptmx',
      at: 'rootfs',
      path: 'dev/pts/ptmx',
      flags: K.O_RDWR + K.O_NOCTTY,
      mode: 0,
      resolve: NO_LINKS,
      why: "Asks the container's devpts for a new terminal.",
    },
    {
      op: 'check_device',
      fd: 'ptmx',
      dev: K.makedev(5, 2),
      why: 'Only the real multiplexer makes terminals, not a file that looks like it.',
    },
    {
      op: 'open_pty_peer',
      into: 'tty',
      master: 'ptmx',
      why: 'The side that programs see, opened through the master: its name could have been replaced (CVE-2025-52565).',
    },
    {
      op: 'chown',
      at: 'tty',
      path: '',
      uid: user.uid,
      gid: group === undefined ? user.gid : Number(group),
      why: 'The terminal belongs to the user of the program.',
    },
    consoleSize === undefined
      ? {
          op: 'copy_winsize',
          fd: 'ptmx',
          why: 'It begins with the size of the terminal that tsrun was started in.',
        }
      : {
          op: 'set_winsize',
          fd: 'ptmx',
          rows: consoleSize.height,
          columns: consoleSize.width,
          why: 'It begins with the size that was asked for.',
        },
    { op: 'send_fd', fd: 'ptmx', why: 'The host process copies bytes between this master and the caller.' },
    ...(isConsole ? planConsoleMount() : []),
    {
      op: 'set_controlling_tty',
      fd: 'tty',
      why: 'Ctrl-C and hang-up reach the session through its controlling terminal.',
    },
    ...[0, 1, 2].map(
      (to): Op => ({
        op: 'dup',
        fd: 'tty',
        to,
        why: `The terminal becomes ${['standard input', 'standard output', 'standard error'][to]}.`,
      }),
    ),
  ];
}

function planConsoleMount(): readonly Op[] {
  return [
    {
      op: 'ensure',
      into: 'target',
      at: 'rootfs',
      path: 'dev/console',
      type: K.S_IFREG,
      mode: 0o600,
      resolve: NO_LINKS,
      why: 'A place for /dev/console.',
    },
    {
      op: 'open_tree',
      into: 'mount',
      at: 'tty',
      path: '',
      flags: K.OPEN_TREE_CLONE,
      why: 'The terminal as a mount.',
    },
    {
      op: 'move_mount',
      from: 'mount',
      at: 'target',
      path: '',
      why: "/dev/console is the container's terminal, not the host's.",
    },
  ];
}
