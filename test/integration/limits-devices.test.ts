/** A container may make a node for any device, and open only those it is allowed: looked at from inside. */
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { updateDevices } from '../../src/cgroup/update-devices.ts';
import type { DeviceRule } from '../../src/spec/runtime.ts';
import { useBundles } from '../support/bundle.ts';
import { recordOf } from '../support/live-cgroups.ts';
import { watch } from '../support/running.ts';
import { useTsrun } from '../support/tsrun.ts';

const tsrun = useTsrun({ images: ['busybox'] });
const bundles = useBundles();
const inside = (flags: readonly string[], script: string) =>
  tsrun.run('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);

/** Makes each node, and says whether it can be opened. /dev/mem and memory are left alone: nothing is read. */
const NODES = {
  kmsg: 'c 1 11',
  fuse: 'c 10 229',
  disk: 'b 254 0',
  port: 'c 1 4',
  null: 'c 1 3',
  full: 'c 1 7',
};
const OPEN_EACH = Object.entries(NODES)
  .map(([name, node]) => `mknod /tmp/${name} ${node} && (: </tmp/${name}) 2>&1 && echo ${name}`)
  .join('; ');

test('a node can be made, but only the harmless devices can be opened', async () => {
  const { stdout } = await inside([], `{ ${OPEN_EACH}; } | grep -v "not permitted"`);
  expect(stdout).toBe('null\nfull\n');
  const refused = await inside([], 'mknod /tmp/kmsg c 1 11; cat /tmp/kmsg');
  expect(refused).toMatchObject({
    code: 1,
    stderr: "cat: can't open '/tmp/kmsg': Operation not permitted\n",
  });
});

test('what a container has of devices works', async () => {
  const script =
    'echo x >/dev/null && head -c 4 /dev/urandom /dev/zero /dev/random | wc -c; ls /dev/pts/ptmx';
  expect((await inside([], script)).stdout).toMatch(/^\d+\n\/dev\/pts\/ptmx\n$/);
});

test('--device-cgroup-rule allows a kind of device, for the access it names', async () => {
  const rule = ['--device-cgroup-rule', 'c 1:11 w'];
  const script = 'mknod /tmp/k c 1 11; (: >>/tmp/k) && echo written; (: </tmp/k) 2>/dev/null || echo refused';
  expect((await inside(rule, script)).stdout).toBe('written\nrefused\n');
});

test('--device gives the node and the right to open it', async () => {
  const flags = ['--device', '/dev/kmsg:/dev/log-of-kernel:w'];
  const script =
    '(: >>/dev/log-of-kernel) && echo written; (: </dev/log-of-kernel) 2>/dev/null || echo refused';
  expect((await inside(flags, script)).stdout).toBe('written\nrefused\n');
});

test('--privileged may open everything', async () => {
  expect((await inside(['--privileged'], '(: </dev/kmsg) && echo open')).stdout).toBe('open\n');
});

test('new rules replace the old ones in one step: at no moment is there none', async () => {
  const script =
    'mknod /tmp/k c 10 229; echo up; until [ -e /tmp/end ]; do true </tmp/k && echo opened && touch /tmp/end; done 2>/dev/null';
  const running = watch(
    tsrun.start('run', '--rm', '--name', 'devices', '--pids-limit', '-1', 'busybox', 'sh', '-c', script),
  );
  await running.waitFor(/up/);
  const { cgroups } = recordOf(tsrun, 'devices');
  const kmsg: DeviceRule = { allow: true, type: 'c', major: 1, minor: 11 };
  for (let i = 0; i < 300; i++) updateDevices(cgroups, i % 2 === 0 ? [kmsg] : []);
  expect(await running.waitFor(/up/)).toBe('up\n');
  await tsrun.ok('update', '--device-cgroup-rule', 'c 10:229 r', 'devices');
  expect(await running.waitFor(/opened/)).toBe('up\nopened\n');
  await running.ended;
});

/** A host with cgroup v2 alone has no such files. */
const testOnV1 = existsSync('/sys/fs/cgroup/devices/devices.list') ? test : () => {};

testOnV1('where there is no cgroup v2, the files of v1 do the same', async () => {
  const script = `mknod /dev/kmsg2 c 1 11; (: </dev/kmsg2) 2>/dev/null || echo refused; (: </dev/null) && echo null; grep devices /proc/self/cgroup`;
  const linux = { namespaces: (['pid', 'mount'] as const).map((type) => ({ type })) };
  const ran = await bundles.sh({ withoutV2: true, linux, hostname: undefined }, script);
  expect(ran).toMatch(/^refused\nnull\n\d+:devices:.*\/tsrun-test-/);
});
