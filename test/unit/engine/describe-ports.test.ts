import { expect, test } from 'vitest';
import { describePorts, formatPorts } from '../../../src/engine/describe-ports.ts';
import { bindingsOf, type PublishedPort } from '../../../src/network/published-port.ts';

const ADDRESSES = ['172.17.0.2', 'fd00::2'];
const web: PublishedPort = { hostPort: 8080, containerPort: 80, protocol: 'tcp' };
const https = { port: 443, protocol: 'tcp' } as const;

test('ps: published ports with their addresses, then those that are only exposed', () => {
  expect(formatPorts([{ port: 80, protocol: 'tcp' }, https], bindingsOf(web, ADDRESSES))).toBe(
    '0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 443/tcp',
  );
});

test('ps: neighbouring ports stand together', () => {
  const ports = [0, 1, 2].map((i) => ({ ...web, hostPort: 8080 + i, containerPort: 80 + i }));
  const apart = { ...web, hostPort: 9000, containerPort: 83 };
  const bindings = [...ports, apart].flatMap((port) => bindingsOf(port, ['172.17.0.2']));
  expect(formatPorts([], bindings)).toBe('0.0.0.0:8080-8082->80-82/tcp, 0.0.0.0:9000->83/tcp');
  expect(formatPorts([https, { port: 444, protocol: 'tcp' }], [])).toBe('443-444/tcp');
});

test('inspect: a port without a place on the host is null', () => {
  expect(describePorts([https], bindingsOf({ ...web, hostAddress: '127.0.0.1' }, ADDRESSES))).toEqual({
    '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }],
    '443/tcp': null,
  });
});
