import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { applyWrites } from '../../../src/cgroup/apply-writes.ts';
import type { CgroupWrite } from '../../../src/cgroup/setting.ts';
import { hostPath } from '../../../src/lib/brands.ts';

const scratch = mkdtempSync(join(tmpdir(), 'tsrun-writes-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const cgroups = { v2: hostPath(scratch), v1: {} };
const write = (file: string, value: string, tolerate?: CgroupWrite['tolerate']): CgroupWrite => ({
  version: 2,
  controller: 'memory',
  file,
  value,
  why: '',
  ...(tolerate === undefined ? {} : { tolerate }),
});
const text = (file: string) => readFileSync(join(scratch, file), 'utf8');

beforeEach(() => {
  writeFileSync(join(scratch, 'memory.max'), '111');
  writeFileSync(join(scratch, 'io.weight'), 'default 100\n8:0 5\n');
});

test('the files hold what was asked for', () => {
  applyWrites(cgroups, [write('memory.max', '222'), write('io.weight', 'default 300')]);
  expect([text('memory.max'), text('io.weight').split('\n')[0]]).toEqual(['222', 'default 300']);
});

test('after a refusal they hold what they held, and the error says which file it was', () => {
  const writes = [write('memory.max', '222'), write('memory.max', '333'), write('nothing', '1')];
  expect(() => applyWrites(cgroups, writes)).toThrow(
    expect.objectContaining({
      code: 'LIMIT_REFUSED',
      message: `Cannot write 1 to ${scratch}/nothing: no such file or directory (ENOENT); no limit was changed`,
    }),
  );
  expect(text('memory.max')).toBe('111');
  expect(existsSync(join(scratch, 'nothing'))).toBe(false);
});

test('a tolerable refusal ends nothing', () => {
  applyWrites(cgroups, [write('nothing', '1', ['ENOENT']), write('memory.max', '222')]);
  expect(text('memory.max')).toBe('222');
});
