#!/usr/bin/env bash
# The suite of the OCI runtime specification against one runtime, in namespaces of its own: whatever the runtime leaves of
# mounts, processes and links goes with them, and its cgroups and files at the end. Further arguments are vitest's, such as
# the name of a file.
#   RUNTIME=runc  npm run conformance:spec            a program, with its global options; without it, our tsrun-oci
#   CGROUPS=v1    npm run conformance:spec            shows the runtime only version 1, on a host that has both
#   SPEC=DIR      npm run conformance:spec coverage   which sentences of that checkout of the specification have no test
set -euo pipefail
cd "$(dirname "$0")/../.."

node=(node_modules/node/bin/node --disable-warning=ExperimentalWarning)

main() {
  case ${1:-} in
    coverage) "${node[@]}" test/conformance/coverage.ts "${SPEC:?names a checkout of the specification}" ;;
    inside) shift && inside "$@" ;;
    *) isolated "$@" ;;
  esac
}

isolated() {
  local child status=0
  export CONFORMANCE_RUN=$$ TMPDIR
  TMPDIR=$(mktemp -d)
  chmod 755 "$TMPDIR"
  trap remove_leftovers EXIT
  # In the background, so that a signal to this shell is heeded at once; its end is the end of all of it.
  unshare --mount --net --pid --fork --kill-child --mount-proc bash test/conformance/run.sh inside "$@" </dev/null &
  child=$!
  trap 'kill -KILL $child' INT TERM
  wait "$child" || status=$?
  return "$status"
}

# What an interrupted test has not taken away itself. The kernel empties a cgroup a moment after its last process is gone.
remove_leftovers() {
  local _
  for _ in {1..50}; do
    find /sys/fs/cgroup -depth -type d -name "conformance-$CONFORMANCE_RUN-*" -exec rmdir {} + 2>/dev/null && break
    sleep 0.1
  done
  rm -rf "$TMPDIR"
}

inside() {
  # As where systemd is process 1. Nothing gets out of here: only what is mounted in here is shared with anybody.
  mount --make-rshared /
  [ "${CGROUPS:-}" != v1 ] || show_only_cgroup_v1
  ip link set lo up
  # As a child, so that this shell stays process 1 here and reaps what containers leave.
  "${node[@]}" node_modules/vitest/vitest.mjs run --project conformance "$@"
}

# A fresh mount of every v1 hierarchy that the host uses, and none of version 2.
show_only_cgroup_v1() {
  local names
  mount -t tmpfs -o mode=755 cgroups /sys/fs/cgroup
  while IFS=: read -r _ names _; do
    [ -n "$names" ] || continue
    mkdir "/sys/fs/cgroup/${names#name=}"
    mount -t cgroup -o "$names" cgroup "/sys/fs/cgroup/${names#name=}"
  done </proc/self/cgroup
}

main "$@"
