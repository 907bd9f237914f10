import { describe, expect, test } from 'vitest';
import { parseExposed, parsePublish } from '../../../src/engine/port-options.ts';

const one = (port: number) => ({ first: port, last: port });
const tcp = { port: 80, protocol: 'tcp' } as const;

describe('-p', () => {
  test.each([
    ['80', [tcp]],
    [':80', [tcp]],
    ['0:80', [tcp]],
    ['8080:80', [{ ...tcp, hostPorts: one(8080) }]],
    ['8080:80/UDP', [{ port: 80, protocol: 'udp', hostPorts: one(8080) }]],
    ['127.0.0.1:8080:80', [{ ...tcp, hostAddress: '127.0.0.1', hostPorts: one(8080) }]],
    ['127.0.0.1::80', [{ ...tcp, hostAddress: '127.0.0.1' }]],
    ['[0:0::1]:8080:80', [{ ...tcp, hostAddress: '::1', hostPorts: one(8080) }]],
    ['[::]::80', [{ ...tcp, hostAddress: '::' }]],
    ['8000-8009:80', [{ ...tcp, hostPorts: { first: 8000, last: 8009 } }]],
    [
      '8000-8001:80-81',
      [
        { ...tcp, hostPorts: one(8000) },
        { port: 81, protocol: 'tcp', hostPorts: one(8001) },
      ],
    ],
    ['80-81', [tcp, { port: 81, protocol: 'tcp' }]],
  ])('%s', (text, requests) => {
    expect(parsePublish(text)).toEqual(requests);
  });

  test.each([
    ['80/sctp', 'only tcp and udp'],
    ['8000-8001:80-82', '2 ports of the host for 3 of the container'],
    ['localhost:8080:80', '"localhost" is no IP address'],
    ['::1:8080:80', '"::1" is no IP address'],
    ['[127.0.0.1]:8080:80', '"[127.0.0.1]" is no IP address'],
    ...['', '0', '65536', '80-79', '80:', '80 '].map((text) => [text, 'is no port of the container']),
    ...['70000:80', '127.0.0.1:80', 'x:80', '-80:80', '[::1]:80'].map((text) => [
      text,
      `"${text.replace(/:80$/, '')}" is no port of the host`,
    ]),
  ])('refuses %j', (text, why) => {
    expect(() => parsePublish(text)).toThrow(why);
  });
});

describe('--expose', () => {
  test('takes a port, or several', () => {
    expect(parseExposed('80')).toEqual([tcp]);
    expect(parseExposed('80-81/udp')).toEqual([
      { port: 80, protocol: 'udp' },
      { port: 81, protocol: 'udp' },
    ]);
  });

  test.each(['', '0', '80:80', 'http', '80/sctp'])('refuses %j', (text) => {
    expect(() => parseExposed(text)).toThrow();
  });
});
