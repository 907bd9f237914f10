import { expect, test } from 'vitest';
import { statsRow } from '../../../src/cli/stats-row.ts';
import { type ContainerUsage, parseNetDev } from '../../../src/engine/container-usage.ts';
import type { ContainerId } from '../../../src/lib/brands.ts';

const record = { id: '0123456789abcdef' as ContainerId, name: 'box' };
const GIB = 1024 ** 3;
const usage = (takenAtMs: number, cpuMicroseconds: number | undefined): ContainerUsage => ({
  takenAtMs,
  cpuMicroseconds,
  memoryBytes: 1_572_864,
  memoryLimitBytes: 3_145_728,
  readBytes: 1_234_567,
  writtenBytes: 0,
  tasks: 4,
  network: { receivedBytes: 999, sentBytes: 1500 },
});

test('two looks make a rate; sizes have the units Docker gives them', () => {
  expect(statsRow(record, usage(1000, 0), usage(3000, 3_000_000), GIB, false)).toEqual({
    BlockIO: '1.23MB / 0B',
    CPUPerc: '150.00%',
    Container: '0123456789ab',
    ID: '0123456789ab',
    MemPerc: '50.00%',
    MemUsage: '1.5MiB / 3MiB',
    Name: 'box',
    NetIO: '999B / 1.5kB',
    PIDs: '4',
  });
});

test('without a limit of its own a container may take the memory of the host', () => {
  const { memoryLimitBytes: _, ...free } = usage(1000, 0);
  const now = { ...free, memoryLimitBytes: undefined };
  expect(statsRow(record, undefined, now, GIB, true)).toMatchObject({
    ID: '0123456789abcdef',
    CPUPerc: '--',
    MemUsage: '1.5MiB / 1GiB',
  });
});

test('nothing is known of a container that does not run', () => {
  const row = statsRow(record, undefined, undefined, GIB, false);
  expect(Object.values(row)).toEqual(['--', '--', row.ID, row.ID, '--', '-- / --', 'box', '--', '--']);
});

test('/proc/PID/net/dev is summed over every interface but lo', () => {
  const head =
    'Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n';
  const lo = '    lo: 5000 1 0 0 0 0 0 0 5000 1 0 0 0 0 0 0\n';
  const eth = '  eth0:  100 1 0 0 0 0 0 0   20 1 0 0 0 0 0 0\n  eth1:1 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n';
  expect(parseNetDev(head + lo)).toEqual({ receivedBytes: 0, sentBytes: 0 });
  expect(parseNetDev(head + lo + eth)).toEqual({ receivedBytes: 101, sentBytes: 22 });
});
