#!/usr/bin/env bash
# Makes dist/: what a user installs. One minified bundle, the native parts and the launcher beside it, and
# V8's compiled code of the bundle, so that a cold start compiles nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

bash scripts/setup.sh
new=$(mktemp -d -p . .dist-XXXXXX)
trap 'rm -rf "$new"' EXIT
chmod 755 "$new"

# Split: a verb that is imported when it is called lies in a chunk of its own and costs nothing before. The
# chunks lie flat, because the native library is looked for beside the code that loads it.
node_modules/.bin/esbuild scripts/bundle-entry.ts --entry-names=tsrun --chunk-names='[name]-[hash]' --out-extension:.js=.mjs \
  --bundle --splitting --format=esm --platform=node --target=node26 --minify --legal-comments=none \
  --external:koffi --external:node:ffi --log-level=warning --outdir="$new"
install -m 755 native/build/libtsrun.so native/build/tsrun-exec "$new"
install -m 755 -D bin/tsrun "$new/bin/tsrun"

rm -rf dist
mv "$new" dist
# Node writes the cache of what it compiled when a process ends; these three runs go through the common path.
for arguments in --version --help 'run --help'; do
  # shellcheck disable=SC2086
  dist/bin/tsrun $arguments >/dev/null
done
[ -n "$(find dist/compile-cache -type f)" ] || { echo 'build: Node wrote no compile cache' >&2; exit 1; }
echo "build: dist/ is $(du -sh --apparent-size dist | cut -f1), compile cache $(du -sh --apparent-size dist/compile-cache | cut -f1)"
