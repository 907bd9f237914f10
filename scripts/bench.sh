#!/usr/bin/env bash
# npm run bench: tsrun beside its peers and beside the least that the machine allows, in one run. Ratios of
# medians are what to read; absolute times drift with load. docs/performance.md keeps the results.
# TSRUN_BENCH_ROUNDS=3: only so many rounds of `network`, to see that it works; such figures say nothing.
#   scripts/bench.sh                 everything
#   scripts/bench.sh start unpack    only these parts: start command version unpack images network oci
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" = 0 ] || { echo 'bench: starting containers takes root' >&2; exit 1; }
# Networks are measured beside Docker's too.
case " ${*:-network} " in *' network '* | *' images '*) bash scripts/setup.sh engines ;; *) bash scripts/setup.sh test ;; esac
bash scripts/build.sh
bash rootfs/build.sh busybox network debian python >/dev/null

programs=.cache/bench
mkdir -p "$programs"
for name in timer floor; do
  [ "$programs/$name" -nt "test/bench/$name.c" ] ||
    musl-gcc -std=c11 -O2 -Wall -Wextra -Werror -static -s -idirafter /usr/include \
      -idirafter "/usr/include/$(cc -print-multiarch)" -o "$programs/$name" "test/bench/$name.c"
done

# Mounts of the benchmark (loop file systems, a cgroup view that crun accepts) stay in their own namespace, and so do bridges.
exec unshare --mount --net -- node_modules/node/bin/node --disable-warning=ExperimentalWarning test/bench/bench.ts "$@"
