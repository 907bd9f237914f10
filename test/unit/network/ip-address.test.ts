import { describe, expect, test } from 'vitest';
import { AF_INET, AF_INET6 } from '../../../src/kernel/constants.ts';
import {
  addressBytes,
  addressOf,
  contains,
  formatAddress,
  formatCidr,
  type IpNetwork,
  lastAddress,
  overlaps,
  parseAddress,
  parseCidr,
} from '../../../src/network/ip-address.ts';

const network = (text: string): IpNetwork => {
  const found = parseCidr(text)?.network;
  if (found === undefined) throw new Error(text);
  return found;
};

describe('an address', () => {
  test.each([
    ['0.0.0.0', '0.0.0.0'],
    ['172.18.0.2', '172.18.0.2'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['FD00:0:0:0:0:0:0:1', 'fd00::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
    ['fe80::', 'fe80::'],
  ])('%s is written %s', (text, written) => {
    const address = parseAddress(text);
    expect(address && formatAddress(address)).toBe(written);
  });

  test.each([
    ...[
      '',
      '1',
      '1.2.3',
      '1.2.3.4.5',
      '256.1.1.1',
      '01.2.3.4',
      '1.2.3.4 ',
      ' 1.2.3.4',
      '0x1.2.3.4',
      'localhost',
    ],
    ...[
      ':',
      ':::',
      '1::2::3',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1:2:3:4:5:6:7::8',
      '12345::',
      'g::',
      'fe80::1%eth0',
    ],
    ...[':1:2:3:4:5:6:7', '1.2.3.4::', '::1.2.3'],
  ])('%j is none', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  test('survives being bytes', () => {
    expect(addressBytes({ family: AF_INET, value: 0x0a010203n })).toEqual(Uint8Array.of(10, 1, 2, 3));
    for (const text of ['10.1.2.3', 'fd00::1:2']) {
      const address = parseAddress(text);
      if (address === undefined) throw new Error(text);
      expect(formatAddress(addressOf(address.family, addressBytes(address)))).toBe(text);
    }
    expect(addressOf(AF_INET6, new Uint8Array(16)).value).toBe(0n);
  });
});

describe('a network', () => {
  test('is known by any of its addresses', () => {
    expect(formatCidr(network('172.18.3.4/16'))).toBe('172.18.0.0/16');
    expect(formatCidr(network('fd00:1::5/64'))).toBe('fd00:1::/64');
    expect(formatCidr(network('1.2.3.4/0'))).toBe('0.0.0.0/0');
    expect(formatAddress(lastAddress(network('10.0.0.0/24')))).toBe('10.0.0.255');
  });

  test.each(['10.0.0.0', '10.0.0.0/33', 'fd00::/129', '10.0.0.0/', '10.0.0.0/-1', '/8', '10.0.0.0/8/8'])(
    '%j is none',
    (text) => {
      expect(parseCidr(text)).toBeUndefined();
    },
  );

  test('contains addresses of its own family', () => {
    const inside = parseAddress('10.0.0.255');
    const outside = parseAddress('10.0.1.0');
    const other = parseAddress('::a00:1');
    if (!inside || !outside || !other) throw new Error();
    expect([inside, outside, other].map((a) => contains(network('10.0.0.0/24'), a))).toEqual([
      true,
      false,
      false,
    ]);
    expect(contains(network('0.0.0.0/0'), other)).toBe(false);
  });

  test('overlaps a part of itself and what it is a part of', () => {
    expect(overlaps(network('10.0.0.0/8'), network('10.9.0.0/16'))).toBe(true);
    expect(overlaps(network('10.9.0.0/16'), network('10.0.0.0/8'))).toBe(true);
    expect(overlaps(network('10.8.0.0/16'), network('10.9.0.0/16'))).toBe(false);
    expect(overlaps(network('::/0'), network('10.9.0.0/16'))).toBe(false);
  });
});
