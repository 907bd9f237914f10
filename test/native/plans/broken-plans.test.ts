/**
 * The executor's check against broken plans, in a build with AddressSanitizer and UBSan: whatever the bytes are, the
 * plan is refused or it is sound, and no byte outside of it is read. Each plan lies in an allocation of its own size.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodePlan, HEADER_SIZE, MAX_FDS, MAX_PLAN_BYTES, RECORD_SIZE } from '../../../src/kernel/encode.ts';
import { type FIELD_KINDS, flattenPlan, OPS, type Op, type Plan } from '../../../src/kernel/ops.ts';
import { reportSize } from '../../../src/kernel/report.ts';
import { planContainer } from '../../../src/runtime/plan.ts';
import { random } from '../../support/random.ts';
import { randomPlan } from '../../support/random-plan.ts';
import { HOST, SAMPLES } from '../../support/sample-plans.ts';

const NATIVE = join(import.meta.dirname, '../../../native');
const SANITIZED = join(NATIVE, 'build/asan/tsrun-exec');
const MINUTE_MS = 60_000;

beforeAll(() => {
  execFileSync('make', ['--quiet', '-C', NATIVE, 'all', 'sanitize'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}, MINUTE_MS);

/** What the executor says of each plan: `sound`, or what is wrong with it. Fails when it crashes. */
function verdicts(plans: readonly Uint8Array[]): readonly string[] {
  const said: string[] = [];
  for (let i = 0; i < plans.length; i += 2000) {
    const batch = plans.slice(i, i + 2000);
    const input = Buffer.concat(batch.flatMap((plan) => [lengthOf(plan), plan]));
    const { status, signal, stdout, stderr } = spawnSync(SANITIZED, ['check'], { input, encoding: 'utf8' });
    if (status !== 0) throw new Error(`plan ${i + lines(stdout).length}: ${signal ?? status}\n${stderr}`);
    expect(lines(stdout).length).toBe(batch.length);
    said.push(...lines(stdout));
  }
  return said;
}

const lines = (text: string) => text.split('\n').slice(0, -1);

function lengthOf(plan: Uint8Array): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(plan.length);
  return bytes;
}

function changed(plan: Buffer, change: (bytes: Buffer) => void): Buffer {
  const copy = Buffer.from(plan);
  change(copy);
  return copy;
}

const sample = SAMPLES.terminal;
if (sample === undefined) throw new Error('no sample plan');
const plan = planContainer(sample, HOST);
const ops = flattenPlan(plan).map(({ op }) => op);
const encoded = encodePlan(plan);
const dataStart = HEADER_SIZE + ops.length * RECORD_SIZE;
const recordOf = (index: number) => HEADER_SIZE + index * RECORD_SIZE;
const fieldOf = (index: number, position: number) => recordOf(index) + 16 + position * 8;

describe('a plan that is whole', () => {
  test.each(Object.entries(SAMPLES))('%s is sound', (_, input) => {
    expect(verdicts([encodePlan(planContainer(input, HOST))])).toEqual(['sound']);
  });

  test('is sound with every op and any field values', () => {
    const r = random(11);
    const plans = Array.from({ length: 200 }, () => encodePlan(randomPlan(r)));
    expect(new Set(verdicts(plans))).toEqual(new Set(['sound']));
  });

  test('is sound with 8 MiB, and refused with more', () => {
    const big = (size: number): Buffer => {
      const write: Op = { op: 'write', path: '', data: Buffer.alloc(size), why: '' };
      const groups = [
        { who: 'host' as const, title: '', ops: [write, ...ops.filter((op) => op.op === 'clone3')] },
      ];
      return encodePlan({ groups, monitor: { interactive: false }, reporter: [] });
    };
    const most = big(MAX_PLAN_BYTES - big(0).length);
    expect(most.length).toBe(MAX_PLAN_BYTES);
    const more = changed(Buffer.concat([most, Buffer.alloc(8)]), (b) => b.writeUInt32LE(b.length, 8));
    expect(verdicts([most, more])).toEqual(['sound', 'size']);
  });
});

