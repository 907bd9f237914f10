#!/usr/bin/env bash
# Makes dist/: what a user installs. The minified bundle, the native parts and the launcher beside it, and
# V8's compiled code of what a run calls, so that a cold start compiles nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

bash scripts/setup.sh
new=$(mktemp -d -p . .dist-XXXXXX)
trap 'rm -rf "$new"' EXIT
chmod 755 "$new"

node=node_modules/node/bin/node
"$node" scripts/bundle.ts "$new"
install -m 755 native/build/libtsrun.so native/build/tsrun-exec "$new"
install -m 755 -D native/build/tsrun "$new/bin/tsrun"
install -m 755 native/build/tsrun "$new/bin/tsrun-oci"

rm -rf dist
mv "$new" dist
# The code cache holds the functions that one command called: a container that was run, which only root can; for
# others the help of `run`. In a network namespace of its own: its bridge shall not stay on this machine.
write_cache() { "$node" --disable-warning=ExperimentalWarning scripts/write-code-cache.ts "$@"; }
write_cache_of_run() {
  local work status=0
  work=$(mktemp -d)
  export TSRUN_ROOT=$work/data TSRUN_RUN_ROOT=$work/run
  mkdir "$work/bin"
  cp "$(command -v busybox)" "$work/bin/true"
  tar -C "$work" -c bin | dist/bin/tsrun import - warm-up >/dev/null
  export -f write_cache
  export node
  # The first container on a network calls what the others do not.
  unshare --net -- bash -c 'dist/bin/tsrun run --rm warm-up true && write_cache dist/main.cjs run --rm warm-up true' 2>/dev/null || status=$?
  rm -rf "$work"
  return $status
}
# The verbs that engines call for one container, each cache with what the ones before it held.
write_cache_of_oci() {
  local bundle status=0 id=warm-up-$$ # its cgroups have the name: another build may run
  bundle=$(mktemp -d)
  oci() { write_cache dist/oci.cjs --root "$bundle/root" "$@" </dev/null >/dev/null; }
  mkdir -p "$bundle/rootfs/bin"
  cp "$(command -v busybox)" "$bundle/rootfs/bin/sh"
  dist/bin/tsrun-oci spec --bundle "$bundle"
  sed -i 's/"terminal": true/"terminal": false/' "$bundle/config.json"
  "$node" --disable-warning=ExperimentalWarning scripts/add-seccomp.ts "$bundle/config.json"
  { oci create --bundle "$bundle" $id && oci state $id && oci kill $id CONT && oci exec $id sh -c true && oci start $id; } || status=$?
  oci delete --force $id
  rm -rf "$bundle"
  return $status
}
if [ "$(id -u)" = 0 ]; then write_cache_of_run && write_cache_of_oci; else write_cache dist/main.cjs run --help >/dev/null; fi
echo "build: dist/ is $(du -sh --apparent-size dist | cut -f1), of that $(du -sh --apparent-size dist/main.cache | cut -f1) code cache"
