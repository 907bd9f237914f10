/**
 * Plans as text, one op a line, in the order they are encoded. A change of what tsrun asks of the kernel shows in
 * review as a change of these files; UPDATE_GOLDEN=1 writes them.
 */
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { describeOp } from '../../src/kernel/describe.ts';
import { encodePlan } from '../../src/kernel/encode.ts';
import { flattenPlan, type Plan } from '../../src/kernel/ops.ts';
import { planContainer } from '../../src/runtime/plan.ts';
import { expectGolden } from '../support/golden.ts';
import { HOST, HYBRID_HOST, SAMPLES } from '../support/sample-plans.ts';

const ON_HYBRID_HOST = ['hybrid-host', 'limits-v1', 'v1-cgroups-of-a-bundle'];
const hostOf = (name: string) => (ON_HYBRID_HOST.includes(name) ? HYBRID_HOST : HOST);
const planOf = (name: string) => {
  const input = SAMPLES[name];
  if (input === undefined) throw new Error(`no sample ${name}`);
  return planContainer(input, hostOf(name));
};

function printed({ groups, monitor, reporter }: Plan): string {
  const lines = groups.flatMap(({ who, title, ops }) => [
    '',
    `${who}: ${title}`,
    ...ops.map(
      (op) => `  ${describeOp(op)}${op.tolerate === undefined ? '' : ` or ${op.tolerate.join(', ')}`}`,
    ),
  ]);
  return [
    `terminal: ${monitor.terminal ?? 'none'}, ${monitor.interactive ? '' : 'not '}interactive`,
    `reporter: ${reporter.join(' ')}`,
    ...lines,
    '',
  ].join('\n');
}

describe('the plan of', () => {
  test.each(Object.keys(SAMPLES))('%s', (name) => {
    expectGolden(`plan-${name}.txt`, printed(planOf(name)));
  });
});

test('no golden file is left of a sample that is gone', () => {
  const files = readdirSync(import.meta.dirname).filter((file) => file.startsWith('plan-'));
  expect(files.sort()).toEqual(
    Object.keys(SAMPLES)
      .map((name) => `plan-${name}.txt`)
      .sort(),
  );
});

describe('in every plan', () => {
  const plans = Object.keys(SAMPLES).map((name) => [name, planOf(name)] as const);
  const childOps = (plan: Plan) =>
    flattenPlan(plan).flatMap(({ op, group }) => (group.who === 'child' ? [op] : []));

  test.each(plans)('%s: each op has a reason, a sentence for a reader', (_, plan) => {
    for (const { op } of flattenPlan(plan))
      expect(op.why, describeOp(op)).toMatch(/^[A-Za-z/'"].{10,}[.)]$/s);
  });

  test.each(plans)('%s: the last op of the child is execve, after every descriptor is closed', (_, plan) => {
    const names = childOps(plan).map((op) => op.op);
    expect(names.at(-1)).toBe('execve');
    expect(names.indexOf('close_from')).toBeGreaterThan(names.indexOf('pivot_root'));
    expect(names.slice(names.indexOf('close_from') + 1)).toEqual(
      expect.not.arrayContaining(['open', 'fsopen', 'open_tree', 'receive_fd']),
    );
  });

  test.each(plans)('%s: propagation is cut before the first mount', (_, plan) => {
    const names = childOps(plan).map((op) => op.op);
    const first = names.findIndex((name) => ['mount', 'move_mount', 'fsmount'].includes(name));
    expect(names[first]).toBe('mount');
    expect(childOps(plan)[first]).toMatchObject({ target: '/' });
  });

  test.each(plans)(
    '%s: the bounding set is dropped before the user changes, capabilities after',
    (_, plan) => {
      const names = childOps(plan).map((op) => op.op);
      const [bounding, user, capset] = [
        names.lastIndexOf('drop_bounding'),
        names.lastIndexOf('setresuid'),
        names.lastIndexOf('capset'),
      ];
      expect(bounding).toBeLessThan(user);
      expect(user).toBeLessThan(capset);
    },
  );

  test.each(plans)('%s: it fits into what the executor takes', (_, plan) => {
    expect(encodePlan(plan).length).toBeLessThan(64 * 1024);
  });
});
