import { describe, expect, test } from 'vitest';
import { chooseSubnets, type SubnetRequest } from '../../../src/network/choose-subnets.ts';
import { type IpNetwork, parseCidr } from '../../../src/network/ip-address.ts';

const network = (text: string): IpNetwork => {
  const found = parseCidr(text)?.network;
  if (found === undefined) throw new Error(text);
  return found;
};
const NOTHING: SubnetRequest = { subnets: [], gateways: [], ranges: [], ipv6: false };
const AROUND = {
  taken: [
    { network: network('172.17.0.0/16'), holder: 'network front' },
    { network: network('10.0.5.0/24'), holder: 'which an interface of this host has' },
  ],
  routes: [network('172.18.0.0/15')],
  random: Uint8Array.of(1, 2, 3, 4, 5),
};
const choose = (request: Partial<SubnetRequest>) => chooseSubnets({ ...NOTHING, ...request }, AROUND);

describe('subnets', () => {
  test('that nobody asked for are free of networks and of routes', () => {
    expect(choose({})).toEqual([{ subnet: '172.20.0.0/16', gateway: '172.20.0.1' }]);
    expect(choose({ ipv6: true })).toEqual([
      { subnet: '172.20.0.0/16', gateway: '172.20.0.1' },
      { subnet: 'fd01:203:405::/64', gateway: 'fd01:203:405::1' },
    ]);
  });

  test('are what was asked for, each with its own gateway and range, and IPv4 comes with IPv6', () => {
    expect(
      choose({
        subnets: ['fd00:89::/64', '10.89.0.0/24'],
        gateways: ['10.89.0.254', 'fd00:89::9'],
        ranges: ['10.89.0.128/25'],
      }),
    ).toEqual([
      { subnet: '10.89.0.0/24', gateway: '10.89.0.254', range: '10.89.0.128/25' },
      { subnet: 'fd00:89::/64', gateway: 'fd00:89::9' },
    ]);
    expect(choose({ subnets: ['fd00:89::/64'] }).map(({ subnet }) => subnet)).toEqual([
      '172.20.0.0/16',
      'fd00:89::/64',
    ]);
  });

  test('may lie in a route of the host when they were asked for', () => {
    expect(choose({ subnets: ['172.19.3.0/24'] })).toEqual([
      { subnet: '172.19.3.0/24', gateway: '172.19.3.1' },
    ]);
  });

  test.each<[string, Partial<SubnetRequest>, string]>([
    [
      'overlaps another',
      { subnets: ['172.17.9.0/24'] },
      'Cannot use the subnet 172.17.9.0/24: it overlaps with 172.17.0.0/16, network front',
    ],
    [
      'overlaps the host',
      { subnets: ['10.0.0.0/8'] },
      'Cannot use the subnet 10.0.0.0/8: it overlaps with 10.0.5.0/24, which an interface of this host has',
    ],
    [
      'has bits behind the prefix',
      { subnets: ['10.89.0.5/24'] },
      'Cannot use --subnet 10.89.0.5/24: bits behind the prefix are set',
    ],
    [
      'is none',
      { subnets: ['10.89.0.0'] },
      'Cannot use --subnet 10.89.0.0: it is no network such as 10.89.0.0/24 or fd00:89::/64',
    ],
    [
      'is too small',
      { subnets: ['10.89.0.0/31'] },
      'Cannot use --subnet 10.89.0.0/31: it has no room for a gateway and a container',
    ],
    [
      'is a second one',
      { subnets: ['10.89.0.0/24', '10.90.0.0/24'] },
      'Cannot use --subnet 10.89.0.0/24 and 10.90.0.0/24: a bridge has one subnet of each family',
    ],
    [
      'has two gateways',
      { subnets: ['10.89.0.0/24'], gateways: ['10.89.0.1', '10.89.0.2'] },
      'Cannot use --gateway 10.89.0.1 and 10.89.0.2: a subnet has one gateway',
    ],
    [
      'has no such gateway',
      { subnets: ['10.89.0.0/24'], gateways: ['10.90.0.1'] },
      'Cannot use --gateway 10.90.0.1: no subnet given has this address',
    ],
    [
      'has a gateway for all',
      { subnets: ['10.89.0.0/24'], gateways: ['10.89.0.255'] },
      'Cannot use --gateway 10.89.0.255: it does not stand for a single host',
    ],
    [
      'is smaller than its range',
      { subnets: ['10.89.0.0/24'], ranges: ['10.89.0.0/16'] },
      'Cannot use --ip-range 10.89.0.0/16: it is larger than the subnet 10.89.0.0/24',
    ],
    [
      'is not there for a range',
      { ranges: ['10.89.0.0/25'] },
      'Cannot use --ip-range 10.89.0.0/25: no subnet given has these addresses',
    ],
  ])('one that %s is refused', (_, request, message) => {
    expect(() => choose(request)).toThrow(message);
  });
});
