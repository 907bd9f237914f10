import { expect, test } from 'vitest';
import { checkKernel } from '../../../src/runtime/host-facts.ts';

test.each(['5.12', '5.12.0', '5.15.0-91-generic', '6.1.0-9-amd64', '6.18.5+', '10.0'])(
  'Linux %s is new enough',
  (version) => {
    expect(() => checkKernel(version)).not.toThrow();
  },
);

test.each(['5.11.22', '5.4.0-150-generic', '4.19.0', '3.10.0-1160.el7', 'unknown', ''])(
  'Linux %s is refused',
  (version) => {
    expect(() => checkKernel(version)).toThrow(
      expect.objectContaining({ code: 'KERNEL_TOO_OLD', hint: 'tsrun needs Linux 5.12 or later' }),
    );
  },
);
