# shellcheck shell=bash disable=SC2034
# Python 3 as a second layer on Debian.
base=debian

make_layer() { install_packages python3 "$@"; }
