/** What a container does not get although it runs is said, and nothing else. */
import { expect, test } from 'vitest';
import { accessOf } from '../../../src/cgroup/device-rules.ts';
import { bundleWarnings } from '../../../src/runtime/bundle/warnings.ts';
import { planScheduling } from '../../../src/runtime/plan-scheduling.ts';
import type { RuntimeSpec } from '../../../src/spec/runtime.ts';

const SPEC: RuntimeSpec = {
  ociVersion: '1.3.0',
  root: { path: '/rootfs' },
  process: { terminal: false, cwd: '/', args: ['sh'], env: [], user: { uid: 0, gid: 0 } },
  mounts: [],
  linux: { namespaces: [] },
};

test('nothing is said of what can be granted', () => {
  const capabilities = { bounding: ['CAP_CHOWN'], effective: ['CAP_CHOWN'] };
  const spec = { ...SPEC, process: { ...SPEC.process, capabilities } };
  expect(bundleWarnings(spec, { boundingCapabilities: 1n })).toEqual([]);
});

test('capabilities that nobody knows, or that the host has not, are named once', () => {
  const names = ['CAP_CHOWN', 'CAP_KILL', 'CAP_FLY'];
  const spec = { ...SPEC, process: { ...SPEC.process, capabilities: { bounding: names, permitted: names } } };
  expect(bundleWarnings(spec, { boundingCapabilities: 1n })).toEqual([
    'ignoring unknown capabilities: CAP_FLY',
    'ignoring capabilities that this host cannot grant: CAP_KILL',
  ]);
});

test('limits that no kernel has any more are named', () => {
  const resources = { memory: { kernel: 1 }, blockIO: { leafWeight: 10 } };
  const spec = { ...SPEC, linux: { ...SPEC.linux, resources } };
  expect(bundleWarnings(spec, { boundingCapabilities: 1n })).toHaveLength(2);
});

test('letters that are no access to a device are named, and decide nothing', () => {
  const devices = [
    { allow: false, access: 'rwm' },
    { allow: true, type: 'c' as const, major: 1, minor: 11, access: 'rwa' },
  ];
  const spec = { ...SPEC, linux: { ...SPEC.linux, resources: { devices } } };
  expect(bundleWarnings(spec, { boundingCapabilities: 1n })).toEqual([
    'ignoring access to devices other than r, w and m: a',
  ]);
  expect(devices.map(accessOf)).toEqual(['rwm', 'rw']);
});

test('options of a file system for a bind mount, and labels of files, are named', () => {
  const mounts = [
    { destination: '/a', source: '/s', options: ['bind', 'mode=755', 'ro', 'size=1m', 'shared'] },
    { destination: '/b', source: '/s', type: 'bind', options: ['nosuid'] },
    { destination: '/c', source: 'tmpfs', type: 'tmpfs', options: ['mode=755'] },
  ];
  const spec = { ...SPEC, mounts, linux: { ...SPEC.linux, mountLabel: 'a:b:c:d' } };
  expect(bundleWarnings(spec, { boundingCapabilities: 1n })).toEqual([
    'ignoring options of a file system for the bind mount on /a: mode=755, size=1m',
    'ignoring linux.mountLabel: files have the labels that the kernel gives them',
  ]);
});

test('a class of resctrl is refused', () => {
  expect(() => planScheduling(SPEC.process, { ...SPEC.linux, intelRdt: { closID: 'gold' } })).toThrow(
    expect.objectContaining({ code: 'NO_RESCTRL' }),
  );
});
