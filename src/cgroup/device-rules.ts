/** Which devices a container may use: everything is denied but what a rule allows. config-linux.md, Allowed Device list. */
import { TsrunError } from '../lib/errors.ts';
import type { DeviceRule } from '../spec/runtime.ts';

const DENY_ALL: DeviceRule = { allow: false, access: 'rwm' };

/** What every container has: it makes these nodes itself. A node for any device may be made, so that archives can be unpacked; opening it is another matter. */
const ALWAYS: readonly DeviceRule[] = [
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...(
    [
      [1, 3], // null
      [1, 5], // zero
      [1, 7], // full
      [1, 8], // random
      [1, 9], // urandom
      [5, 0], // tty
      [5, 1], // console
      [5, 2], // ptmx
    ] as const
  ).map(([major, minor]): DeviceRule => ({ allow: true, type: 'c', major, minor, access: 'rwm' })),
  { allow: true, type: 'c', major: 136, access: 'rwm' }, // the terminals of devpts
];

/** All rules of a container in their order; none when it may use every device. */
export function deviceRules(asked: readonly DeviceRule[] = []): readonly DeviceRule[] {
  for (const rule of asked) checkRule(rule);
  const rules = [DENY_ALL, ...asked, ...ALWAYS];
  const last = rules.findLastIndex(speaksOfAll);
  return rules[last]?.allow && rules.slice(last).every((rule) => rule.allow) ? [] : rules.slice(last);
}

/** The letters that mean something. */
export function accessOf({ access }: DeviceRule): string {
  return access === undefined || access === '' ? 'rwm' : access.replaceAll(/[^rwm]/g, '');
}

function speaksOfAll(rule: DeviceRule): boolean {
  const { type = 'a', major = -1, minor = -1 } = rule;
  return type === 'a' && major < 0 && minor < 0 && new Set(accessOf(rule)).size === 3;
}

function checkRule(rule: DeviceRule): void {
  const { type = 'a', major = -1, minor = -1 } = rule;
  const number = (n: number) => Number.isInteger(n) && n >= -1 && n < 2 ** 32;
  if (/^[abc]$/.test(type) && number(major) && number(minor) && accessOf(rule) !== '') return;
  throw new TsrunError('BAD_DEVICE_RULE', `Cannot use the device rule ${JSON.stringify(rule)}`, {
    hint: 'a type is a, b or c, an access some of r, w and m, a number is not negative',
  });
}
