/**
 * A plan as JSON for tools: `tsrun explain --json`. Fields keep their names and their types: numbers above 2^53
 * are decimal strings, since JSON has no other way to keep them exact; byte runs are base64; text that is not UTF-8
 * is `{"base64": …}`.
 */
import { type DbusRequest, describeCall } from '../kernel/dbus.ts';
import { describeMessage, type NetlinkRequest } from '../kernel/netlink.ts';
import { type FIELD_KINDS, OPS, type Op, type Plan } from '../kernel/ops.ts';

/** Raised when a reader of the old form would misunderstand the new one. */
export const PLAN_JSON_VERSION = 1;

type Json = string | number | boolean | readonly Json[] | { readonly [name: string]: Json };

export function planToJson(plan: Plan): Json {
  return {
    version: PLAN_JSON_VERSION,
    groups: plan.groups.map(({ who, title, ops }) => ({ who, title, ops: ops.map(opToJson) })),
    monitor: {
      interactive: plan.monitor.interactive,
      ...(plan.monitor.terminal === undefined ? {} : { terminal: plan.monitor.terminal }),
    },
  };
}

function opToJson(op: Op): Json {
  const fields = Object.entries(OPS[op.op].fields).flatMap(([name, kind]) => {
    const value = (op as unknown as Record<string, unknown>)[name];
    return value === undefined ? [] : [[name, fieldToJson(kind, value)] as const];
  });
  return {
    op: op.op,
    why: op.why,
    ...Object.fromEntries(fields),
    ...(op.tolerate === undefined ? {} : { tolerate: op.tolerate }),
  };
}

function fieldToJson(kind: keyof typeof FIELD_KINDS, value: unknown): Json {
  switch (kind) {
    case 'fd':
    case 'into':
    case 'at':
      return value as string;
    case 'u64':
      return numberToJson(BigInt(value as number | bigint));
    case 'str':
      return textToJson(value as string | Uint8Array);
    case 'bytes':
      return Buffer.from(value as string | Uint8Array).toString('base64');
    case 'strings':
      return value as readonly string[];
    case 'u32s':
      return value as readonly number[];
    case 'netlink':
      return (value as NetlinkRequest).map(describeMessage);
    case 'dbus':
      return (value as DbusRequest).map(describeCall);
    default:
      return kind satisfies never;
  }
}

function numberToJson(value: bigint): Json {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}

function textToJson(value: string | Uint8Array): Json {
  if (typeof value === 'string') return value;
  const text = Buffer.from(value).toString();
  return Buffer.from(text).equals(Buffer.from(value))
    ? text
    : { base64: Buffer.from(value).toString('base64') };
}
