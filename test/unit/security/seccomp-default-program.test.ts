import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { defaultProgramSource } from '../../../src/security/seccomp-default-program.ts';

test('the filter compiled beforehand is what the compiler makes of the default profile today', () => {
  const file = new URL('../../../src/security/seccomp-default-program.gen.ts', import.meta.url);
  expect(readFileSync(file, 'utf8')).toBe(defaultProgramSource());
});
