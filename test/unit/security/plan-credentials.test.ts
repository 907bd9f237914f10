import { expect, test } from 'vitest';
import { capabilityMask } from '../../../src/security/capabilities.ts';
import { planCredentials } from '../../../src/security/plan-credentials.ts';

// runc's `spec` asks for ambient capabilities that are not inheritable; capabilities(7): the kernel answers EPERM.
test('of the ambient capabilities only those that are permitted and inheritable are raised', () => {
  const capabilities = {
    permitted: ['CAP_KILL', 'CAP_CHOWN'],
    inheritable: ['CAP_KILL', 'CAP_SYSLOG'],
    ambient: ['CAP_KILL', 'CAP_CHOWN', 'CAP_SYSLOG'],
  };
  const process = {
    terminal: false,
    cwd: '/',
    args: ['true'],
    env: [],
    user: { uid: 1, gid: 1 },
    capabilities,
  };
  const ops = planCredentials(process, (1n << 41n) - 1n);
  expect(ops.find(({ op }) => op === 'ambient')).toMatchObject({ mask: capabilityMask(['CAP_KILL']) });
});
