/** The native library is opened by node:ffi, and by koffi on a Node that has none; a caller sees no difference. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const NATIVE = join(import.meta.dirname, '../../src/kernel/native.ts');

/** Seals a memfd, asks for a lock on a descriptor that is not open, and signals a process that never was. */
const PROGRAM = `
  const { native } = await import(${JSON.stringify(NATIVE)});
  const { fstatSync } = await import('node:fs');
  const lib = native();
  const fd = lib.tsr_memfd('test', Buffer.from('hello'), 5n, 1, 1);
  console.log(JSON.stringify([fstatSync(fd).size, lib.tsr_flock(999, 1), lib.tsr_kill(process.pid, 1n, 0)]));
`;
const WITHOUT_FFI = `
  const load = process.getBuiltinModule;
  const value = (name) => (name === 'node:ffi' ? undefined : load(name));
  Object.defineProperty(process, 'getBuiltinModule', { value });
`;
const EBADF = -9;
const ESRCH = -3;

test.each([
  ['node:ffi', ''],
  ['koffi', WITHOUT_FFI],
])('%s calls the library with integers of all sizes, text and buffers', (_door, before) => {
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', before + PROGRAM];
  const output = execFileSync(process.execPath, args, { encoding: 'utf8' });
  expect(JSON.parse(output)).toEqual([5, EBADF, ESRCH]);
});
