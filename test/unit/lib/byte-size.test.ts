import { expect, test } from 'vitest';
import { parseByteSize } from '../../../src/lib/byte-size.ts';

test.each([
  ['0', 0],
  ['512', 512],
  ['512b', 512],
  ['64k', 65_536],
  ['64K', 65_536],
  ['64kb', 65_536],
  ['64KiB', 65_536],
  ['64 m', 67_108_864],
  ['1.5g', 1_610_612_736],
  ['1t', 1_099_511_627_776],
  ['1p', 1_125_899_906_842_624],
  ['0.3k', 307],
])('%s is %i bytes', (text, bytes) => {
  expect(parseByteSize(text)).toBe(bytes);
});

test.each(['', 'm', '-1', '1e3', '0x10', '1.', '.5g', '1..2', '1x', '1bb', '1 mib2', '1kk', '16384p'])(
  '"%s" is no size',
  (text) => {
    expect(parseByteSize(text)).toBeUndefined();
  },
);
