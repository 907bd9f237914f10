/** ARCHITECTURE.md promises some ways through the source, short enough to be walked. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const REPOSITORY = join(import.meta.dirname, '../..');
const text = readFileSync(join(REPOSITORY, 'ARCHITECTURE.md'), 'utf8');
const paths = text
  .split(/^## /m)
  .filter((section) => section.startsWith('Reading path: '))
  .map((section) => ({
    title: section.slice('Reading path: '.length, section.indexOf('\n')),
    files: [...section.matchAll(/^\d+\. `([^`]+)`/gm)].map((match) => match[1] ?? ''),
  }));

test('there are five reading paths', () => {
  expect(paths.map(({ title }) => title)).toEqual([
    'what is a container?',
    'who stops me?',
    'how does it reach anybody?',
    'how do other engines steer it?',
    'where do the files come from?',
  ]);
});

describe.each(paths)('$title', ({ files }) => {
  test('it is at most six files long', () => {
    expect(files.length).toBeGreaterThan(0);
    expect(files.length).toBeLessThanOrEqual(6);
  });

  test.each(files)('%s is there', (file) => {
    expect(existsSync(join(REPOSITORY, file))).toBe(true);
  });
});
