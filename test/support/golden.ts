/** Golden files: what a pure function prints, kept in test/golden, so that a change of it is a diff for a reviewer. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';

/** UPDATE_GOLDEN=1 writes the files instead of comparing; look at the diff before committing it. */
export function expectGolden(name: string, text: string): void {
  const file = join(import.meta.dirname, '../golden', name);
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, text);
  expect(existsSync(file), `${name} is missing; UPDATE_GOLDEN=1 makes it`).toBe(true);
  expect(text).toBe(readFileSync(file, 'utf8'));
}