describe('a plan that was cut or grown', () => {
  const lengths = Array.from({ length: encoded.length }, (_, i) => i);

  test('is refused at every length', () => {
    const said = verdicts(lengths.map((length) => encoded.subarray(0, length)));
    expect(new Set(said)).toEqual(new Set(['size', 'length']));
  });

  test('is refused at every length below its last byte, also when its header tells the new length', () => {
    const cuts = lengths
      .slice(HEADER_SIZE)
      .map((length) => changed(encoded.subarray(0, length), (b) => b.writeUInt32LE(length, 8)));
    const said = verdicts(cuts);
    // The names of descriptors come last: what is cut of their padding is nothing.
    const lastText = encoded.length - 8;
    expect(said.slice(0, lastText - HEADER_SIZE).filter((verdict) => verdict === 'sound')).toEqual([]);
  });

  test('is refused with bytes behind its end', () => {
    expect(verdicts([Buffer.concat([encoded, Buffer.alloc(8)])])).toEqual(['length']);
  });
});

const U64_MAX = (1n << 64n) - 1n;
const at = (offset: number, length: number) => (BigInt(offset) << 32n) | BigInt(length);

/** Numbers that have broken programs before, and references just inside and just outside of the plan. */
const WILD: readonly bigint[] = [
  ...[0n, 1n, 127n, 128n, 255n, 0x7fffffffn, 0x80000000n, 0xfffffffen, 0xffffffffn, 1n << 32n],
  ...[1n << 63n, U64_MAX, U64_MAX - 1n, 0x4141414141414141n, 0xffffffff00000000n, 0x00000008_ffffffffn],
  ...[
    at(0, 8),
    at(HEADER_SIZE, 8),
    at(dataStart - 1, 1),
    at(dataStart - 8, 1),
    at(dataStart + 1, 1),
    at(dataStart + 4, 1),
  ],
  ...[at(encoded.length, 0), at(encoded.length, 1), at(encoded.length - 1, 1), at(encoded.length - 8, 8)],
  ...[
    at(encoded.length - 8, 9),
    at(encoded.length - 8, 0xffffffff),
    at(dataStart, encoded.length),
    at(0xfffffff8, 8),
  ],
];

/** Whether a field must be refused, told without the executor's own code. Undefined: it depends on the data. */
function mustRefuse(kind: keyof typeof FIELD_KINDS | undefined, value: bigint): boolean | undefined {
  const [offset, count] = [value >> 32n, value & 0xffffffffn];
  const outside = (bytes: bigint) => offset < BigInt(dataStart) || offset + bytes > BigInt(encoded.length);
  switch (kind) {
    case undefined:
      return value !== 0n;
    case 'fd':
    case 'into':
      return value >= BigInt(MAX_FDS);
    case 'at':
      return value >= BigInt(MAX_FDS) && value !== 0xffffffffn;
    case 'u64':
      return false;
    case 'bytes':
      return outside(count);
    case 'str':
      return outside(count + 1n) || undefined;
    case 'strings':
      return outside(count * 8n) || offset % 8n !== 0n || undefined;
    case 'u32s':
      return outside(count * 4n) || offset % 8n !== 0n;
    case 'netlink':
    case 'dbus':
      return outside(count) || offset % 8n !== 0n || undefined;
    default:
      return kind satisfies never;
  }
}

test(
  'every field of every op with wild values is refused where it must be',
  () => {
    const cases = ops.flatMap((op, index) =>
      Array.from({ length: 8 }, (_, position) =>
        WILD.map((value) => ({
          what: `${op.op}[${position}] = 0x${value.toString(16)}`,
          refuse: mustRefuse(Object.values(OPS[op.op].fields)[position], value),
          bytes: changed(encoded, (b) => b.writeBigUInt64LE(value, fieldOf(index, position))),
        })),
      ).flat(),
    );
    const said = verdicts(cases.map(({ bytes }) => bytes));
    const wrong = cases.filter(({ refuse }, i) => refuse !== undefined && (said[i] === 'field') !== refuse);
    expect(wrong.map(({ what }) => what)).toEqual([]);
  },
  MINUTE_MS,
);

describe('the head of an op is refused', () => {
  const last = ops.length - 1;
  test.each<[string, (b: Buffer) => void, string]>([
    ['with number 0', (b) => b.writeUInt16LE(0, recordOf(last)), 'unknown op'],
    ['with a number between two ops', (b) => b.writeUInt16LE(19, recordOf(last)), 'unknown op'],
    ['with a number above all ops', (b) => b.writeUInt16LE(82, recordOf(last)), 'unknown op'],
    ['with the highest number', (b) => b.writeUInt16LE(0xffff, recordOf(last)), 'unknown op'],
    ['of nobody', (b) => b.writeUInt16LE(4, recordOf(last) + 2), 'op header'],
    [
      'with an error to tolerate that there is not',
      (b) => b.writeUInt32LE(128, recordOf(last) + 4),
      'op header',
    ],
    ['with reserved bytes', (b) => b.writeUInt8(1, recordOf(last) + 15), 'op header'],
  ])('%s', (_, change, verdict) => {
    expect(verdicts([changed(encoded, change)])).toEqual([verdict]);
  });
});

