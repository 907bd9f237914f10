import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readUsage } from '../../../src/cgroup/read-usage.ts';
import { type HostPath, hostPath } from '../../../src/lib/brands.ts';

const scratch = mkdtempSync(join(tmpdir(), 'tsrun-usage-'));
afterAll(() => rmSync(scratch, { recursive: true }));

function cgroup(name: string, files: Readonly<Record<string, string>>): HostPath {
  const directory = join(scratch, name);
  mkdirSync(directory, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, file), text);
  return hostPath(directory);
}

test('of cgroup v2', () => {
  const v2 = cgroup('pure', {
    'cpu.stat': 'usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n',
    'memory.current': '10000\n',
    'memory.stat': 'anon 1\ninactive_anon 5\ninactive_file 4000\n',
    'memory.max': 'max\n',
    'io.stat':
      '8:0 rbytes=100 wbytes=20 rios=1 wios=1 dbytes=7 dios=0\n8:16 \n254:0 rbytes=1 wbytes=2 rios=1\n',
    'pids.current': '3\n',
  });
  expect(readUsage({ v2, v1: {} })).toEqual({
    cpuMicroseconds: 1500,
    memoryBytes: 6000,
    memoryLimitBytes: undefined,
    readBytes: 101,
    writtenBytes: 22,
    tasks: 3,
  });
});

test('of a hybrid host: what has a v1 cgroup from there, processor time and threads from v2', () => {
  const v2 = cgroup('hybrid', { 'cpu.stat': 'usage_usec 7\n', 'cgroup.threads': '1\n2\n' });
  cgroup('hybrid/below', { 'cgroup.threads': '3\n' });
  const memory = cgroup('memory', {
    'memory.usage_in_bytes': '500\n',
    'memory.stat': 'inactive_file 1\ntotal_inactive_file 600\n',
    'memory.limit_in_bytes': '9223372036854771712\n',
  });
  const blkio = cgroup('blkio', {
    'blkio.throttle.io_service_bytes_recursive':
      '8:0 Read 10\n8:0 Write 4\n8:0 Sync 14\n8:0 Total 14\n8:16 Read 1\nTotal 15\n',
  });
  expect(readUsage({ v2, v1: { memory, blkio } })).toEqual({
    cpuMicroseconds: 7,
    memoryBytes: 0,
    memoryLimitBytes: undefined,
    readBytes: 11,
    writtenBytes: 4,
    tasks: 3,
  });
  writeFileSync(join(memory, 'memory.limit_in_bytes'), '4096\n');
  expect(readUsage({ v2, v1: { memory } }).memoryLimitBytes).toBe(4096);
});

test('what no file tells is undefined, and a cgroup that is gone is no error', () => {
  const nothing = {
    cpuMicroseconds: undefined,
    memoryBytes: undefined,
    memoryLimitBytes: undefined,
    readBytes: undefined,
    writtenBytes: undefined,
    tasks: undefined,
  };
  expect(readUsage({ v1: {} })).toEqual(nothing);
  expect(readUsage({ v2: hostPath(join(scratch, 'gone')), v1: {} })).toEqual(nothing);
});
