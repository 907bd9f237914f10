import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readFileIfThere } from '../../../src/lib/files.ts';

test('the file of a process that has ended since it was opened is not there', async () => {
  const child = spawn('cat', { stdio: ['pipe', 'ignore', 'inherit'] });
  const fd = openSync(`/proc/${child.pid}/stat`, 'r');
  try {
    expect(readFileIfThere(`/proc/self/fd/${fd}`)).toMatch(/^\d+ \(/);
    child.stdin.end();
    await once(child, 'exit');
    expect(readFileIfThere(`/proc/self/fd/${fd}`)).toBeUndefined();
  } finally {
    closeSync(fd);
  }
});
