/** Flags about resources, as far as the section of the OCI configuration: units, ranges, and what goes with what. */
import { describe, expect, test } from 'vitest';
import { parseFlags, type Syntax } from '../../../src/cli/flags.ts';
import { RESOURCE_FLAGS, resourceOptions } from '../../../src/cli/resource-flags.ts';
import { chooseResources, resourcesOf } from '../../../src/engine/resource-options.ts';
import { DEFAULT_OPTIONS } from '../../support/container-options.ts';
import { HOST, HYBRID_HOST } from '../../support/sample-plans.ts';

const SYNTAX: Syntax = { verb: 'run', stopsAtFirstWord: true };
const optionsOf = (line: string) =>
  resourceOptions(parseFlags(RESOURCE_FLAGS, line === '' ? [] : line.split(' '), SYNTAX).flags, SYNTAX);
const resources = (line: string, host = HOST) => resourcesOf(optionsOf(line), host.cgroup);
const MIB = 1024 * 1024;

test.each<[string, object]>([
  ['', {}],
  ['-m 64m', { memory: { limit: 64 * MIB, swap: 128 * MIB } }],
  ['--memory=6mb --memory-swap 6291456', { memory: { limit: 6 * MIB, swap: 6 * MIB } }],
  ['-m 1g --memory-swap -1', { memory: { limit: 1024 * MIB, swap: -1 } }],
  ['-m 0 --cpus 0 --cpu-shares 0 --blkio-weight 0 --pids-limit 0', {}],
  ['--memory-reservation 8m', { memory: { reservation: 8 * MIB } }],
  ['--memory-swappiness 0 --oom-kill-disable', { memory: { swappiness: 0, disableOOMKiller: true } }],
  ['--memory-swappiness -1', {}],
  ['--cpus 0.5', { cpu: { quota: 50_000, period: 100_000 } }],
  ['--cpus .01', { cpu: { quota: 1000, period: 100_000 } }],
  ['--cpu-quota 5000 --cpu-period 10000', { cpu: { quota: 5000, period: 10_000 } }],
  ['--cpu-quota -1', { cpu: { quota: -1 } }],
  ['-c 512 --cpuset-cpus 0 --cpuset-mems 0', { cpu: { shares: 512, cpus: '0', mems: '0' } }],
  ['--cpu-rt-runtime 5 --cpu-rt-period 10', { cpu: { realtimeRuntime: 5, realtimePeriod: 10 } }],
  ['--pids-limit 10', { pids: { limit: 10 } }],
  ['--pids-limit -1', {}],
  ['--blkio-weight 500', { blockIO: { weight: 500 } }],
])('%j', (line, expected) => {
  expect(resources(line)).toEqual(expected);
});

test.each([
  ['-m 5m', 'Cannot use --memory 5242880: the least is 6m'],
  ['-m 8m --memory-swap 7m', 'Cannot use --memory-swap 7340032: it is memory and swap together'],
  ['--memory-swap 8m', 'it needs --memory'],
  ['-m 8m --memory-reservation 9m', '--memory is less'],
  ['--memory-reservation 1m', 'the least is 6m'],
  ['--memory-swappiness 101', 'it is from 0 to 100'],
  ['--cpus 1 --cpu-quota 5000', 'Cannot use --cpus 1: --cpu-quota and --cpu-period say the same'],
  ['--cpus 100000', 'it is from 0.01 to '],
  ['--cpus 0.001', 'it is from 0.01 to '],
  ['--cpu-period 999', 'it is from 1000 to 1000000 microseconds'],
  ['--cpu-quota 999', 'the least is 1000 microseconds'],
  ['--cpu-shares -1', 'it is a positive number'],
  ['--cpu-rt-runtime 11 --cpu-rt-period 10', 'it is longer than its period'],
  ['--cpuset-cpus 8191', 'Cannot use --cpuset-cpus 8191: this host has only 0'],
  ['--cpuset-cpus 1-0', 'a list is written like 0-2,4'],
  ['--cpuset-mems x', 'a list is written like 0-2,4'],
  ['--blkio-weight 9', 'it is from 10 to 1000'],
  ['-m many', '--memory takes a size such as 512m or 1g, not "many"'],
  ['--cpus 1e3', '--cpus takes a number such as 1.5, not "1e3"'],
  ['--pids-limit 1.5', '--pids-limit takes a whole number, not "1.5"'],
  ['--device-read-bps /dev/null:1m', 'Cannot use --device-read-bps /dev/null: there is no such disk'],
  ['--device-read-bps /dev/none:1m', 'Cannot use --device-read-bps /dev/none: there is no such disk'],
  ['--device-write-iops sda:1', 'takes a device below /dev and a rate'],
  ['--device-cgroup-rule x', '--device-cgroup-rule takes a rule such as "c 189:* rwm", not "x"'],
])('%j is refused', (line, message) => {
  expect(() => resources(line)).toThrow(message);
});

test('where the kernel does not count swap, memory alone is limited, and asking for more is an error', () => {
  const host = { ...HOST, cgroup: { ...HOST.cgroup, countsSwap: false } };
  expect(resources('-m 64m', host)).toEqual({ memory: { limit: 64 * MIB } });
  expect(() => resources('-m 64m --memory-swap 64m', host)).toThrow(
    'Cannot limit swap: this host has no accounting of swap',
  );
});

describe('what nobody asked for', () => {
  const chosen = (line: string, host = HOST, privileged = false) =>
    chooseResources({ ...DEFAULT_OPTIONS, privileged, resources: optionsOf(line) }, [], host.cgroup);

  test('a bound of processes where it costs nothing', () => {
    expect(chosen('')).toEqual({ pids: { limit: 4096 } });
    expect(chosen('', HYBRID_HOST)).toEqual({});
    expect(chosen('--pids-limit 7', HYBRID_HOST)).toEqual({ pids: { limit: 7 } });
    expect(chosen('--pids-limit -1')).toEqual({});
  });

  test('all devices for a privileged container, and rules in the order they were given', () => {
    expect(chosen('', HOST, true).devices).toEqual([{ allow: true, access: 'rwm' }]);
    const rule = (text: string) =>
      resourceOptions(parseFlags(RESOURCE_FLAGS, ['--device-cgroup-rule', text], SYNTAX).flags, SYNTAX)
        .deviceRules;
    expect(rule('c 189:* rw')).toEqual([{ allow: true, type: 'c', major: 189, minor: -1, access: 'rw' }]);
    expect(rule('a *:* rwm')).toEqual([{ allow: true, type: 'a', major: -1, minor: -1, access: 'rwm' }]);
  });
});
