# shellcheck shell=bash disable=SC2016,SC2034
# Debian 12 with the packages every Debian has, without documentation and translations. About 20 seconds.
make_layer() {
  local files=$2
  mapfile -t options < <(apt_options)
  # shellcheck disable=SC2046
  mmdebstrap --quiet --variant=minbase --format=directory "${options[@]}" \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --customize-hook='rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/resolv.conf" "$1/etc/hostname"' \
    bookworm "$files" $(apt_sources)
  # Device nodes are the runtime's to make; an image has only the place for them.
  rm -rf "${files:?}"/dev/*
  pack "$files" "$1"
}
