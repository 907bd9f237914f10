import { describe, expect, test } from 'vitest';
import { bitmaskOfList } from '../../../src/lib/number-list.ts';

describe('a list of numbers', () => {
  test.each<[string, number[]]>([
    ['', []],
    ['0', [1, 0, 0, 0, 0, 0, 0, 0]],
    ['0-3,7', [0x8f, 0, 0, 0, 0, 0, 0, 0]],
    [' 1 , 8-9,', [2, 3, 0, 0, 0, 0, 0, 0]],
    ['64', [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]],
  ])('%j', (list, bytes) => {
    expect([...bitmaskOfList(list, 'the nodes')]).toEqual(bytes);
  });

  test.each(['all', '3-1', '-1', '1-', '0x1', '8192', '1 2'])('%j is none', (list) => {
    expect(() => bitmaskOfList(list, 'the nodes')).toThrow(expect.objectContaining({ code: 'BAD_LIST' }));
  });
});
