#!/usr/bin/env bash
# Types, lint and format of the whole tree, in seconds. Format errors are mended by `npm run format`.
set -euo pipefail
cd "$(dirname "$0")/.."

node_modules/.bin/tsc --noEmit -p . &
types=$!
node_modules/.bin/biome check --error-on-warnings . && lint=0 || lint=$?
wait "$types" && [ "$lint" = 0 ]
