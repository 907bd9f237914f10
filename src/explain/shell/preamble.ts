/** What a script begins with: what it is, what it is not, and the shell functions that its commands use. */
import { wrap } from '../wrap.ts';
import { commentText } from './quote.ts';

export interface PreambleInput {
  /** How the container was asked for, fit for a comment. */
  readonly command: string;
  /** Lines that define bytes no word of the script may hold. */
  readonly bytes: readonly string[];
  /** Variables that stand for descriptors. */
  readonly descriptors: readonly string[];
  /** The commands that follow: only what they use is defined. */
  readonly body: string;
  /** Comments about what the script cannot do. */
  readonly limits: readonly string[];
  /** Empty directories that mounts are put on. */
  readonly places: readonly string[];
  /** Commands that end the script before it makes anything. */
  readonly refusals: readonly string[];
}

export function preamble(input: PreambleInput): string {
  const { command, bytes, descriptors, body, limits, refusals, places } = input;
  const functions = usedFunctions(body);
  return [
    '#!/bin/sh',
    `# ${command}`,
    '# The same container by hand: run this as root, from a file. It needs util-linux, coreutils and iproute2, makes',
    '# everything below a temporary directory, and removes that on every way out.',
    '# Not the same as what tsrun does:',
    ...[...limits, RESOLUTION].flatMap(bullet),
    '',
    'set -eua # stop at the first error, and at an unknown variable; all variables are passed on to the stages below',
    'LC_ALL=C',
    'PATH=$PATH:/usr/sbin:/sbin',
    ...bytes,
    '',
    ...functions.flatMap((name) => [...(FUNCTIONS[name] ?? []), '']),
    '# Everything begins here; each stage below is a new shell, started by a tool that has changed the process first.',
    'start() {',
    ...refusals.map((line) => `  ${line}`),
    '  [ "$(id -u)" = 0 ] || fail "only root may make namespaces and mounts"',
    '  SELF=$(realpath -- "$0") WORK= UNSHARE= STATUS=',
    `  ${descriptors.map((name) => `${name}=`).join(' ')}`,
    `  TMPDIR=\${TMPDIR:-/var/tmp} # not on overlayfs: an overlay takes no upper directory there`,
    '  exec 9<&0 # a process in the background would otherwise get no input',
    '  trap finish EXIT',
    "  trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM",
    '  WORK=$(mktemp -d -- "$TMPDIR/tsrun-by-hand.XXXXXX")',
    '  WORK=$(realpath -- "$WORK")',
    '  chmod 0711 -- "$WORK" # root of a user namespace must get through it',
    ...places.map((name) => `  mkdir -m 0755 -- "$WORK"/${name}`),
    `  collect ${usedTools(body).join(' ')}`,
    '  host',
    '}',
    '',
    'finish() {',
    "  trap '' HUP INT TERM",
    '  set +e',
    '  [ -z "$UNSHARE" ] || { kill -KILL "$UNSHARE"; wait "$UNSHARE"; } 2>/dev/null # its child ends with it',
    '  [ -z "$WORK" ] || { cleanup; rm -rf --one-file-system -- "$WORK"; }',
    '}',
  ].join('\n');
}

const RESOLUTION =
  'openat2: a shell follows a path of the image by name; it can only check beforehand that the links in it stay inside.';

function bullet(text: string): readonly string[] {
  return wrap(commentText(text), 110).map((line, i) => `# ${i === 0 ? '-' : ' '} ${line}`);
}

