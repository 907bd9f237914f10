#!/usr/bin/env bash
# Makes this checkout ready, on a fresh Debian 12 with nothing but Node and npm:
#   scripts/setup.sh         what running tsrun needs (npm run demo)
#   scripts/setup.sh test    also what the tests, the VM, the images and the benchmarks need
#   scripts/setup.sh conformance    also what the suites of runc and crun are written in
#   scripts/setup.sh engines        what `test` needs, and the engines that call OCI runtimes
# Says what it does; does only what is missing, so a second run takes well under a second.
set -euo pipefail
cd "$(dirname "$0")/.."

level=${1:-demo}
pinned_node=node_modules/node/bin/node
npm_stamp=node_modules/.tsrun-installed

main() {
  case $level in demo | test | conformance | engines) ;; *) fail "unknown level '$level'" "use: scripts/setup.sh [demo|test|conformance|engines]" ;; esac
  check_machine
  install_debian_packages
  install_npm_packages
  check_pinned_node
  build_native
  make_images
}

say() { printf 'setup: %s\n' "$*"; }

fail() {
  printf 'setup: %s\n' "$1" >&2
  printf 'hint: %s\n' "$2" >&2
  exit 1
}

check_machine() {
  [ "$(uname -s)" = Linux ] ||
    fail "tsrun needs a Linux kernel; this is $(uname -s)" 'start the Debian machine of the Vagrantfile: vagrant up && vagrant ssh'
  case $(uname -m) in x86_64 | aarch64) ;; *) fail "tsrun runs on x86_64 and aarch64; this is $(uname -m)" 'use another machine' ;; esac
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    fail 'Node and npm are missing; they install the pinned Node that tsrun itself runs on' \
      'as root: apt-get install nodejs npm (any Node from 18 on)'
  fi
}

# Prints the package names of this level and those it stands on, from packages.txt: demo, and test on demo.
wanted_packages() {
  awk -v level="$level" '
    { sub(/#.*/, "") }
    NF == 0 { next }
    { of = NF > 1 ? $2 : "test" }
    of == level || of == "demo" || (of == "test" && level != "demo") { print $1 }
  ' scripts/packages.txt | sort -u
}

# Asks dpkg each time instead of keeping a stamp: it answers in milliseconds and is never out of date.
missing_packages() {
  comm -23 <(wanted_packages) \
    <(dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort -u)
}

install_debian_packages() {
  command -v dpkg-query >/dev/null ||
    fail 'this is not a Debian system: no dpkg' "install by hand what these are called here: $(wanted_packages | xargs)"
  local missing
  missing=$(missing_packages | xargs)
  [ -n "$missing" ] || return 0
  [ "$(id -u)" = 0 ] ||
    fail "not root, and these Debian packages are missing: $missing" "run: sudo apt-get install --no-install-recommends $missing"
  say "installing Debian packages: $missing"
  export DEBIAN_FRONTEND=noninteractive
  quietly apt-get -qq update
  # shellcheck disable=SC2086
  quietly apt-get -qq install -y --no-install-recommends $missing
  # The tests start registries of their own: the machine does not get another one on port 5000.
  case " $missing " in
    *' docker-registry '*) [ ! -d /run/systemd/system ] || quietly systemctl disable --now docker-registry ;;
  esac
}

install_npm_packages() {
  local wanted
  wanted=$(cat package-lock.json .npmrc | sha256sum)
  [ -f "$npm_stamp" ] && [ "$(cat "$npm_stamp")" = "$wanted" ] && return 0
  say 'installing npm packages (the pinned Node among them)'
  quietly npm ci --no-progress
  # An npm that did not run the package's install script (it then has no binary) runs it when told by name.
  [ -x "$pinned_node" ] || quietly npm rebuild --foreground-scripts node
  printf '%s\n' "$wanted" >"$npm_stamp"
}

check_pinned_node() {
  local pinned
  pinned=v$(sed -n 's/^    "node": "\([0-9.]*\)".*/\1/p' package.json)
  [ "$("$pinned_node" --version 2>/dev/null)" = "$pinned" ] && return 0
  rm -f "$npm_stamp"
  fail "the pinned Node $pinned does not run: $pinned_node" \
    'its npm package fetches the binary in an install script: see that package.json allowScripts names it, then run setup again'
}

build_native() {
  if make -C native --question >/dev/null 2>&1; then return 0; fi
  say 'building the native library and the helper tsrun-exec'
  quietly make -C native
}

make_images() {
  local images=(busybox) missing
  [ "$level" = demo ] || images+=(debian python network)
  missing=$(bash rootfs/build.sh --missing "${images[@]}" | xargs)
  [ -n "$missing" ] || return 0
  say "making the images: $missing"
  # shellcheck disable=SC2086
  quietly bash rootfs/build.sh $missing
}

# Runs a command whose output matters only when it fails.
quietly() {
  local log
  log=$(mktemp)
  if "$@" >"$log" 2>&1 </dev/null; then
    rm -f "$log"
    return 0
  fi
  cat "$log" >&2
  rm -f "$log"
  fail "this failed, and its output is above: $*" 'mend the cause and run setup again: it continues where it stopped'
}

main
