#!/usr/bin/env bash
# PID 1 of one test, in namespaces that were just made for it: mounts what a machine has, and runs the command at a
# terminal of its own. When it ends, the kernel kills what the test has left running.
#   view.sh CONTROLLERS… -- COMMAND…    CONTROLLERS: one word for each v1 hierarchy; none for the machine's cgroup v2
set -euo pipefail

# The machine's nodes, as copies: runtimes give streams to the user of a container, and with them a /dev/null.
own_dev() {
  mkdir dev
  mount -t tmpfs -o mode=0755 dev dev
  cp --archive --one-file-system /dev/. dev
  chown root:root dev/null
  rm -rf dev/ptmx dev/pts dev/shm dev/mqueue
  mkdir -p dev/pts dev/shm dev/mqueue
  ln -s pts/ptmx dev/ptmx
  mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts dev/pts
  mount -t tmpfs -o nosuid,nodev,mode=1777 shm dev/shm
  mount -t mqueue -o nosuid,nodev,noexec mqueue dev/mqueue
  mount --move dev /dev
  rmdir dev
}

mount --make-rprivate /
# podman unmounts what it finds listed below /sys, and fails where another mount covers that.
umount --recursive --lazy /sys
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
if [ "$1" != -- ]; then
  mount -t tmpfs -o mode=0755 cgroup /sys/fs/cgroup
else
  mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup
fi
# In the cgroup namespace each mount shows the test's own cgroup as the root.
while [ "$1" != -- ]; do
  directory=/sys/fs/cgroup/${1#name=}
  mkdir "$directory"
  case $1 in
    name=*) mount -t cgroup -o "none,$1" cgroup "$directory" ;;
    *) mount -t cgroup -o "$1" cgroup "$directory" ;;
  esac
  # Suites and runtimes look for cpu where the machine has cpu,cpuacct.
  case $1 in *,*) for one in ${1//,/ }; do ln -s "$1" "/sys/fs/cgroup/$one"; done ;; esac
  shift
done
shift

# Sockets and state of the machine's own engines are not for a test; and its files shall be gone with it.
mount -t tmpfs -o mode=0755 run /run
mkdir -m 1777 "$TMPDIR"
cd "$TMPDIR"
own_dev
ip link set lo up
echo 10000 >/proc/sys/kernel/ns_last_pid # crun's suite takes only numbers of five digits for process IDs
hostname conformance

# Not exec: PID 1 has to reap what a runtime leaves to it, or a dead container would look alive for ever.
command=$(printf '%q ' "$@")
script --quiet --return --command "$command" /dev/null </dev/null || true
# The kernel could not kill what is frozen, and this namespace would have no end.
if [ -d /sys/fs/cgroup/freezer ]; then
  find /sys/fs/cgroup/freezer/ -mindepth 2 -name freezer.state -exec sh -c 'for file; do echo THAWED >"$file"; done' sh {} +
fi
