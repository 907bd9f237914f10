/** Leases on a temporary directory: nothing of them needs root. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hostPath } from '../../../src/lib/brands.ts';
import { formatAddress } from '../../../src/network/ip-address.ts';
import { chooseAddress, networkLeases, prepareLease, releaseLeases } from '../../../src/network/leases.ts';
import type { Network } from '../../../src/network/network.ts';

const SUBNET = { subnet: '10.9.0.0/29', gateway: '10.9.0.1' };
const NETWORK: Network = {
  id: 'ab'.repeat(32),
  name: 'small',
  bridge: 'tsr-small',
  subnets: [SUBNET],
  internal: false,
  labels: {},
  options: {},
  created: '2026-01-01T00:00:00.000Z',
  isDefault: false,
};

let runRoot = hostPath('');
beforeEach(() => {
  runRoot = hostPath(mkdtempSync(join(tmpdir(), 'tsrun-leases-')));
});
afterEach(() => rmSync(runRoot, { recursive: true }));

function take(container: string, asked?: string, subnet: Network['subnets'][number] = SUBNET): string {
  const id = container.repeat(64);
  mkdirSync(join(runRoot, id), { recursive: true });
  const source = hostPath(join(runRoot, id, 'lease'));
  prepareLease(runRoot, NETWORK, source, { containerId: id, network: 'small', names: [`box-${container}`] });
  return formatAddress(chooseAddress(runRoot, NETWORK, subnet, asked, source));
}
const taken = () => readdirSync(networkLeases(runRoot, NETWORK)).sort();

test('addresses are given from the lowest on, and never those of the network, its bridge and broadcast', () => {
  expect(['a', 'b', 'c', 'd', 'e'].map((c) => take(c))).toEqual([
    '10.9.0.2',
    '10.9.0.3',
    '10.9.0.4',
    '10.9.0.5',
    '10.9.0.6',
  ]);
  expect(() => take('f')).toThrow('Cannot find an address on network small: all of 10.9.0.0/29 are in use');
});

test('a file says who has an address, and goes with all others of that container', () => {
  take('a');
  take('b');
  expect(readFileSync(join(networkLeases(runRoot, NETWORK), '10.9.0.2'), 'utf8')).toBe(
    `${'a'.repeat(64)}\nsmall\nbox-a\n`,
  );
  releaseLeases(runRoot, 'a'.repeat(64));
  expect(taken()).toEqual(['10.9.0.3']);
  expect(take('c')).toBe('10.9.0.2');
});

test('an address that is asked for is had by one container only', () => {
  expect(take('a', '10.9.0.5')).toBe('10.9.0.5');
  expect(() => take('b', '10.9.0.5')).toThrow(
    'Cannot use the address 10.9.0.5 on network small: container box-a has it',
  );
});

test.each([
  ['10.9.0.8', 'it is not in 10.9.0.0/29'],
  ['10.9.0.1', 'it is the address of the bridge'],
  ['10.9.0.0', 'it does not stand for a single host'],
  ['10.9.0.7', 'it does not stand for a single host'],
  ['fd00::1', 'it is not in 10.9.0.0/29'],
])('%s cannot be asked for', (address, why) => {
  expect(() => take('a', address)).toThrow(`Cannot use the address ${address} on network small: ${why}`);
  expect(taken()).toEqual([]);
});

test('a range limits what is given, not what is asked for', () => {
  const subnet = { ...SUBNET, range: '10.9.0.4/31' };
  expect(['a', 'b'].map((c) => take(c, undefined, subnet))).toEqual(['10.9.0.4', '10.9.0.5']);
  expect(() => take('c', undefined, subnet)).toThrow('all of 10.9.0.4/31 are in use');
  expect(take('d', '10.9.0.2', subnet)).toBe('10.9.0.2');
});

test('without a file to link from, an address is only looked for', () => {
  expect(formatAddress(chooseAddress(runRoot, NETWORK, SUBNET, undefined, undefined))).toBe('10.9.0.2');
  expect(readdirSync(runRoot)).toEqual([]);
});
