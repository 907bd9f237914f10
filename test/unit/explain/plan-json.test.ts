import { expect, test } from 'vitest';
import { planToJson } from '../../../src/explain/plan-json.ts';
import { type DbusRequest, describeCall } from '../../../src/kernel/dbus.ts';
import { describeMessage, type NetlinkRequest } from '../../../src/kernel/netlink.ts';
import {
  type FIELD_KINDS,
  flattenPlan,
  OPS,
  type Op,
  type OpName,
  type Plan,
} from '../../../src/kernel/ops.ts';
import { SAMPLE_NAMES, samplePlan } from './sample-plan.ts';

interface OpJson {
  readonly op: OpName;
  readonly [field: string]: unknown;
}
interface PlanJson {
  readonly version: number;
  readonly groups: readonly {
    readonly who: string;
    readonly title: string;
    readonly ops: readonly OpJson[];
  }[];
}

const throughJson = (plan: Plan): PlanJson => JSON.parse(JSON.stringify(planToJson(plan)));

/** What a tool that knows the table of ops reads: every field in its own type, exactly. */
function readField(kind: keyof typeof FIELD_KINDS, value: unknown): unknown {
  if (kind === 'u64') return BigInt(value as number | string);
  if (kind === 'bytes') return Buffer.from(value as string, 'base64');
  if (kind === 'str')
    return typeof value === 'string'
      ? Buffer.from(value)
      : Buffer.from((value as { base64: string }).base64, 'base64');
  return value;
}

/** The same op with each field in the one form that all its forms can be brought into. */
function normalize(op: Op): OpJson {
  const fields = Object.entries(OPS[op.op].fields).flatMap(([name, kind]) => {
    const value = (op as unknown as Record<string, unknown>)[name];
    if (value === undefined) return [];
    if (kind === 'u64') return [[name, BigInt.asUintN(64, BigInt(value as number | bigint))]];
    if (kind === 'netlink') return [[name, (value as NetlinkRequest).map(describeMessage)]];
    if (kind === 'dbus') return [[name, (value as DbusRequest).map(describeCall)]];
    if (kind === 'str' || kind === 'bytes') return [[name, Buffer.from(value as string)]];
    return [[name, value]];
  });
  return {
    op: op.op,
    why: op.why,
    ...Object.fromEntries(fields),
    ...(op.tolerate ? { tolerate: op.tolerate } : {}),
  };
}

function read({ op, why, tolerate, ...rest }: OpJson): OpJson {
  const kinds: Readonly<Record<string, keyof typeof FIELD_KINDS>> = OPS[op].fields;
  const fields = Object.entries(rest).map(([name, value]) => [name, readField(kinds[name] ?? 'str', value)]);
  return { op, why, ...Object.fromEntries(fields), ...(tolerate ? { tolerate } : {}) };
}

test.each(SAMPLE_NAMES)('nothing of the plan %s is lost in JSON', (name) => {
  const plan = samplePlan(name);
  const ops = throughJson(plan).groups.flatMap((group) => group.ops.map(read));
  expect(ops).toEqual(flattenPlan(plan).map(({ op }) => normalize(op)));
});

test('numbers that JSON cannot hold exactly, bytes, and text that is not UTF-8 come back', () => {
  const ops: readonly Op[] = [
    { op: 'setrlimit', resource: 7, soft: 2n ** 53n - 1n, hard: 0xffffffffffffffffn, why: 'w' },
    { op: 'seccomp', flags: 0, program: Buffer.from([0, 255, 10]), why: 'w' },
    { op: 'rmdir', path: Buffer.from([0x61, 0xff]), why: 'w' },
  ];
  const [group] = throughJson({
    groups: [{ who: 'child', title: 't', ops }],
    monitor: { interactive: false },
    reporter: [],
  }).groups;
  expect(group?.ops).toEqual([
    { op: 'setrlimit', why: 'w', resource: 7, soft: 9007199254740991, hard: '18446744073709551615' },
    { op: 'seccomp', why: 'w', flags: 0, program: 'AP8K' },
    { op: 'rmdir', why: 'w', path: { base64: 'Yf8=' } },
  ]);
});

test('the document says its version', () => {
  expect(throughJson(samplePlan('default')).version).toBe(1);
});
