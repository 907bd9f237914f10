#!/usr/bin/env bash
# From a fresh checkout to a container, and what a container is: the same questions asked on the host and
# inside. The first run installs and builds what is missing; the next takes seconds.
# shellcheck disable=SC2016
set -euo pipefail
cd "$(dirname "$0")/.."

main() {
  bash scripts/setup.sh
  [ "$(id -u)" = 0 ] || {
    echo 'demo: starting a container takes root here: run `sudo npm run demo`' >&2
    exit 1
  }
  if ! bin/tsrun image inspect busybox >/dev/null 2>&1; then
    echo '$ tsrun load -i .cache/images/busybox.tar'
    bin/tsrun load -i .cache/images/busybox.tar
  fi
  greet
  compare
  goodbye
}

greet() {
  printf '\n$ tsrun run --rm --hostname hello busybox sh -c '\''...'\''\n\n'
  bin/tsrun run --rm --hostname hello busybox sh -c '
    echo "  Hello from inside a container!"
    echo "  I am process $$ of a machine that calls itself $(hostname)."
    echo "  I see these files:     $(ls / | xargs)"
    echo "  and these interfaces:  $(ls /sys/class/net | xargs)"'
}

# The same shell commands twice: on the host, and in a container.
compare() {
  local inside outside
  inside=$(bin/tsrun run --rm --hostname hello busybox sh -c "$QUESTIONS")
  outside=$(/bin/busybox sh -c "$QUESTIONS")
  printf '\n  %-28s %-28s %s\n' 'Asked of both' 'on the host' 'in the container'
  paste -d'|' <(printf '%s\n' "${ASKED[@]}") <(printf '%s\n' "$outside") <(printf '%s\n' "$inside") |
    while IFS='|' read -r asked host container; do
      printf '  %-28s %-28.27s %s\n' "$asked" "$host" "$container"
    done
}

ASKED=('host name' 'processes in sight' 'name of process 1' 'network interfaces' 'entries in /' 'PID namespace' 'network namespace')
QUESTIONS='
  hostname
  ls /proc | grep -c "^[0-9]"
  cat /proc/1/comm
  ls /sys/class/net | xargs
  ls -A / | wc -l
  readlink /proc/self/ns/pid
  readlink /proc/self/ns/net'

goodbye() {
  cat <<'TEXT'

  No virtual machine: one process, started by the kernel calls that tsrun planned for it. To read them:

    bin/tsrun explain run busybox sh      every call, and why it is made
    bin/tsrun run -it --rm busybox        a shell of your own inside
    bin/tsrun images                      what can be run

  What stays on this machine, and how it is taken away again: README.md, "A first session".

TEXT
}

main
