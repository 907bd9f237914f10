import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MAX_FIELDS } from '../../../src/kernel/encode.ts';
import { OPS } from '../../../src/kernel/ops.ts';
import { planHeader } from '../../../src/kernel/plan-header.ts';

const REPOSITORY = join(import.meta.dirname, '../../..');
const CODES = join(REPOSITORY, 'test/golden/op-codes.txt');

test('native/plan-ops.gen.h is what the op table generates', () => {
  expect(readFileSync(join(REPOSITORY, 'native/plan-ops.gen.h'), 'utf8')).toBe(planHeader());
});

describe('the numbers of ops', () => {
  const given = Object.entries(OPS).map(([name, { code }]) => [name, code] as const);

  test('belong to one op each', () => {
    expect(new Set(given.map(([, code]) => code)).size).toBe(given.length);
  });

  test('fit into the record, and so do the fields', () => {
    for (const [name, { code, fields }] of Object.entries(OPS)) {
      expect(code, name).toBeLessThan(2 ** 16);
      expect(Object.keys(fields).length, name).toBeLessThanOrEqual(MAX_FIELDS);
    }
  });

  /** The file holds every number that was ever given; a new op adds a line, and no line ever changes or goes. */
  test('are never given to another op, also when theirs is gone', () => {
    const listed = new Map(
      readFileSync(CODES, 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split(' ') as [code: string, name: string]),
    );
    for (const [name, code] of given) {
      const owner = listed.get(`${code}`);
      if (owner === undefined && process.env.UPDATE_GOLDEN === '1') listed.set(`${code}`, name);
      else expect(`${code} ${owner}`).toBe(`${code} ${name}`);
    }
    if (process.env.UPDATE_GOLDEN === '1')
      writeFileSync(CODES, [...listed].map(([code, name]) => `${code} ${name}\n`).join(''));
  });
});
