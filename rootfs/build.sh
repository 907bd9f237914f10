#!/usr/bin/env bash
# Makes the bundled images on demand: each name becomes an OCI archive that `tsrun load -i` takes.
#   rootfs/build.sh busybox debian python   prints the path of each archive, making those that are missing
#   rootfs/build.sh --missing NAME...       only prints the names that would have to be made
#
# NAME.sh is the recipe: `base`, the image below it, if any, and make_layer, which writes one layer as a tar.
# NAME.json holds its reference and its OCI config. Archives and layers are kept in .cache/images, keyed by a
# hash of the recipe.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=$PWD/.cache/images
node=$PWD/node_modules/node/bin/node
# No file may be newer than this, so that a recipe gives the same bytes tomorrow: the day Debian 12 came out.
export SOURCE_DATE_EPOCH=1686355200

main() {
  local check_only=
  [ "${1:-}" != --missing ] || { check_only=yes && shift; }
  [ $# -gt 0 ] || { echo 'usage: rootfs/build.sh [--missing] busybox|debian|python...' >&2; exit 2; }
  mkdir -p "$cache"
  local name
  for name in "$@"; do
    [ -f "rootfs/$name.sh" ] || { echo "rootfs: no recipe for '$name'" >&2; exit 2; }
    if [ -n "$check_only" ]; then
      is_made "$name" || echo "$name"
    else
      # Two test runs may want the same image at once: one makes it, the other waits.
      (flock 9 && make_image "$name") 9>"$cache/$name.lock"
      echo "$cache/$name.tar"
    fi
  done
}

# What the image is made of; a change of it makes the image anew.
key() {
  local base
  base=$(base_of "$1")
  [ -z "$base" ] || key "$base"
  cat rootfs/build.sh rootfs/oci-layout.ts "rootfs/$1.sh" "rootfs/$1.json" | sha256sum
}

# shellcheck disable=SC1090
base_of() { (base='' && . "rootfs/$1.sh" && echo "$base"); }

is_made() { [ -f "$cache/$1.tar" ] && [ "$(cat "$cache/$1.key" 2>/dev/null)" = "$(key "$1")" ]; }

make_image() {
  is_made "$1" && return 0
  local base work
  base=$(base_of "$1")
  [ -z "$base" ] || bash rootfs/build.sh "$base" >/dev/null
  echo "rootfs: making $1" >&2
  work=$(mktemp -d "$cache/.making-XXXXXX")
  # The recipe runs in its own mount namespace: whatever it mounts is gone with it, also when it fails.
  unshare --mount -- bash -euo pipefail -c ". rootfs/$1.sh; make_layer $work/layer.tar $work/files ${base:+$cache/$base.layer.tar}" >&2
  "$node" --disable-warning=ExperimentalWarning rootfs/oci-layout.ts "rootfs/$1.json" "$work/layout" \
    ${base:+"$cache/$base.layer.tar"} "$work/layer.tar"
  pack "$work/layout" "$work/image.tar"
  mv "$work/layer.tar" "$cache/$1.layer.tar"
  mv "$work/image.tar" "$cache/$1.tar"
  key "$1" >"$cache/$1.key"
  rm -rf "$work"
}

# Writes a directory as a tar with nothing in it that differs from run to run.
pack() {
  tar --create --file "$2" --directory "$1" --format=pax --sort=name --numeric-owner \
    --mtime="@$SOURCE_DATE_EPOCH" --clamp-mtime --pax-option='delete=atime,delete=ctime' \
    --xattrs --xattrs-include=security.capability .
}
export -f pack

# Debian recipes use the package sources of this machine, whatever mirror they name, and its proxy settings.
apt_sources() { grep -lrE '(^Suites:.*|[ /])bookworm' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | grep -E '\.(list|sources)$' || true; }
apt_options() { apt-config dump | grep -E '^Acquire::(Check-|https?::(Proxy|CaInfo))' | sed 's/;$//; s/^/--aptopt=/' || true; }
export -f apt_sources apt_options

# install_packages PACKAGES LAYER FILES BELOW: packages as a second layer on Debian, which is the upper directory of an overlay in
# which they were installed. PACKAGES are separated by commas.
install_packages() {
  local packages=$1 layer=$2 files=$3 below=$4 whiteout
  mkdir -p "$files"/{below,upper,work,merged}
  tar --extract --file "$below" --directory "$files/below"
  mount -t overlay -o "lowerdir=$files/below,upperdir=$files/upper,workdir=$files/work" overlay "$files/merged"
  mapfile -t options < <(apt_options)
  # The package manager runs outside and installs into the tree, which therefore needs no network of its own.
  # shellcheck disable=SC2016,SC2046
  mmdebstrap --quiet --variant=custom --format=directory --include="$packages" "${options[@]}" \
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
    echo "rootfs: a package of $packages replaced a whole directory; the recipe has to write an opaque mark" >&2
    return 1
  fi
  pack "$files/upper" "$layer"
}
export -f install_packages

main "$@"
