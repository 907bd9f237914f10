import { expect, test } from 'vitest';
import { formatLease, parseLease } from '../../../src/network/lease-format.ts';

const containerId = '0123456789ab'.padEnd(64, '0');

test('a lease is read as it was written, each name once', () => {
  const text = formatLease({ containerId, network: 'front', names: ['web', 'db', '0123456789ab', 'db'] });
  expect(text).toBe(`${containerId}\nfront\nweb\ndb\n0123456789ab\n`);
  expect(parseLease(text)).toEqual({ containerId, network: 'front', names: ['web', 'db', '0123456789ab'] });
});

test('a lease on the default network has no names', () => {
  const text = formatLease({ containerId, network: '', names: [] });
  expect(text).toBe(`${containerId}\n\n`);
  expect(parseLease(text)).toEqual({ containerId, network: '', names: [] });
});
