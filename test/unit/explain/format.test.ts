import { describe, expect, test } from 'vitest';
import { formatPlan } from '../../../src/explain/format-plan.ts';
import { formatTrace } from '../../../src/explain/format-trace.ts';
import { shortCall } from '../../../src/explain/short-call.ts';
import { wrap } from '../../../src/explain/wrap.ts';
import { flattenPlan, type Op, type OpGroup } from '../../../src/kernel/ops.ts';
import type { OpOutcome, TraceEntry } from '../../../src/kernel/report.ts';
import { SAMPLE_NAMES, samplePlan } from './sample-plan.ts';

const plan = samplePlan('default');

describe('a plan as text', () => {
  test.each([60, 80, 100])('fits into %i columns, whatever its paths', (width) => {
    for (const name of SAMPLE_NAMES) {
      const text = formatPlan(samplePlan(name), ['run', 'busybox'], { width, colour: false });
      for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(width);
    }
  });

  test('numbers every op once, in the order of reading', () => {
    const text = formatPlan(plan, ['run'], { width: 80, colour: false });
    const numbers = [...text.matchAll(/^ {0,3}(\d+) {2}\w+\(/gm)].map(([, n]) => Number(n));
    expect(numbers).toEqual(flattenPlan(plan).map((_, i) => i + 1));
  });

  test('goes from the host through the child to exec and to the end', () => {
    const text = formatPlan(plan, ['run'], { width: 80, colour: false });
    const titles = [...text.matchAll(/^[A-Z ]{7,}$/gm)].map(([title]) => title);
    expect(titles).toEqual(
      ['BEFORE THE CLONE', 'IN THE CHILD', 'AT EXEC', 'AFTERWARDS', 'ONLY IF THE START FAILS'].slice(
        0,
        titles.length,
      ),
    );
    expect(text.indexOf('clone3(')).toBeLessThan(text.indexOf('IN THE CHILD'));
    expect(text.indexOf('execve(')).toBeGreaterThan(text.indexOf('AT EXEC'));
  });

  test('has colour only when asked for', () => {
    expect(formatPlan(plan, ['run'], { width: 80, colour: false })).not.toContain('\u001b');
    expect(formatPlan(plan, ['run'], { width: 80, colour: true })).toContain('\u001b[1m');
  });

  test('shows control characters of users and images, and does not send them', () => {
    const evil = samplePlan('default', ({ spec, ...input }) => ({
      ...input,
      spec: {
        ...spec,
        process: { ...spec.process, args: ['sh', '\u001b]0;title\u0007'], env: ['A=\u001b[2J'] },
      },
    }));
    const text = formatPlan(evil, ['run', '\u001b[2J'], { width: 80, colour: false });
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });
});

describe('a call on one line', () => {
  test('keeps both ends of a long path', () => {
    const op: Op = { op: 'rmdir', path: `/beginning/${'x'.repeat(200)}/end`, why: '' };
    expect(shortCall(op, 60)).toMatch(/^rmdir\(path="\/beginn.*…x*\/end"\)$/);
  });

  test('says a common prefix of flags once when that makes it fit', () => {
    const op: Op = { op: 'fsmount', into: 'proc', fs: 'fs', attributes: 0xe, why: '' };
    expect(shortCall(op, 80)).toBe('fsmount(fs=fs, attributes=MOUNT_ATTR_NOSUID|NODEV|NOEXEC) → proc');
  });

  test('counts what a long list leaves out', () => {
    const op: Op = {
      op: 'execve',
      args: ['sh'],
      env: Array.from({ length: 50 }, (_, i) => `NAME${i}=value`),
      why: '',
    };
    expect(shortCall(op, 80)).toMatch(/^execve\(args=\["sh"\], env=\["NAME0=value".*"… \d+ more"\]\)$/);
  });
});

test('words longer than a line are broken, and nothing is lost', () => {
  const text = `see ${'/path'.repeat(20)} there`;
  expect(wrap(text, 30).every((line) => line.length <= 30)).toBe(true);
  expect(wrap(text, 30).join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
});

describe('a trace', () => {
  const group = (who: OpGroup['who'], title: string): OpGroup => ({ who, title, ops: [] });
  const entry = (
    index: number,
    startUs: number,
    op: Op,
    g: OpGroup,
    outcome: OpOutcome = 'done',
    result = 0,
  ): TraceEntry => ({
    index,
    op,
    group: g,
    outcome,
    startNs: 5_000_000_000_000n + BigInt(startUs) * 1000n,
    durationNs: 2_000n,
    result,
  });
  const host = group('host', 'The host waits');
  const child = group('child', 'The child works');
  const umask: Op = { op: 'umask', mask: 0, why: '' };
  const execve: Op = { op: 'execve', args: ['true'], env: [], why: '' };
  const link: Op = { op: 'symlink', target: 'a', path: 'b', why: '' };

  test('shows ops in the order they were started, under a title when it changes', () => {
    const text = formatTrace([
      entry(0, 0, umask, host),
      entry(1, 30, umask, host),
      entry(2, 10, link, child, 'tolerated', -17),
    ]);
    expect(text).toBe(`      at    took  who      result         operation

The host waits
   0.000   0.002  host     was 00         umask(mask=0)

The child works
   0.010   0.002  child    EEXIST, fine   symlink(target="a", path="b")

The host waits
   0.030   0.002  host     was 00         umask(mask=0)

3 operations; the program did not start.
`);
  });

  test('ends with the time to exec, and the time the program ran', () => {
    const text = formatTrace([
      entry(0, 0, umask, child),
      entry(1, 1500, execve, child),
      entry(2, 4000, umask, group('cleanup', 'The end')),
    ]);
    expect(text).toContain('   1.500          child                   execve(args=["true"], env=[])\n');
    expect(text).toMatch(
      /3 operations; 1\.500 ms from the first one to exec; the program ran for 2\.500 ms\.\n$/,
    );
  });

  test('names the errno of the op that failed', () => {
    expect(formatTrace([entry(0, 0, execve, child, 'failed', -2)])).toContain('ENOENT!');
  });

  test('says so when nothing ran', () => {
    expect(formatTrace([entry(0, 0, umask, host, 'not reached')])).toBe('No kernel operation ran.\n');
  });
});
