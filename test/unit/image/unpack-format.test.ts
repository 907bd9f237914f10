import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { UNPACK_FIELDS, UNPACK_HEADER_SIZE, unpackFormatHeader } from '../../../src/image/unpack/format.ts';

test('the checked-in C header of the batch format is the one that the table makes', () => {
  const header = new URL('../../../native/lib/unpack-format.gen.h', import.meta.url);
  expect(readFileSync(header, 'utf8')).toBe(unpackFormatHeader());
});

test('the fields of a record lie inside its fixed part and do not overlap', () => {
  const width = (name: string) => (name === 'mtimeS' ? 8 : name === 'op' || name === 'flags' ? 2 : 4);
  const spans = Object.entries(UNPACK_FIELDS).map(([name, at]) => [at, at + width(name)] as const);
  spans.sort(([a], [b]) => a - b);
  for (const [i, [, end]] of spans.entries())
    expect(end).toBeLessThanOrEqual(spans[i + 1]?.[0] ?? UNPACK_HEADER_SIZE);
});