describe('the header is refused', () => {
  test.each<[string, (b: Buffer) => void, string]>([
    ['with another magic number', (b) => b.writeUInt32LE(0, 0), 'magic number'],
    ['of another version', (b) => b.writeUInt32LE(2, 4), 'version'],
    ['with another length', (b) => b.writeUInt32LE(encoded.length - 1, 8), 'length'],
    ['without ops', (b) => b.writeUInt32LE(0, 12), 'number of ops'],
    ['with more ops than there is room for', (b) => b.writeUInt32LE(0x03333334, 12), 'number of ops'],
    ['with the most ops a number can say', (b) => b.writeUInt32LE(0xffffffff, 12), 'number of ops'],
    ['with a reporter outside', (b) => b.writeBigUInt64LE(at(encoded.length, 1), 16), 'reporter'],
    [
      'with a reporter that is not aligned',
      (b) => b.writeBigUInt64LE(b.readBigUInt64LE(16) + (4n << 32n), 16),
      'reporter',
    ],
    ['with a terminal that is no descriptor', (b) => b.writeUInt32LE(MAX_FDS, 24), 'terminal'],
    ['with interactive 2', (b) => b.writeUInt32LE(2, 28), 'interactive'],
    ['with names outside', (b) => b.writeBigUInt64LE(U64_MAX, 32), 'names of descriptors'],
    ['with reserved bytes', (b) => b.writeUInt8(1, 63), 'reserved bytes'],
  ])('%s', (_, change, verdict) => {
    expect(verdicts([changed(encoded, change)])).toEqual([verdict]);
  });

  test('with any other number of ops', () => {
    const counts = Array.from({ length: 2 * ops.length }, (_, i) => i).filter((i) => i !== ops.length);
    const said = verdicts(counts.map((count) => changed(encoded, (b) => b.writeUInt32LE(count, 12))));
    // With fewer ops the records left out are data, and a plan without its end is a plan.
    counts.forEach((count, i) => {
      if (count === 0 || count > ops.length) expect(said[i], `${count} ops`).not.toBe('sound');
    });
  });
});

describe('text', () => {
  const execve = ops.findIndex((op) => op.op === 'execve');
  const list = encoded.readBigUInt64LE(fieldOf(execve, 0));
  const first = encoded.readBigUInt64LE(Number(list >> 32n));
  const [start, length] = [Number(first >> 32n), Number(first & 0xffffffffn)];

  test('without its NUL is refused', () => {
    expect(verdicts([changed(encoded, (b) => b.writeUInt8(120, start + length))])).toEqual(['field']);
  });

  test('with a NUL inside is refused', () => {
    expect(verdicts([changed(encoded, (b) => b.writeUInt8(0, start + 1))])).toEqual(['field']);
  });

  test('in a list that is not aligned is refused', () => {
    const moved = changed(encoded, (b) => b.writeBigUInt64LE(list + (4n << 32n), fieldOf(execve, 0)));
    expect(verdicts([moved])).toEqual(['field']);
  });
});

describe('the order of ops is refused', () => {
  const group = (who: 'host' | 'child' | 'cleanup' | 'undo', ...list: Op[]) => ({
    who,
    title: '',
    ops: list,
  });
  const clone: Op = { op: 'clone3', pidfd: 'child', flags: 0, why: '' };
  const setsid: Op = { op: 'setsid', why: '' };
  const execve: Op = { op: 'execve', args: ['true'], env: [], why: '' };
  const verdict = (...groups: Plan['groups']) =>
    verdicts([encodePlan({ groups, monitor: { interactive: false }, reporter: [] })])[0];

  test('with clone3 twice', () => {
    expect(verdict(group('host', clone, clone))).toBe('clone3 must be one op of the host');
  });

  test.each(['child', 'cleanup', 'undo'] as const)('with clone3 as an op of %s', (who) => {
    expect(verdict(group('host', clone), group(who, clone))).toBe('clone3 must be one op of the host');
  });

  test('with an op of the child before clone3', () => {
    expect(verdict(group('child', setsid), group('host', clone))).toBe('an op of the child before clone3');
  });

  test('but a plan without clone3 is sound: it changes something of a container that runs', () => {
    expect(verdict(group('host', setsid))).toBe('sound');
  });

  test.each(['host', 'cleanup', 'undo'] as const)('with execve as an op of %s', (who) => {
    expect(verdict(group('host', clone), group(who, execve))).toBe('execve must be an op of the child');
  });
});

