import { describe, expect, test } from 'vitest';
import { decodePlan } from '../../../src/kernel/decode.ts';
import { encodePlan, HEADER_SIZE, MAX_FDS, MAX_PLAN_BYTES, RECORD_SIZE } from '../../../src/kernel/encode.ts';
import { flattenPlan, OPS, type Op, type OpName, type Plan, TOLERABLE } from '../../../src/kernel/ops.ts';
import { random } from '../../support/random.ts';
import { randomOp, randomPlan } from '../../support/random-plan.ts';

function planOf(...ops: Op[]): Plan {
  return { groups: [{ who: 'host', title: '', ops }], monitor: { interactive: false }, reporter: [] };
}

/** What an encoded plan keeps of an op: all but its words and what it tolerates (see the test of the records). */
function kept(op: Op): unknown {
  const { tolerate: _, ...rest } = op;
  const plain = Object.entries(rest).map(([name, value]) => [
    name,
    typeof value === 'bigint' && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value,
  ]);
  return Object.fromEntries(plain);
}

describe('a plan that is encoded and decoded again', () => {
  test.each(Object.keys(OPS) as OpName[])('keeps every field of %s', (name) => {
    const r = random(OPS[name].code);
    for (let i = 0; i < 200; i++) {
      const op = randomOp(name, r);
      const decoded = flattenPlan(decodePlan(encodePlan(planOf(op))));
      expect(decoded.map((entry) => kept(entry.op))).toEqual([kept(op)]);
    }
  });

  test('keeps the order of ops, who runs them, the terminal and the reporter', () => {
    const r = random(1);
    for (let i = 0; i < 50; i++) {
      const plan = randomPlan(r);
      const decoded = decodePlan(encodePlan(plan));
      const told = (p: Plan) => flattenPlan(p).map(({ op, group }) => [group.who, kept(op)]);
      expect(told(decoded)).toEqual(told(plan));
      expect(decoded.monitor).toEqual(plan.monitor);
      expect(decoded.reporter).toEqual(plan.reporter);
    }
  });

  test('is the same bytes each time', () => {
    expect(encodePlan(randomPlan(random(7)))).toEqual(encodePlan(randomPlan(random(7))));
  });
});

describe('a record', () => {
  test('holds the errors the op tolerates as bits', () => {
    const op: Op = { op: 'setsid', why: '', tolerate: ['EPERM', 'ENOTTY'] };
    expect(encodePlan(planOf(op)).readUInt32LE(HEADER_SIZE + 4)).toBe(TOLERABLE.EPERM | TOLERABLE.ENOTTY);
  });

  test('takes a negative number as the kernel does: in two complements', () => {
    const bytes = encodePlan(planOf({ op: 'umask', mask: -1, why: '' }));
    expect(bytes.readBigUInt64LE(HEADER_SIZE + 16)).toBe(0xffffffffffffffffn);
  });

  test('refers to equal texts once', () => {
    const op = (path: string): Op => ({ op: 'chdir', path, why: '' });
    const [one, two] = [
      encodePlan(planOf(op('/same'), op('/same'))),
      encodePlan(planOf(op('/same'), op('/other'))),
    ];
    expect(two.length - one.length).toBe(8);
  });

  test.each([1.5, Number.NaN, '12 apples'])('refuses the number %s', (mask) => {
    expect(() => encodePlan(planOf({ op: 'umask', mask: mask as number, why: '' }))).toThrow();
  });

  test.each([-1, 2 ** 32, 0.5])('refuses the group %s', (gid) => {
    expect(() => encodePlan(planOf({ op: 'setgroups', groups: [gid], why: '' }))).toThrow();
  });
});

describe('the limits', () => {
  const open = (i: number): Op => ({ op: 'fsopen', into: `fd-${i}`, fstype: 'tmpfs', why: '' });

  test(`${MAX_FDS} descriptors can be named, and not one more`, () => {
    const ops = Array.from({ length: MAX_FDS }, (_, i) => open(i));
    expect(() => encodePlan(planOf(...ops))).not.toThrow();
    expect(() => encodePlan(planOf(...ops, open(MAX_FDS)))).toThrow('fd-128 is one too many');
  });

  test('8 MiB are enough, one byte more is refused with a hint', () => {
    const room = MAX_PLAN_BYTES - HEADER_SIZE - RECORD_SIZE - 8; // 8: the empty text of the path
    const write = (size: number): Op => ({ op: 'write', path: '', data: Buffer.alloc(size), why: '' });
    expect(encodePlan(planOf(write(room))).length).toBe(MAX_PLAN_BYTES);
    expect(() => encodePlan(planOf(write(room + 1)))).toThrow(
      expect.objectContaining({ code: 'PLAN_TOO_LARGE', hint: expect.stringContaining('arguments') }),
    );
  });
});

describe('text with a NUL byte, which would end early in the kernel, is refused', () => {
  test.each<[string, Op]>([
    ['a path', { op: 'chdir', path: '/a\0b', why: '' }],
    ['a path as bytes', { op: 'chdir', path: Buffer.from('/a\0b'), why: '' }],
    ['an argument', { op: 'execve', args: ['a', 'b\0c'], env: [], why: '' }],
    ['a variable', { op: 'execve', args: ['a'], env: ['A=\0'], why: '' }],
  ])('in %s', (_, op) => {
    expect(() => encodePlan(planOf(op))).toThrow(expect.objectContaining({ code: 'NUL_IN_TEXT' }));
  });

  test('but bytes may hold any', () => {
    expect(() => encodePlan(planOf({ op: 'write', path: 'f', data: '\0', why: '' }))).not.toThrow();
  });
});

describe('reading what is no plan', () => {
  test('an op that is not known is named', () => {
    const bytes = encodePlan(planOf({ op: 'setsid', why: '' }));
    bytes.writeUInt16LE(999, HEADER_SIZE);
    expect(() => decodePlan(bytes)).toThrow('op 999 is unknown');
  });
});
