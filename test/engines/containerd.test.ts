/** containerd with tsrun-oci: every call says what it says with runc. */
import { expect, test } from 'vitest';
import { CONTAINERD } from '../support/containerd.ts';
import { useEngine } from '../support/engine.ts';

const containerd = useEngine(CONTAINERD);

test('run: output, and the status of the program', async () => {
  const said = await containerd.say(`
    image=$(ctr image ls -q); echo $image
    ctr run --rm --runc-binary $RUNTIME_PATH $image c echo hello; echo "status $?"
    ctr run --rm --runc-binary $RUNTIME_PATH $image c sh -c 'exit 9'; echo "status $?"
    ctr run --rm --runc-binary $RUNTIME_PATH --cwd /tmp --env A=b --read-only $image c sh -c 'id; pwd; echo $A; touch /x 2>&1'
    ctr run --rm --runc-binary $RUNTIME_PATH $image c nope; echo "status $?"
    ctr task ls -q; ctr container rm c 2>/dev/null`);
  expect(said).toMatch(/\nhello\nstatus 0\nstatus 9\nuid=0.*\n\/tmp\nb\n/);
  expect(said).toContain('exec: "nope": executable file not found in $PATH');
});

test('-t: a terminal', async () => {
  const said = await containerd.say(
    `script -qec "ctr run --rm -t --runc-binary $RUNTIME_PATH $(ctr image ls -q) c tty" /dev/null </dev/null | grep -o /dev.*`,
  );
  expect(said).toBe('/dev/pts/0\n');
});

test('a task: exec, pause and resume, metrics, kill, delete', async () => {
  const said = await containerd.say(`
    ctr run -d --runc-binary $RUNTIME_PATH --memory-limit 33554432 $(ctr image ls -q) c sleep 300
    ctr task ls | tr -s ' ' | cut -d' ' -f1,3
    ctr task exec --exec-id one c sh -c 'echo in; exit 4'; echo "status $?"
    ctr task exec --exec-id two --user 1000 --cwd /tmp c sh -c 'id; pwd'
    ctr task exec --exec-id three c nope; echo "status $?"
    script -qec "ctr task exec -t --exec-id four c tty" /dev/null </dev/null | grep -o /dev.*
    ctr task pause c; ctr task ls | grep -o PAUSED; ctr task resume c; ctr task ls | grep -o RUNNING
    ctr task metrics --format json c | grep -o '"\\(pids\\|memory\\|cpu\\)":' | sort -u
    ctr task metrics c | grep -E '^(memory.limit_in_bytes|pids.current)' | tr -s ' '
    ctr task ps c | wc -l
    ctr task kill -s KILL c; until ctr task ls | grep -q STOPPED; do sleep 0.1; done
    ctr task delete c; echo "status $?"; ctr container delete c; ctr task ls -q; ctr container ls -q`);
  expect(said).toMatch(/^TASK STATUS\nc RUNNING\nin\nstatus 4\nuid=1000/);
  expect(said).toContain('PAUSED\nRUNNING\n');
});

test('many tasks one after another leave nothing', async () => {
  const said = await containerd.say(`
    for n in 1 2 3 4 5; do ctr run --rm --runc-binary $RUNTIME_PATH $(ctr image ls -q) c$n echo $n; done
    ls -A /run/containerd/runc/default /run/containerd/io.containerd.runtime.v2.task/default 2>&1
    ls -A /run/$RUNTIME; ps -o comm | grep -c shim`);
  expect(said).toMatch(/^1\n2\n3\n4\n5\n/);
});
