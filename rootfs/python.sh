# shellcheck shell=bash disable=SC2016,SC2034
# Python 3 as a second layer on Debian: the upper directory of an overlay in which the package was installed.
base=debian

make_layer() {
  local layer=$1 files=$2 below=$3 whiteout
  mkdir -p "$files"/{below,upper,work,merged}
  tar --extract --file "$below" --directory "$files/below"
  mount -t overlay -o "lowerdir=$files/below,upperdir=$files/upper,workdir=$files/work" overlay "$files/merged"
  mapfile -t options < <(apt_options)
  # The package manager runs outside and installs into the tree, which therefore needs no network of its own.
  # shellcheck disable=SC2046
  mmdebstrap --quiet --variant=custom --format=directory --include=python3 "${options[@]}" \
    --skip=check/empty,chroot/start-stop-daemon,chroot/policy-rc.d \
    --customize-hook='rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/resolv.conf" "$1/etc/hostname"' \
    bookworm "$files/merged" $(apt_sources)
  umount "$files/merged"
  rm -rf "$files/upper/dev" # nodes that were made for the installation only

  # Overlay marks a removed file by a device 0:0; a layer marks it by a file named .wh.NAME.
  find "$files/upper" -type c | while read -r whiteout; do
    rm "$whiteout"
    : >"${whiteout%/*}/.wh.${whiteout##*/}"
  done
  if tar --create --directory "$files/upper" --xattrs --xattrs-include='trusted.overlay.opaque' . |
    grep --text --quiet 'trusted\.overlay\.opaque'; then
    echo 'rootfs: a package replaced a whole directory; the python recipe has to write an opaque mark' >&2
    return 1
  fi
  pack "$files/upper" "$layer"
}
