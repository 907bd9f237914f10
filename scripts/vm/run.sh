#!/usr/bin/env bash
# npm run vm -- <command…>: run one command as root in a throw-away Linux machine. See docs/vm.md.
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
node=$repo/node_modules/node/bin/node
[[ -x $node ]] || { echo "vm: $node is missing: run npm install first" >&2; exit 125; }
# npm starts scripts in the package's directory; INIT_CWD is where the user stood.
cd "${INIT_CWD:-$PWD}"
exec "$node" --disable-warning=ExperimentalWarning "$repo/scripts/vm/main.ts" "$@"
