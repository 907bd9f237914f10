import { describe, expect, test } from 'vitest';
import { chooseUpstreams } from '../../../src/network/plan-dns.ts';
import { asksOnlyItself, ownResolvConf, resolvConf } from '../../../src/network/resolv-conf.ts';

const NOTHING = { dns: [], dnsSearch: [], dnsOptions: [] };
const HOST = `# made by hand
nameserver 127.0.0.53
nameserver  192.0.2.1
nameserver ::1
nameserver 2001:db8::1
nameserver fe80::1%eth0
nameserver nonsense
domain first.example
search a.example b.example
options edns0 trust-ad
`;

describe('the resolvers of a container', () => {
  test('are those of the host that others can reach too', () => {
    expect(resolvConf(HOST, NOTHING, true)).toBe(
      'nameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch a.example b.example\noptions edns0 trust-ad\n',
    );
  });

  test('have no IPv6 address where the container has none', () => {
    expect(resolvConf(HOST, NOTHING, false)).not.toContain('2001:db8');
  });

  test('are what is asked for instead, each kind by itself', () => {
    expect(resolvConf(HOST, { ...NOTHING, dns: ['127.0.0.1'] }, true)).toBe(
      'nameserver 127.0.0.1\nsearch a.example b.example\noptions edns0 trust-ad\n',
    );
    expect(resolvConf(HOST, { ...NOTHING, dnsSearch: ['.'], dnsOptions: ['ndots:2'] }, true)).toBe(
      'nameserver 192.0.2.1\nnameserver 2001:db8::1\noptions ndots:2\n',
    );
  });

  test('are none for a host that has none', () => {
    expect(resolvConf('', NOTHING, true)).toBe('');
  });
});

test.each([
  ['nameserver 127.0.0.53\noptions edns0\n', true],
  ['nameserver 127.0.0.53\nnameserver ::1\n', true],
  ['nameserver 127.0.0.53\nnameserver 192.0.2.1\n', false],
  ['', false],
])('a host with %j asks only itself: %s', (text, only) => {
  expect(asksOnlyItself(text)).toBe(only);
});

describe('a container with a DNS server of its own', () => {
  test('asks that one only, and for names without a dot at once', () => {
    expect(ownResolvConf(HOST, NOTHING)).toBe(
      'nameserver 127.0.0.11\nsearch a.example b.example\noptions edns0 trust-ad ndots:0\n',
    );
    expect(ownResolvConf(HOST, { ...NOTHING, dns: ['192.0.2.9'], dnsOptions: ['ndots:2'] })).toBe(
      'nameserver 127.0.0.11\nsearch a.example b.example\noptions ndots:2\n',
    );
  });

  test("has the host's resolvers behind it, those of the host's loopback and links too, up to three", () => {
    expect(chooseUpstreams([], HOST, false)).toEqual(['127.0.0.53', '192.0.2.1', '::1']);
    expect(chooseUpstreams([], 'nameserver fe80::1%eth0\nnameserver nonsense\n', false)).toEqual([
      'fe80::1%eth0',
    ]);
    expect(chooseUpstreams(['192.0.2.9'], HOST, false)).toEqual(['192.0.2.9']);
  });

  test('has none behind it on internal networks', () => {
    expect(chooseUpstreams(['192.0.2.9'], HOST, true)).toEqual([]);
  });
});