test(
  '20,000 plans with random bytes changed crash nothing',
  () => {
    const r = random(20_000);
    const plans = Array.from({ length: 20_000 }, () =>
      changed(encoded, (b) => {
        const from = r.int(2) === 0 ? 0 : HEADER_SIZE; // half of them keep their header
        for (let flips = 1 + r.int(8); flips > 0; flips--) {
          const position = from + r.int(b.length - from);
          if (r.int(2) === 0) b.writeUInt8(r.int(256), position);
          else b.writeUInt8(b.readUInt8(position) ^ (1 << r.int(8)), position);
        }
      }),
    );
    const said = verdicts(plans);
    const refused = said.filter((verdict) => verdict !== 'sound').length;
    expect(refused).toBeGreaterThan(5_000);
    expect(refused).toBeLessThan(20_000);
  },
  MINUTE_MS,
);

describe.each([
  ['the helper', join(NATIVE, 'build/tsrun-exec')],
  ['the helper with sanitizers', SANITIZED],
])('%s', (_, helper) => {
  const scratch = mkdtempSync(join(tmpdir(), 'tsrun-plans-'));
  afterAll(() => rmSync(scratch, { recursive: true }));
  const marker = join(scratch, 'ran');
  const marking: Plan = {
    groups: [
      { who: 'host', title: '', ops: [{ op: 'mkdir', path: marker, mode: 0o755, why: '' }] },
      { who: 'host', title: '', ops: [{ op: 'clone3', pidfd: 'child', flags: 0, why: '' }] },
      { who: 'child', title: '', ops: [{ op: 'execve', args: ['/bin/true'], env: [], why: '' }] },
      { who: 'cleanup', title: '', ops: [{ op: 'rmdir', path: `${marker}-2`, why: '' }] },
    ],
    monitor: { interactive: false },
    reporter: ['/bin/sh', '-c', `mkdir ${marker}-reporter`],
  };

  function run(bytes: Uint8Array, report: number) {
    const [planFile, reportFile] = [join(scratch, 'plan'), join(scratch, 'report')];
    writeFileSync(planFile, bytes);
    writeFileSync(reportFile, Buffer.alloc(report));
    return spawnSync(helper, ['run', '3', '4'], {
      stdio: ['ignore', 'pipe', 'pipe', openSync(planFile, 'r'), openSync(reportFile, 'r+')],
      encoding: 'utf8',
    });
  }
  const whole = encodePlan(marking);
  const nothingRan = () => !existsSync(marker) && !existsSync(`${marker}-reporter`);

  test.each<[string, Uint8Array, string]>([
    ['cut', whole.subarray(0, -8), 'length'],
    ['empty', Buffer.alloc(0), 'cannot read the plan'],
    ['broken in its last op', changed(whole, (b) => b.writeUInt16LE(999, recordOf(3))), 'unknown op'],
    ['broken in its reporter', changed(whole, (b) => b.writeBigUInt64LE(U64_MAX, 16)), 'reporter'],
  ])('refuses to run a plan that is %s, and runs nothing of it', (__, bytes, said) => {
    const { status, stderr } = run(bytes, reportSize(marking));
    expect({ status, stderr }).toEqual({ status: 125, stderr: expect.stringContaining(said) });
    expect(nothingRan()).toBe(true);
  });

  test('refuses to run a sound plan with too little room to report', () => {
    const { status, stderr } = run(whole, reportSize(marking) - 8);
    expect({ status, stderr }).toEqual({
      status: 125,
      stderr: expect.stringContaining('refused the report'),
    });
    expect(nothingRan()).toBe(true);
  });

  test('runs it when nothing is wrong with it', () => {
    expect(run(whole, reportSize(marking))).toMatchObject({ status: 0, stderr: '' });
    expect(existsSync(marker)).toBe(true);
    rmSync(marker, { recursive: true });
  });

  test.each([[[]], [['run']], [['run', '3']], [['check', 'x']], [['--help']]])(
    'explains its use for %j',
    (args) => {
      const { status, stderr } = spawnSync(helper, args, { encoding: 'utf8', input: '' });
      expect({ status, stderr }).toEqual({
        status: 125,
        stderr: expect.stringContaining('usage: tsrun-exec'),
      });
    },
  );
});
