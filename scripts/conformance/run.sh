#!/usr/bin/env bash
# npm run conformance -- [options] [words…]: the suites of runc and crun against runtimes. See docs/conformance.md.
set -euo pipefail
cd "$(dirname "$0")/../.."

[ "$(id -u)" = 0 ] || { echo 'conformance: starting containers takes root' >&2; exit 1; }
# Inside the machine with cgroup v2 everything has been made, by the run outside.
if [ -z "${TSRUN_VM:-}" ]; then
  bash scripts/setup.sh conformance
  bash scripts/conformance/sources.sh
fi
exec node_modules/node/bin/node --disable-warning=ExperimentalWarning scripts/conformance/main.ts "$@"
