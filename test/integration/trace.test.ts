/** `tsrun run --trace` says what the kernel was asked for; strace saw it too. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { type Both, compare, findProcesses, readStrace, readTrace, type Traced } from '../support/strace.ts';
import { GUARDED, OP_CALLS } from '../support/strace-ops.ts';
import { useTsrun } from '../support/tsrun.ts';
import { PROGRAM } from '../support/under-test.ts';

const tsrun = useTsrun({ images: ['busybox'] });

interface Watched {
  readonly ops: { readonly helper: readonly Traced[]; readonly child: readonly Traced[] };
  readonly calls: Both;
}

async function watch(...flags: readonly string[]): Promise<Watched> {
  const file = join(tsrun.scratch, 'strace');
  const args = ['-f', '-y', '-v', '-s', '4096', '-o', file, PROGRAM, 'run', '--rm', '--trace', ...flags];
  const { stderr } = await promisify(execFile)('strace', args, {
    env: { ...process.env, ...tsrun.env },
    maxBuffer: 64 << 20,
  });
  const trace = readTrace(stderr);
  return {
    ops: {
      helper: trace.filter(({ who }) => who !== 'child'),
      child: trace.filter(({ who }) => who === 'child'),
    },
    calls: findProcesses(readStrace(readFileSync(file, 'utf8'))),
  };
}

function complaints({ ops, calls }: Watched): readonly string[] {
  return [...compare(ops.helper, calls.helper), ...compare(ops.child, calls.child)];
}

const KINDS: Readonly<Record<string, readonly string[]>> = {
  'a container with the defaults': ['busybox', 'true'],
  'a container whose program is found late in PATH': ['-e', 'PATH=/none:/bin', 'busybox', 'true'],
  'a confined container of an ordinary user': [
    ...['-u', '1000:1000', '--read-only', '--tmpfs', '/scratch', '-w', '/made/for/it', '--cap-drop', 'ALL'],
    ...['--security-opt', 'no-new-privileges', '--hostname', 'held', 'busybox', 'true'],
  ],
  'a privileged container on the network of the host': [
    '--privileged',
    '--network',
    'host',
    'busybox',
    'true',
  ],
  'a container with a terminal': ['-t', 'busybox', 'true'],
};

describe('what --trace says and what strace sees agree', () => {
  test.each(Object.entries(KINDS))('for %s', async (_name, flags) => {
    const watched = await watch(...flags);
    expect(watched.ops.child.at(-1)?.name).toBe('execve');
    expect(complaints(watched)).toEqual([]);
  });

  test('for a container with a directory of the host, which is not written to', async () => {
    const data = join(tsrun.scratch, 'data');
    mkdirSync(data);
    const watched = await watch('-v', `${data}:/data:ro`, 'busybox', 'true');
    expect(watched.ops.child.filter(({ name }) => name === 'mount_setattr').length).toBeGreaterThan(0);
    expect(complaints(watched)).toEqual([]);
  });
});

describe('the comparison notices', () => {
  test('every op that is taken out of the trace or said twice, and a call that no op has', async () => {
    const watched = await watch('busybox', 'true');
    for (const who of ['helper', 'child'] as const) {
      const ops = watched.ops[who];
      const calls = watched.calls[who];
      expect(compare(ops, calls)).toEqual([]);
      // The first call of an op must be guarded for its absence to show; a step that repeats takes a second op's calls too.
      const guarded = ops.flatMap((op, i) => {
        const [first] = OP_CALLS[op.name];
        return first?.calls.every((call) => GUARDED.has(call)) && first.times === 'once' ? [i] : [];
      });
      expect(guarded.length).toBeGreaterThan(who === 'child' ? 100 : 4);
      for (const i of guarded) {
        expect(compare(ops.toSpliced(i, 1), calls), `without ${ops[i]?.text}`).not.toEqual([]);
        expect(compare(ops.toSpliced(i, 0, ops[i] as Traced), calls), `twice ${ops[i]?.text}`).not.toEqual(
          [],
        );
      }
      for (const name of ['mount', 'setns', 'setresuid', 'capset'])
        for (const place of [0, Math.floor(calls.length / 2), calls.length])
          expect(compare(ops, calls.toSpliced(place, 0, { name, text: '(…) = 0' })), name).not.toEqual([]);
    }
  });

  test('another argument than the trace says', async () => {
    const { ops, calls } = await watch('busybox', 'true');
    const changed = calls.child.map((call) => ({ ...call, text: call.text.replace('"65536k"', '"1k"') }));
    expect(compare(ops.child, changed)).toEqual([expect.stringContaining('"65536k"')]);
  });
});
