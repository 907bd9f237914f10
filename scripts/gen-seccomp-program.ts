/** Writes src/security/seccomp-default-program.gen.ts: the filter of an ordinary container, compiled beforehand. */
import { writeFileSync } from 'node:fs';
import { defaultProgramSource } from '../src/security/seccomp-default-program.ts';

writeFileSync(
  new URL('../src/security/seccomp-default-program.gen.ts', import.meta.url),
  defaultProgramSource(),
);
