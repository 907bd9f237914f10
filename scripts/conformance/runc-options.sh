#!/bin/sh
# crun's suite calls the runtime with two options that only crun has. This translates them for runtimes with runc's
# command line, and starts $RUNC_LIKE: --cgroup-manager NAME before the command, and --config config.json after it.
# What runc cannot do, a --config with another name, stays, and is an error of the runtime.
set -eu
left=$#
while [ "$left" -gt 0 ]; do
  word=$1
  shift
  left=$((left - 1))
  case "$word ${1-}" in
    '--cgroup-manager cgroupfs' | '--config config.json') shift && left=$((left - 1)) ;;
    '--cgroup-manager systemd') shift && left=$((left - 1)) && set -- "$@" --systemd-cgroup ;;
    *) set -- "$@" "$word" ;;
  esac
done
exec "$RUNC_LIKE" "$@"
