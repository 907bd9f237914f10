/** Plans with every op and any field values: nothing anyone should run, but all of it must survive the encoding. */
import { DBUS_PREFIX_SIZE, type DbusCall, encodeCalls } from '../../src/kernel/dbus.ts';
import {
  encodeRequest,
  type NetlinkMessage,
  NLM_F_ACK,
  REQUEST_PREFIX_SIZE,
} from '../../src/kernel/netlink.ts';
import {
  type FIELD_KINDS,
  OPS,
  type Op,
  type OpName,
  type Plan,
  TOLERABLE,
  type Tolerable,
} from '../../src/kernel/ops.ts';
import type { Random } from './random.ts';

const TEXTS = [
  '',
  'a',
  '/proc/self/exe',
  'Grüße',
  '名前',
  '👩‍🚀',
  'two words',
  'line\nbreak',
  '\u001b[31m',
  '\u009b31m\u007f',
  'x'.repeat(4095),
];

/** An op of the given name with random fields; an optional descriptor is left out half the time. */
export function randomOp(name: OpName, r: Random): Op {
  const fields = Object.entries(OPS[name].fields).flatMap(([field, kind]) => {
    const value = randomField(kind, r);
    return value === undefined ? [] : [[field, value]];
  });
  const tolerate = (Object.keys(TOLERABLE) as Tolerable[]).filter(() => r.int(4) === 0);
  return {
    op: name,
    why: '',
    ...Object.fromEntries(fields),
    ...(tolerate.length > 0 ? { tolerate } : {}),
  } as unknown as Op;
}

function randomMessage(r: Random): NetlinkMessage {
  const attribute = { name: 'IFLA_IFNAME', type: 3, value: { text: r.pick(['lo', 'eth0']) } };
  return {
    name: 'RTM_NEWLINK',
    type: r.int(65536),
    flags: NLM_F_ACK,
    header: Buffer.alloc(16),
    attributes: [attribute],
    byHand: [],
  };
}

function randomCall(r: Random): DbusCall {
  const text = () => r.pick(TEXTS);
  return {
    destination: text(),
    path: text(),
    interface: text(),
    member: text(),
    signature: 'sta(sv)',
    body: [text(), r.u64(), [[text(), { signature: 'au', value: [r.int(2 ** 32)] }]]],
  };
}

function randomField(kind: keyof typeof FIELD_KINDS, r: Random): unknown {
  const several = <T>(make: () => T): T[] => Array.from({ length: r.int(4) }, make);
  switch (kind) {
    case 'fd':
    case 'into':
      return `fd-${r.int(20)}`;
    case 'at':
      return r.int(2) === 0 ? undefined : `fd-${r.int(20)}`;
    case 'u64':
      return r.u64();
    case 'str':
      return r.pick(TEXTS);
    case 'bytes':
      return Buffer.from(several(() => r.int(256)));
    case 'strings':
      return several(() => r.pick(TEXTS));
    case 'u32s':
      return several(() => r.int(2 ** 32));
    case 'netlink':
      return Buffer.concat([
        Buffer.alloc(REQUEST_PREFIX_SIZE),
        encodeRequest(several(() => randomMessage(r)).concat(randomMessage(r))).bytes,
      ]);
    case 'dbus':
      return Buffer.concat([
        Buffer.alloc(DBUS_PREFIX_SIZE),
        encodeCalls(several(() => randomCall(r)).concat(randomCall(r))).bytes,
      ]);
    default:
      return kind satisfies never;
  }
}

/** A plan that the executor would take: one clone3, ops of the child only after it. Every op appears. */
export function randomPlan(r: Random): Plan {
  const names = (Object.keys(OPS) as OpName[]).filter((name) => name !== 'clone3');
  const host = names.filter((name) => name !== 'execve');
  return {
    groups: [
      { who: 'host', title: 'before', ops: host.map((name) => randomOp(name, r)) },
      { who: 'host', title: 'clone', ops: [randomOp('clone3', r)] },
      { who: 'child', title: 'child', ops: names.map((name) => randomOp(name, r)) },
      { who: 'cleanup', title: 'cleanup', ops: [randomOp('rmdir', r)] },
      { who: 'undo', title: 'undo', ops: [randomOp('remove_tree', r)] },
    ],
    monitor: { interactive: r.int(2) === 0, ...(r.int(2) === 0 ? { terminal: 'fd-1' } : {}) },
    reporter: ['/usr/bin/true', '', '名前'],
  };
}
