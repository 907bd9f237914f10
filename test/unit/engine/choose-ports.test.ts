import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { choosePorts, type HeldPort } from '../../../src/engine/choose-ports.ts';
import { parseExposed, parsePublish } from '../../../src/engine/port-options.ts';

const choose = (publish: readonly string[], held: readonly HeldPort[] = [], all: readonly string[] = []) =>
  choosePorts({ requests: publish.flatMap(parsePublish), all: all.flatMap(parseExposed) }, held);
const web: HeldPort = { hostPort: 8080, containerPort: 80, protocol: 'tcp', container: 'web' };

test('a port is published where it was asked for', () => {
  expect(choose(['127.0.0.1:8080:80/udp'], [web])).toEqual([
    { hostAddress: '127.0.0.1', hostPort: 8080, containerPort: 80, protocol: 'udp' },
  ]);
});

test('the container that has the port already is named', () => {
  expect(() => choose(['8080:80'], [web])).toThrow(
    'Cannot publish 80/tcp: port 8080 of the host is in use by container web',
  );
  expect(() => choose(['[::1]:8080:80'], [web])).toThrow(
    'port [::1]:8080 of the host is in use by container web',
  );
  expect(() => choose(['81:80', '81:90'])).toThrow('in use by another port of this container');
});

test('two addresses of the host can have the same port', () => {
  const ports = choose(['127.0.0.1:8080:80', '127.0.0.2:8080:81'], [{ ...web, hostAddress: '127.0.0.3' }]);
  expect(ports.map(({ hostAddress }) => hostAddress)).toEqual(['127.0.0.1', '127.0.0.2']);
});

test('the first port of a range is taken that nobody has', () => {
  const [first] = choose(['8080-8090:80'], [web]);
  expect(first?.hostPort).toBeGreaterThan(8080);
  expect(() => choose(['8080-8081:80'], [web, { ...web, hostPort: 8081 }])).toThrow(
    'no tcp port of the host from 8080 to 8081 is free',
  );
});

test('a port that is left out is one of those the kernel gives to programs, and nobody listens there', async () => {
  const server = createServer().listen(0);
  const [first = 0, last = 0] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
    .trim()
    .split(/\s+/)
    .map(Number);
  const ports = choose(Array.from({ length: 50 }, (_, i) => `${i + 1}`));
  expect(new Set(ports.map(({ hostPort }) => hostPort)).size).toBe(50);
  for (const { hostPort } of ports) {
    expect(hostPort).toBeGreaterThanOrEqual(first);
    expect(hostPort).toBeLessThanOrEqual(last);
  }
  const { port } = server.address() as { port: number };
  expect(() => choose([`${port}-${port + 0}:80`])).not.toThrow(); // one port is the kernel's to judge
  if (port < 65_535) expect(choose([`${port}-${port + 1}:80`])[0]?.hostPort).toBe(port + 1);
  server.close();
});

test('-P publishes what is exposed and has no port yet', () => {
  const ports = choose(['8080:80'], [], ['80', '443', '53/udp']);
  expect(ports.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`)).toEqual([
    '80/tcp',
    '443/tcp',
    '53/udp',
  ]);
});
