# shellcheck shell=bash disable=SC2016,SC2034
# The smallest useful image: Debian's static busybox and a link for each of its programs. Needs no network.
make_layer() {
  local files=$2 program
  mkdir -p "$files"/{bin,dev,etc,home,proc,root,sbin,sys,tmp,usr/bin,usr/sbin,var/spool/mail}
  chmod 1777 "$files/tmp"
  chmod 700 "$files/root"
  cp /bin/busybox "$files/bin/busybox"
  # Hard links, as the image of that name elsewhere has them: one inode, and an archive that holds it once.
  for program in $(/bin/busybox --list-full); do
    [ -e "$files/$program" ] || ln "$files/bin/busybox" "$files/$program"
  done
  printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'daemon:x:1:1:daemon:/usr/sbin:/bin/false' \
    'nobody:x:65534:65534:nobody:/home:/bin/false' >"$files/etc/passwd"
  printf '%s\n' 'root:x:0:' 'daemon:x:1:' 'tty:x:5:' 'nogroup:x:65534:' >"$files/etc/group"
  pack "$files" "$1"
}
