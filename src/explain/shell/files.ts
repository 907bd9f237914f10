/** Ops on files as commands of coreutils. */
import * as K from '../../kernel/constants.ts';
import { printfFormat, quote } from './quote.ts';
import type { Translations } from './table.ts';

type FileOps =
  | 'open'
  | 'ensure'
  | 'mkdir'
  | 'rmdir'
  | 'unlink'
  | 'unlink_same'
  | 'remove_tree'
  | 'symlink'
  | 'mknod'
  | 'chown'
  | 'chmod'
  | 'write'
  | 'check_device'
  | 'check_fs'
  | 'fchdir'
  | 'chdir'
  | 'enter'
  | 'dup'
  | 'close_from'
  | 'chown_stdio'
  | 'record_pid'
  | 'record_exit'
  | 'count_oom_kills';

const NODE_TYPES = new Map<number, string>([
  [K.S_IFCHR, 'c'],
  [K.S_IFBLK, 'b'],
  [K.S_IFIFO, 'p'],
]);

export const FILES: Translations<FileOps> = {
  // A shell has no descriptors of directories: the path is kept in a variable, and looked up again at each use.
  open(op, sh) {
    if (op.at === 'rootfs') sh.line(`inside ${sh.variable(op.at)} ${quote(op.path)}`);
    const path = sh.path(op.at, op.path);
    if (op.tolerate?.includes('ENOENT')) sh.assignIfThere(op.into, path);
    else sh.assign(op.into, path);
  },
  ensure(op, sh) {
    const type = Number(op.type) === K.S_IFDIR ? 'directory' : 'file';
    sh.line(`ensure ${sh.variable(op.at)} ${quote(op.path)} ${type} ${octal(op.mode)}`);
    sh.assign(op.into, sh.path(op.at, op.path));
  },
  mkdir: (op, sh) => sh.line(`mkdir -m ${octal(op.mode)} -- ${sh.path(op.at, op.path)}`),
  rmdir: (op, sh) => sh.line(`remove_cgroup ${sh.path(op.at, op.path)}`),
  unlink_same: ({ path, as }, sh) =>
    sh.line(`[ ! ${quote(path)} -ef ${quote(as)} ] || rm -f -- ${quote(path)}`),
  unlink: (op, sh) => sh.line(`rm -f -- ${sh.path(op.at, op.path)}`),
  remove_tree: (op, sh) => sh.line(`rm -rf --one-file-system -- ${sh.path(op.at, op.path)}`),
  symlink(op, sh) {
    const path = sh.path(op.at, op.path);
    const unlessThere = op.tolerate?.includes('EEXIST') ? `[ -e ${path} ] || [ -L ${path} ] || ` : '';
    sh.line(`${unlessThere}ln -s -- ${quote(op.target)} ${path}`);
  },
  mknod(op, sh) {
    const type = NODE_TYPES.get(Number(op.mode) & 0o170000) ?? 'c';
    const { major, minor } = deviceNumber(op.dev);
    const number = type === 'p' ? '' : ` ${major} ${minor}`;
    sh.line(`mknod -m ${octal(Number(op.mode) & 0o7777)} -- ${sh.path(op.at, op.path)} ${type}${number}`);
  },
  chown: (op, sh) => sh.line(`chown -h -- ${op.uid}:${op.gid} ${sh.path(op.at, op.path)}`),
  chmod: (op, sh) => sh.line(`chmod -- ${octal(op.mode)} ${sh.path(op.at, op.path)}`),
  write(op, sh) {
    const offsets = op.at === undefined && op.path === '/proc/self/timens_offsets';
    if (offsets) return writeOffsets(Buffer.from(op.data).toString(), sh);
    const path = sh.path(op.at, op.path);
    const ifThere = op.tolerate?.includes('ENOENT') ? `[ ! -e ${path} ] || ` : '';
    sh.line(`${ifThere}printf ${printfFormat(Buffer.from(op.data))} >${path}`);
  },
  check_device(op, sh) {
    const { major, minor } = deviceNumber(op.dev);
    const found = `$(stat -L -c %F:%t:%T -- ${sh.variable(op.fd)})`;
    const wanted = `character special file:${major.toString(16)}:${minor.toString(16)}`;
    sh.line(`[ "${found}" = '${wanted}' ] || fail 'not the device it should be'`);
  },
  check_fs(op, sh) {
    const found = `$(stat -f -c %t -- ${sh.variable(op.fd)})`;
    sh.line(`[ "${found}" = ${BigInt(op.magic).toString(16)} ] || fail 'not the file system it should be'`);
  },
  fchdir(op, sh) {
    sh.directory = sh.variable(op.fd);
    sh.line(`cd -- ${sh.directory}`);
  },
  chdir(op, sh) {
    sh.last.directory = quote(op.path);
    sh.comment('env does it, in the last command: it runs as the user of the program.');
  },
  enter: (_op, sh) =>
    sh.limit('enter', 'the shell stands in the directory of its tools: only the user of the program enters.'),
  dup(op, sh) {
    sh.line(`exec ${op.to}<${sh.variable(op.fd)}`);
  },
  close_from(op, sh) {
    const first = Number(op.first);
    const numbers = Array.from({ length: 10 - first }, (_, i) => `${first + i}>&-`);
    sh.line(`exec ${numbers.join(' ')}`);
    sh.limit(
      'close_from',
      'a shell can close descriptors 0 to 9, and mark none close-on-exec: what its caller has left open above 9 goes into the container.',
    );
  },
  chown_stdio(op, sh) {
    sh.line(
      'for fd in 0 1 2; do',
      `  if [ -p "/proc/self/fd/$fd" ] || [ -S "/proc/self/fd/$fd" ]; then tool chown -f ${op.uid} "/proc/self/fd/$fd" || :; fi`,
      'done',
    );
  },
  record_pid(op, sh) {
    sh.line(
      `printf '%s %s\\n' "$CHILD" "$(sed 's/.*) //' "/proc/$CHILD/stat" | cut -d ' ' -f 20)" >${sh.path(op.at, op.path)}`,
    );
  },
  record_exit(op, sh) {
    const path = sh.path(op.at, op.path);
    sh.comment(
      'A shell gets the exit status, not the whole wait status: after a signal it is 128 and its number.',
    );
    sh.line(
      `[ -z "$STATUS" ] || printf '{"waitStatus":%s,"finishedAtMs":%s,"oomKilled":%s}\\n' "$((STATUS * 256))" "$(date +%s%3N)" "\${OOM_KILLED:-false}" >${path}`,
    );
  },
  count_oom_kills(op, sh) {
    const path = sh.path(op.at, op.path);
    sh.line(`if grep -q '^oom_kill [1-9]' ${path} 2>/dev/null; then OOM_KILLED=true; fi`);
  },
};

/** unshare(1) writes the file itself; it takes whole seconds. */
function writeOffsets(text: string, sh: Parameters<(typeof FILES)['write']>[1]): void {
  for (const [, clock, seconds, nanoseconds] of text.matchAll(/^(\w+) (-?\d+) (\d+)$/gm)) {
    sh.launch.flags.push(`--${clock}=${seconds}`);
    if (nanoseconds !== '0')
      sh.comment(`unshare takes whole seconds: ${nanoseconds} ns of ${clock} are lost.`);
  }
  sh.comment('unshare does it, when it makes the process.');
}

function octal(mode: number | bigint): string {
  return Number(mode).toString(8).padStart(4, '0');
}

/** The reverse of makedev(3). */
function deviceNumber(dev: number | bigint): { readonly major: bigint; readonly minor: bigint } {
  const d = BigInt(dev);
  return {
    major: ((d >> 8n) & 0xfffn) | ((d >> 32n) & 0xfffff000n),
    minor: (d & 0xffn) | ((d >> 12n) & 0xffffff00n),
  };
}
