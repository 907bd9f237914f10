#!/bin/busybox sh
# PID 1 of the test machines, QEMU and user-mode-linux alike. It runs twice: first in the initramfs, where it
# builds the root (host root read-only below, tmpfs above) and switches to it; then as PID 1 of that root,
# where it mounts what a Linux system has, runs the one command and reports. Any failing line ends PID 1, the
# kernel panics, and the host shows the console log.
#
# From the kernel command line (unknown NAME=value words become init's environment):
#   TSRUN_HOST     9p or hostfs: how the host's root file system arrives
#   TSRUN_RUN      directory on the host made for this run: command, cwd, token, rw-dirs
#   TSRUN_MODULES  directory on the host that holds this kernel's modules
#   TSRUN_DISK     "ext4" when data roots are to lie on ext4 instead of tmpfs
#   TSRUN_SYSTEMD  "yes" when systemd is to be PID 1, and the command a service of it
#   TSRUN_PORTS    the character devices for stdout, stderr and stdin, patterns with commas between
set -eu

initramfs() {
  # busybox's shell runs its applets through /proc/self/exe, so /proc is the first to mount.
  /bin/busybox mkdir -p /proc /dev /host /layers /root
  /bin/busybox mount -t proc -o nosuid,nodev,noexec proc /proc
  mount -t devtmpfs -o nosuid,mode=0755 dev /dev 2>/dev/null || true # some kernels have mounted it already
  if [ -n "${TSRUN_PROBE:-}" ]; then
    echo "$TSRUN_PROBE"
    poweroff -f
  fi
  while read -r module; do insmod "/modules/$module"; done </modules/order

  mount_host
  mount -t tmpfs -o mode=0755 layers /layers
  mkdir /layers/upper /layers/work
  mount -t overlay -o lowerdir=/host,upperdir=/layers/upper,workdir=/layers/work root /root

  # Host sockets and pid files in /run mean nothing here, so it starts empty, but for this script's tools.
  mount -t tmpfs -o mode=0755 run /root/run
  mkdir /root/run/tsrun-vm
  cp /bin/busybox /init /root/run/tsrun-vm/
  mount --move /dev /root/dev
  mount --move /proc /root/proc
  exec /bin/busybox switch_root /root /run/tsrun-vm/busybox sh /run/tsrun-vm/init system
}

mount_host() {
  case $TSRUN_HOST in
    # cache=loose: the host promises not to change what it shares while the machine runs.
    9p) mount -t 9p -o "ro,$NINE_P,cache=loose" hostroot /host ;;
    hostfs) mount -t hostfs -o ro host /host ;;
  esac
}

system() {
  # The root as the host has it, before /tmp and others hide a part of it.
  mkdir /run/tsrun-vm/plain
  mount --bind / /run/tsrun-vm/plain

  mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
  mkdir -p /dev/pts /dev/shm /dev/mqueue
  mount -t devpts -o nosuid,noexec,gid=5,mode=0620,ptmxmode=0666 devpts /dev/pts
  mount -t tmpfs -o nosuid,nodev,mode=1777 shm /dev/shm
  mount -t mqueue -o nosuid,nodev,noexec mqueue /dev/mqueue
  ln -sf /proc/self/fd /dev/fd
  ln -sf fd/0 /dev/stdin
  ln -sf fd/1 /dev/stdout
  ln -sf fd/2 /dev/stderr

  # An overlay cannot have its upper directory on another overlay, so data roots need a real file system.
  mkdir -p /tmp /var/lib/tsrun
  mount -t tmpfs -o nosuid,nodev,mode=1777 tmp /tmp
  mount -t tmpfs -o mode=0711 data /var/lib/tsrun

  delegate_cgroups
  mkdir -p /lib/modules
  mount --bind "/run/tsrun-vm/plain$TSRUN_MODULES" /lib/modules
  ip link set lo up
  hostname tsrun-vm
  [ -z "${TSRUN_DISK:-}" ] || mount_disk
  ulimit -Hn 1048576 # as systemd has it; the kernel's own default is 4096
  share_directories
}

