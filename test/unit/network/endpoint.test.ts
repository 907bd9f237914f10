import { expect, test } from 'vitest';
import { bridgeIndex, insideIndex, macOf, outsideEnd, parseMac } from '../../../src/network/endpoint.ts';
import { type IpAddress, parseAddress } from '../../../src/network/ip-address.ts';

const ID = 'f'.repeat(64);
const LARGEST_INDEX = 2 ** 31 - 1;

test('interface numbers fit into a signed 32-bit number, and are of three ranges that do not meet', () => {
  expect(outsideEnd(ID, 1).index).toBeLessThanOrEqual(LARGEST_INDEX);
  expect(outsideEnd('0'.repeat(64), 0).index).toBeGreaterThan(bridgeIndex({ id: ID }));
  expect(bridgeIndex({ id: '0'.repeat(64) })).toBeGreaterThan(insideIndex(1000));
});

test('each end of a container has a name that the kernel takes, and a number of its own', () => {
  const id = '0123456789abcdef'.repeat(4);
  const ends = Array.from({ length: 8 }, (_, nth) => outsideEnd(id.slice(0, 2) + id, nth));
  expect(new Set(ends.map(({ name }) => name)).size).toBe(8);
  for (const { name } of ends) expect(name.length).toBeLessThanOrEqual(15);
});

test('the hardware address holds the IPv4 address', () => {
  expect(macOf(parseAddress('172.17.0.2') as IpAddress)).toBe('02:42:ac:11:00:02');
  expect(macOf(parseAddress('fd00::a1b2:c3d4') as IpAddress)).toBe('02:42:a1:b2:c3:d4');
});

test.each(['02:42:ac:11:00:02', '02-42-AC-11-00-02'])('%s is a hardware address', (text) => {
  expect(parseMac(text)).toEqual(Uint8Array.of(2, 0x42, 0xac, 0x11, 0, 2));
});

test.each([
  '',
  '02:42:ac:11:00',
  '02:42:ac:11:00:zz',
  '01:00:5e:00:00:01',
  'ff:ff:ff:ff:ff:ff',
  '00:00:00:00:00:00',
])('%j is none of one host', (text) => {
  expect(parseMac(text)).toBeUndefined();
});
