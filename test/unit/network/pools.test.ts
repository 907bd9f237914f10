import { expect, test } from 'vitest';
import { type IpNetwork, parseCidr } from '../../../src/network/ip-address.ts';
import { chooseSubnet, uniqueLocalSubnet } from '../../../src/network/pools.ts';

const taken = (...texts: readonly string[]): readonly IpNetwork[] =>
  texts.flatMap((text) => parseCidr(text)?.network ?? []);

test.each([
  [[], '172.17.0.0/16'],
  [['172.17.0.0/16'], '172.18.0.0/16'],
  [['172.16.0.0/12'], '192.168.0.0/20'],
  [['172.16.0.0/12', '192.168.1.0/24'], '192.168.16.0/20'],
  [['172.16.0.0/12', '192.168.0.0/16', '10.0.0.0/15'], '10.2.0.0/16'],
  [['2001:db8::/32'], '172.17.0.0/16'],
])('with %j on the host, the next subnet is %s', (host, subnet) => {
  expect(chooseSubnet(taken(...host)).subnet).toBe(subnet);
});

test('the bridge has the first address', () => {
  expect(chooseSubnet([]).gateway).toBe('172.17.0.1');
});

test('a host whose routes cover everything gets no subnet, and a word on what to do', () => {
  expect(() => chooseSubnet(taken('172.16.0.0/12', '192.168.0.0/16', '10.0.0.0/8'))).toThrow(
    expect.objectContaining({ code: 'NO_SUBNET_LEFT' }),
  );
});

test('an IPv6 subnet is fd, 40 bits as given, and zeros', () => {
  expect(uniqueLocalSubnet(Uint8Array.of(0x12, 0x34, 0x56, 0x78, 0x9a))).toEqual({
    subnet: 'fd12:3456:789a::/64',
    gateway: 'fd12:3456:789a::1',
  });
});
