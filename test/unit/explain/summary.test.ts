import { expect, test } from 'vitest';
import { summarize } from '../../../src/explain/summary.ts';
import { planContainer } from '../../../src/runtime/plan.ts';
import { HOST, SAMPLES } from '../../support/sample-plans.ts';

test.each([
  ['no-network', 'a loopback only'],
  ['host-network', 'that of the host'],
  ['network-of-another', 'that of other processes'],
  ['default', '172.17.0.2, fd12:3456:789a::2, out through 172.17.0.1, fd12:3456:789a::1'],
])('whose network a container has: %s', (name, text) => {
  const input = SAMPLES[name];
  if (input === undefined) throw new Error(`no sample ${name}`);
  expect(Object.fromEntries(summarize(planContainer(input, HOST)))).toMatchObject({ network: text });
});
