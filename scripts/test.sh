#!/usr/bin/env bash
# Runs the tests, after the set-up they need, and ends with one line: tests: N passed, N failed, N skipped.
#   scripts/test.sh              every suite, the machine's beside the others
#   scripts/test.sh vm           only the tests of the VM, and inside it the integration tests that depend on the kernel
#   scripts/test.sh vm-all       the same with every integration test (an hour or two where the processor is emulated)
#   scripts/test.sh unit ...     only these suites: unit golden native integration; systemd where that is PID 1
#   scripts/test.sh engines      podman, containerd and Docker call tsrun-oci, and runc; not among "every suite"
# STRICT=1 (CI) makes a skipped test a failure: a suite that cannot run must not look green.
set -euo pipefail
cd "$(dirname "$0")/.."

node=$PWD/node_modules/node/bin/node
results=.cache/test-results
suites=("$@")
[ $# -gt 0 ] || suites=(unit golden native integration vm)

# What another kernel and another version of cgroups can change; the rest looks the same everywhere. What files, rights,
# attacks, terminals and signals are to the kernel, executor-* proves; run-*, terminal and lifecycle say it again through
# the command line.
kernel_tests=(executor- integration/run.test run-limits run-streams limits-)

main() {
  bash scripts/setup.sh "$(level_of_setup)"
  # The command is tested as users install it; the machine sees the dist/ that was made outside.
  [ -n "${TSRUN_VM:-}" ] || bash scripts/build.sh
  export TSRUN_TEST_DIST=1
  rm -rf "$results"
  mkdir -p "$results"
  local suite status=0
  # An emulated machine keeps about one processor busy, and the suites here about another: they run side by side.
  case " ${suites[*]} " in
    *' vm '*) run_machines inside-vm & machines=$! ;;
    *' vm-all '*) run_machines inside-vm-all & machines=$! ;;
  esac
  for suite in "${suites[@]}"; do
    case $suite in
      inside-vm:*) run_suite integration --shard="${suite#*:}" "${kernel_tests[@]}" || status=1 ;;
      inside-vm-all:*) run_suite integration --shard="${suite#*:}" || status=1 ;;
      *) run_suite "${suite%-all}" || status=1 ;;
    esac
  done
  if [ -n "$machines" ]; then
    wait "$machines" || status=1
    cat "$results"/machine*.log
  fi
  "$node" scripts/test-summary.ts "$results" || status=1
  exit "$status"
}

level_of_setup() {
  case " ${suites[*]} " in *' engines '*) echo engines ;; *) echo test ;; esac
}

run_suite() {
  local suite=$1
  shift
  printf '\n== %s\n' "$suite"
  "$node" --disable-warning=ExperimentalWarning node_modules/vitest/vitest.mjs run \
    --project "$suite" --reporter=default --reporter=json --outputFile.json="$results/$suite.json" "$@" </dev/null
}

# The same checkout, seen from inside three machines; their own summary lines are what counts here. An emulated machine uses
# one processor, so two of them share the files; in the third one, which comes after them, systemd is PID 1.
run_machines() {
  local running=() status=0
  trap 'kill "${running[@]}"; exit 143' TERM
  for shard in 1/2 2/2; do
    run_machine "machine-${shard%/*}" "$1:$shard" & running+=($!)
  done
  wait_for_all
  run_machine machine-systemd systemd --systemd & running=($!)
  wait_for_all
  return "$status"
}

wait_for_all() {
  local process
  for process in "${running[@]}"; do wait "$process" || status=1; done
}

run_machine() {
  local log=$results/$1.log suite=$2
  shift 2
  printf '\n== inside a machine with cgroup v2, beside the others: %s\n' "$log"
  INIT_CWD=$PWD exec bash scripts/vm/run.sh --disk "$@" --timeout 14400 -- bash scripts/test.sh "$suite" </dev/null >"$log" 2>&1
}

machines=
trap '[ -z "$machines" ] || kill "$machines" 2>/dev/null || true' EXIT
main
