import { expect } from 'vitest';
import type { CapabilitySet, Process } from './support/config.ts';
import { section } from './support/section.ts';

const clause = section('config.md, Linux Process');

const NUMBERS: Readonly<Record<string, number>> = {
  CAP_CHOWN: 0,
  CAP_KILL: 5,
  CAP_NET_BIND_SERVICE: 10,
  CAP_MKNOD: 27,
};

function mask(names: readonly string[]): string {
  return names
    .reduce((bits, name) => bits | (1n << BigInt(NUMBERS[name] ?? -1)), 0n)
    .toString(16)
    .padStart(16, '0');
}

const ALL = ['CAP_CHOWN', 'CAP_KILL', 'CAP_NET_BIND_SERVICE', 'CAP_MKNOD'];
const SOME = ['CAP_KILL', 'CAP_NET_BIND_SERVICE'];

/**
 * Of another user than root, what it may do after execve is what is ambient; a root would be given all of bounding. See
 * capabilities(7), Transformation of capabilities during execve.
 */
const SETS: readonly (readonly [CapabilitySet, string, Process['capabilities'], readonly string[]])[] = [
  ['bounding', 'CapBnd', { bounding: SOME }, SOME],
  ['inheritable', 'CapInh', { bounding: ALL, permitted: ALL, inheritable: SOME }, SOME],
  ['ambient', 'CapAmb', { bounding: ALL, permitted: ALL, inheritable: ALL, ambient: SOME }, SOME],
  ['permitted', 'CapPrm', { bounding: ALL, permitted: SOME, inheritable: SOME, ambient: SOME }, SOME],
  [
    'effective',
    'CapEff',
    { bounding: ALL, permitted: SOME, effective: SOME, inheritable: SOME, ambient: SOME },
    SOME,
  ],
];

for (const [set, field, capabilities, expected] of SETS)
  clause(
    `\`${set}\` (array of strings, OPTIONAL) the \`${set}\` field is an array of ${set} capabilities that are kept for the process.`,
    async (box) => {
      const output = await box.sh(`grep ${field} /proc/self/status`, ({ process }) => {
        process.user = { uid: 1000, gid: 1000 };
        process.capabilities = capabilities;
      });
      expect(output).toBe(`${field}:\t${mask(expected)}\n`);
    },
  );

clause(
  '`capabilities` (object, OPTIONAL) is an object containing arrays that specifies the sets of capabilities for the process.',
  'root has what is in bounding, and no more',
  async (box) => {
    const output = await box.sh('grep -E "Cap(Prm|Eff|Bnd)" /proc/self/status', ({ process }) => {
      process.capabilities = { bounding: SOME, permitted: SOME, effective: SOME };
    });
    expect(
      output
        .trim()
        .split('\n')
        .map((line) => line.split('\t')[1]),
    ).toEqual([mask(SOME), mask(SOME), mask(SOME)]);
  },
);

clause(
  '`capabilities` (object, OPTIONAL) is an object containing arrays that specifies the sets of capabilities for the process.',
  'empty sets',
  async (box) => {
    const output = await box.sh('grep ^Cap /proc/self/status', ({ process }) => {
      process.capabilities = { bounding: [], permitted: [], effective: [], inheritable: [], ambient: [] };
    });
    expect(
      output
        .trim()
        .split('\n')
        .map((line) => line.split('\t')[1]),
    ).toEqual(Array(5).fill(mask([])));
  },
);

for (const name of ['CAP_NO_SUCH_THING', 'chown', ''])
  clause(
    'Any value which cannot be mapped to a relevant kernel interface, or cannot be granted otherwise MUST be logged as a warning by the runtime.',
    `${JSON.stringify(name)}: a warning, and no error`,
    async (box) => {
      const output = await box.sh('grep CapBnd /proc/self/status', ({ process }) => {
        process.capabilities = {
          bounding: [...SOME, name],
          permitted: [...SOME, name],
          effective: [...SOME, name],
        };
      });
      // "chown" may be taken for CAP_CHOWN.
      expect([mask(SOME), mask([...SOME, 'CAP_CHOWN'])]).toContain(output.trim().split('\t')[1]);
    },
  );
