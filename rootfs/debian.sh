# Debian 12 with the packages every Debian has, without documentation and translations. About 20 seconds.
make_layer() {
  mapfile -t options < <(apt_options)
  # shellcheck disable=SC2046
  mmdebstrap --quiet --variant=minbase --format=tar --skip=output/dev "${options[@]}" \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --customize-hook='rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/resolv.conf" "$1/etc/hostname"' \
    bookworm "$1" $(apt_sources)
}
