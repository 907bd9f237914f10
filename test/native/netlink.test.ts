/** The kernel's own word on the messages: sent in a network namespace that the test makes. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const DOOR = join(import.meta.dirname, '../../src/kernel');

/** Runs TypeScript in a fresh network namespace; what it prints as JSON. */
function inNamespace(body: string): unknown {
  const source = `
    import { sendNetlink } from '${DOOR}/netlink-door.ts';
    import * as K from '${DOOR}/constants.ts';
    import * as rt from '${DOOR}/rtnetlink.ts';
    const route = { protocol: 0 };
    const send = (...request) => sendNetlink(route, request, 'try it');
    const address = { family: K.AF_INET, bytes: Uint8Array.of(10, 9, 0, 1), text: '10.9.0.1' };
    const bridge = { name: 'br9', index: 1000 };
    ${body}`;
  const { stdout, stderr, status } = spawnSync(
    'unshare',
    [
      '--net',
      '--',
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      '--input-type=module-typescript',
      '--eval',
      source,
    ],
    { encoding: 'utf8' },
  );
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout);
}

test('a bridge with an address and a route is there as it was asked for', () => {
  const state = inNamespace(`
    const gateway = { ...address, bytes: Uint8Array.of(10, 9, 0, 254), text: '10.9.0.254' };
    send(rt.newBridge({ ...bridge, mtu: 1400 }), rt.newAddress(bridge, address, 24),
      rt.newRoute({ family: K.AF_INET, gateway, link: bridge }));
    console.log(JSON.stringify({
      links: rt.readLinks(send(rt.dumpLinks)).map(({ name, index, up }) => [name, index, up]),
      addresses: rt.readAddresses(send(rt.dumpAddresses)).filter((a) => a.family === K.AF_INET)
        .map(({ index, prefix, bytes }) => [index, prefix, [...bytes].join('.')]),
      default: rt.readRoutes(send(rt.dumpRoutes)).filter((r) => r.destination.length === 0).length,
    }));`);
  expect(state).toEqual({
    links: [
      ['lo', 1, false],
      ['br9', 1000, true],
    ],
    addresses: [[1000, 24, '10.9.0.1']],
    default: 1,
  });
});

test('a refused message is an error with its errno and with what the kernel says about it', () => {
  const state = inNamespace(`
    const errors = [];
    const refused = (...request) => { try { send(...request); } catch (e) { errors.push([e.message, e.cause.code]); } };
    send(rt.newBridge(bridge), rt.newAddress(bridge, address, 24));
    refused(rt.newBridge(bridge));
    refused(rt.newRoute({ family: K.AF_INET, gateway: { ...address, bytes: Uint8Array.of(1, 2, 3, 4) }, link: bridge }));
    console.log(JSON.stringify(errors));`);
  expect(state).toEqual([
    ['Cannot try it: EEXIST', 'EEXIST'],
    ['Cannot try it: Nexthop has invalid gateway: ENETUNREACH', 'ENETUNREACH'],
  ]);
});

test('more answers than the first buffer holds are all read', () => {
  const count = inNamespace(`
    const many = Array.from({ length: 900 }, (_, i) => rt.newBridge({ name: 'b' + i, index: 1000 + i }));
    send(...many);
    console.log(rt.readLinks(send(rt.dumpLinks)).length);`);
  expect(count).toBe(901);
});