const FUNCTIONS: Readonly<Record<string, readonly string[]>> = {
  fail: ['fail() {', '  printf \'%s\\n\' "by hand: $1" >&2', '  exit 125', '}'],
  collect: [
    '# Programs that are still needed when the files of the host are out of reach, with their loader and libraries.',
    'collect() {',
    '  TOOLS=$WORK/tools',
    '  mkdir -m 0755 -- "$TOOLS"',
    '  for name; do',
    '    program=$(command -v "$name") || fail "$name is missing"',
    '    cp -L -- "$program" "$TOOLS/$name"',
    '    ldd "$program" | sed -n \'s,.*[[:space:]]\\(/[^ ]*\\) (0x.*,\\1,p\' | while read -r library; do',
    '      cp -L -- "$library" "$TOOLS/"',
    '    done',
    '  done',
    '  LOADER=$(cd -- "$TOOLS" && echo ld*.so*)',
    '  [ -x "$TOOLS/$LOADER" ] || fail "the tools of this host have no loader that can be put aside"',
    '}',
  ],
  tool: [
    '# Runs one of them; the shell stands in their directory.',
    'tool() {',
    '  name=$1',
    '  shift',
    '  "./$LOADER" --library-path . "./$name" "$@"',
    '}',
  ],
  inside: [
    '# The kernel can resolve a path inside a root (openat2 with RESOLVE_IN_ROOT). A shell can only look where the links of',
    '# the image lead, refuse what leads out of the root, and hope that nobody changes them meanwhile.',
    'inside() {',
    '  case $(realpath -m -- "$1/$2")/ in',
    '    "$(realpath -- "$1")"/*) ;;',
    '    *) fail "$2 leads out of the root file system" ;;',
    '  esac',
    '}',
  ],
  ensure: [
    '# ensure ROOT PATH directory|file MODE',
    'ensure() {',
    '  inside "$1" "$2"',
    '  if [ -L "$1/$2" ] && [ ! -e "$1/$2" ]; then fail "$2 is a link that leads nowhere"; fi',
    '  if [ "$3" = directory ]; then',
    '    [ -d "$1/$2" ] || (umask 022; mkdir -p -m "$4" -- "$1/$2")',
    '  elif [ ! -e "$1/$2" ]; then',
    '    (umask 022; mkdir -p -- "$(dirname -- "$1/$2")"; : >"$1/$2"; chmod -- "$4" "$1/$2")',
    '  fi',
    '}',
  ],
  hide: [
    '# hide ROOT PATH FILE DIRECTORY',
    'hide() {',
    '  inside "$1" "$2"',
    '  if [ -d "$1/$2" ]; then mount --bind -- "$4" "$1/$2"',
    '  elif [ -e "$1/$2" ]; then mount --bind -- "$3" "$1/$2"; fi',
    '}',
  ],
  remount_tree: [
    '# mount(8) changes one mount at a time: remount_tree OPTIONS TARGET goes through all below.',
    'remount_tree() {',
    '  findmnt --noheadings --list --output TARGET --submounts --mountpoint "$2" | while IFS= read -r each; do',
    '    mount -o "remount,bind,$1" -- "$each"',
    '  done',
    '}',
  ],
  limit: [
    '# limit NAME SOFT HARD; what the host does not allow becomes the most it allows.',
    'limit() {',
    '  if tool prlimit --pid "$$" "--$1=$2:$3" 2>/dev/null; then return; fi',
    '  hard=$(tool prlimit --pid "$$" "--$1" --noheadings --raw --output HARD) soft=$2',
    '  if [ "$3" != unlimited ] && [ "$hard" != unlimited ] && [ "$3" -lt "$hard" ]; then hard=$3; fi',
    '  if [ "$hard" != unlimited ] && { [ "$soft" = unlimited ] || [ "$soft" -gt "$hard" ]; }; then soft=$hard; fi',
    '  tool prlimit --pid "$$" "--$1=$soft:$hard"',
    '}',
  ],
  unless_there: [
    '# Runs a command; that what it makes is there already is no error.',
    'unless_there() {',
    '  error=$("$@" 2>&1) || case $error in',
    "    *'File exists'* | *'already assigned'*) ;;",
    '    *) fail "$error" ;;',
    '  esac',
    '}',
  ],
  remove_cgroup: [
    '# A cgroup stays busy for a moment after its last process has ended.',
    'remove_cgroup() {',
    '  [ -d "$1" ] || return 0',
    '  tries=0',
    '  until rmdir -- "$1" 2>/dev/null; do',
    '    tries=$((tries + 1))',
    '    [ "$tries" -lt 200 ] || { rmdir -- "$1"; return; }',
    '    sleep 0.01',
    '  done',
    '}',
  ],
};

function usedFunctions(body: string): readonly string[] {
  const always = new Set(['fail', 'collect']);
  const text = (names: readonly string[]) =>
    [body, ...names.flatMap((name) => FUNCTIONS[name] ?? [])].join('\n');
  const calls = (name: string, where: string) =>
    new RegExp(`(^|[;&(]|then|\\|\\||if)[ \\t]*${name} `, 'm').test(where);
  const called = Object.keys(FUNCTIONS).filter((name) => calls(name, body));
  return Object.keys(FUNCTIONS).filter((name) => always.has(name) || calls(name, text(called)));
}

/** Names after `tool`, and the two that the last command runs itself. */
function usedTools(body: string): readonly string[] {
  const named = [...body.matchAll(/\btool ([a-z]+)/g)].map(([, name]) => name ?? '');
  const limits = /^ *limit /m.test(body) ? ['prlimit'] : [];
  return [...new Set([...named, ...limits, 'setpriv', 'env'])];
}