# A file system on a file, for what tmpfs of this kernel lacks: user extended attributes, quotas, real inodes.
mount_disk() {
  truncate -s 8G /run/tsrun-vm/disk.img
  /sbin/modprobe -a loop ext4
  /sbin/mkfs.ext4 -q -O ^has_journal,^resize_inode -E lazy_itable_init=1,nodiscard /run/tsrun-vm/disk.img
  mkdir /run/tsrun-vm/disk
  mount -t ext4 -o loop,discard /run/tsrun-vm/disk.img /run/tsrun-vm/disk
  mkdir -m 0711 /run/tsrun-vm/disk/data
  mkdir -m 1777 /run/tsrun-vm/disk/tmp
  mount --bind /run/tsrun-vm/disk/data /var/lib/tsrun
  mount --bind /run/tsrun-vm/disk/tmp /var/tmp
  umount /run/tsrun-vm/disk
}

# Controllers are for children only when the parent says so; the root cgroup may hold processes besides.
delegate_cgroups() {
  mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate cgroup2 /sys/fs/cgroup
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
  done
}

# The caller's directory is kept in view when it lies in one the machine hides; then the writable shares.
share_directories() {
  here=$(cat "/run/tsrun-vm/plain$TSRUN_RUN/cwd")
  if [ ! -d "$here" ] && [ -d "/run/tsrun-vm/plain$here" ]; then
    mkdir -p "$here"
    mount --bind "/run/tsrun-vm/plain$here" "$here"
  fi
  number=0
  while read -r directory; do
    mkdir -p "$directory"
    case $TSRUN_HOST in
      9p) mount -t 9p -o "$NINE_P,cache=none" "rw$number" "$directory" ;;
      hostfs) mount -t hostfs -o "$directory" rw "$directory" ;;
    esac
    number=$((number + 1))
  done <"/run/tsrun-vm/plain$TSRUN_RUN/rw-dirs"
}

# The command talks to fifos, not to the ports: a port can be opened only once, so a program that opens
# /dev/stderr again would fail. The token with the status goes through the same fifos, hence comes after all
# the command wrote.
run() {
  cd /run/tsrun-vm
  mkfifo stdin stdout stderr
  cp "plain$TSRUN_RUN/command" "plain$TSRUN_RUN/token" .
  umount -l plain
  IFS=, read -r out err in <<PORTS
$TSRUN_PORTS
PORTS
  out=$(open_port "$out") err=$(open_port "$err") in=$(open_port "$in")
  exec 3<>stdout 4<>stderr
  cat <stdout >"$out" &
  cat <stderr >"$err" &
  # Not cat: busybox's uses sendfile, which holds the pipe's lock while it waits for the terminal to say
  # something, and the command could not even exit, since that closes the pipe.
  dd bs=64k <"$in" >stdin 2>/dev/null &
  [ -z "${TSRUN_SYSTEMD:-}" ] || boot_systemd
  run_command
  while :; do wait || true; sleep 3600; done # the host ends the machine when it has read both
}

run_command() {
  sh command <stdin >stdout 2>stderr &
  status=0
  wait $! || status=$?
  sync
  printf '\0%s%03d\n' "$(cat token)" $status >stdout
  printf '\0%s%03d\n' "$(cat token)" $status >stderr
}

# As little of systemd's boot as will do: the bus of the system, and the command.
boot_systemd() {
  units=/run/systemd/system
  for unit in dbus.socket dbus.service; do
    mkdir -p $units/$unit.d
    printf '[Unit]\nDefaultDependencies=no\n' >$units/$unit.d/early.conf
  done
  cat >$units/vm.target <<UNIT
[Unit]
DefaultDependencies=no
Requires=vm.service
UNIT
  cat >$units/vm.service <<UNIT
[Unit]
DefaultDependencies=no
Requires=dbus.socket dbus.service
After=dbus.socket dbus.service
[Service]
ExecStart=/run/tsrun-vm/busybox sh /run/tsrun-vm/init command
WorkingDirectory=/run/tsrun-vm
LimitNOFILE=1024:1048576
TasksMax=infinity
UNIT
  exec /lib/systemd/systemd --unit=vm.target
}

# Waits for a port, given as a pattern, since the driver makes ports in its own time, and prints its path.
open_port() {
  until [ -c "$(echo $1)" ]; do usleep 5000; done
  case $1 in /dev/ttyS*) stty -F "$1" raw -echo ;; esac
  echo $1
}

NINE_P=trans=virtio,version=9p2000.L,msize=1048576
case ${1:-initramfs} in
  initramfs) initramfs ;;
  system)
    system
    run
    ;;
  command) run_command ;;
esac
