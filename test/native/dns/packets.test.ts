/** The DNS server's reading and writing of messages, in a build with AddressSanitizer and UBSan, against broken ones. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { random } from '../../support/random.ts';

const NATIVE = join(import.meta.dirname, '../../../native');
const SANITIZE = [
  '-O1',
  '-g',
  '-fsanitize=address,undefined',
  '-fno-sanitize-recover=all',
  '-static-libasan',
];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsrun-dns-'));
  const sources = [join(import.meta.dirname, 'packets.c'), join(NATIVE, 'exec/dns-packet.c')];
  execFileSync('cc', [
    '-std=c11',
    '-Wall',
    ...SANITIZE,
    '-I',
    NATIVE,
    '-o',
    join(folder, 'packets'),
    ...sources,
  ]);
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true }));

/** What was made of each message; fails when the parser crashes. */
function verdicts(messages: readonly Buffer[]): readonly string[] {
  const length = (message: Buffer) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(message.length);
    return bytes;
  };
  const input = Buffer.concat(messages.flatMap((message) => [length(message), message]));
  const { status, signal, stdout, stderr } = spawnSync(join(folder, 'packets'), {
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const lines = stdout.split('\n').slice(0, -1);
  if (status !== 0)
    throw new Error(`message ${lines.length}: ${signal ?? status} ${lines.at(-1)}\n${stderr}`);
  expect(lines.length).toBe(messages.length);
  return lines;
}

const u16 = (...values: readonly number[]) =>
  Buffer.from(values.flatMap((value) => [value >> 8, value & 0xff]));
const name = (text: string) =>
  Buffer.concat([
    ...text
      .split('.')
      .filter(Boolean)
      .map((label) => Buffer.from([label.length, ...Buffer.from(label, 'latin1')])),
    Buffer.from([0]),
  ]);
interface Counts {
  readonly flags?: number;
  readonly questions?: number;
  readonly answers?: number;
  readonly additional?: number;
}
const header = ({ flags = 0x0100, questions = 1, answers = 0, additional = 0 }: Counts) =>
  u16(0x1234, flags, questions, answers, 0, additional);
const query = (encoded: Buffer, counts: Counts = {}, ...rest: readonly Buffer[]) =>
  Buffer.concat([header(counts), encoded, u16(1, 1), ...rest]);
const opt = (size: number, { owner = 0, version = 0 } = {}) =>
  Buffer.concat([Buffer.from([owner]), u16(41, size), Buffer.from([0, version, 0, 0]), u16(0)]);
const record = (data: Buffer, length = data.length) =>
  Buffer.concat([u16(0xc00c, 1, 1, 0, 60, length), data]);
const pointer = (to: number) => u16(0xc000 | to);

const WHOLE = query(name('Web.Front'), { additional: 1 }, opt(4096));
const ANSWER = query(
  name('WEB.example'),
  { flags: 0x8180, answers: 2 },
  record(Buffer.from([10, 0, 0, 1])),
  record(Buffer.alloc(4)),
);

describe('a question', () => {
  test('is read', () => {
    expect(verdicts([WHOLE, query(name('a'.repeat(63))), query(name(''))])).toEqual([
      '1 1 4096 web.front',
      `1 1 512 ${'a'.repeat(63)}`,
      '1 1 512 ',
    ]);
  });

  test('may ask for the longest name there is, and for none longer', () => {
    const labels = (...lengths: readonly number[]) =>
      query(name(lengths.map((n) => 'x'.repeat(n)).join('.')));
    expect(verdicts([labels(63, 63, 63, 61), labels(63, 63, 63, 62)]).map((line) => line.length)).toEqual([
      '1 1 512 '.length + 253,
      'code 1'.length,
    ]);
  });

  test('of a name that text cannot hold has no text', () => {
    expect(
      verdicts([query(name('a b')), query(Buffer.from('\u0003a.b\0', 'latin1')), query(name('gr\u00fcn'))]),
    ).toEqual(Array(3).fill('1 1 512 '));
  });

  test.each<[string, Buffer, string]>([
    ['that is shorter than a header', WHOLE.subarray(0, 11), 'none'],
    ['that is an answer', query(name('web'), { flags: 0x8180 }), 'none'],
    ['that wants a zone changed', query(name('web'), { flags: 0x2800 }), 'code 4'],
    ['that is none', query(name('web'), { questions: 0 }), 'code 1'],
    ['that is two', query(name('web'), { questions: 2 }), 'code 1'],
    ['with a pointer to itself', query(pointer(12)), 'code 1'],
    ['with a pointer forwards', query(pointer(40)), 'code 1'],
    ['with a pointer into the header', query(pointer(4)), 'code 1'],
    [
      'with labels that point back at themselves',
      query(Buffer.concat([Buffer.from('\u0001a'), pointer(12)])),
      'code 1',
    ],
    ['with half a pointer', Buffer.concat([header({}), Buffer.from([0xc0])]), 'code 1'],
    ['with a label of 64 bytes', query(Buffer.from([64, ...Buffer.alloc(64, 'a'), 0])), 'code 1'],
    ['with a label behind its end', Buffer.concat([header({}), Buffer.from([5, 97])]), 'code 1'],
    ['without a type', Buffer.concat([header({}), name('web'), u16(1)]), 'code 1'],
    ['that promises a record', query(name('web'), { additional: 1 }), 'code 1'],
    ['with two OPT records', query(name('web'), { additional: 2 }, opt(512), opt(512)), 'code 1'],
    [
      'with an OPT record that has a name',
      query(name('web'), { additional: 1 }, Buffer.from('\u0001a'), opt(512)),
      'code 1',
    ],
    ['of a later EDNS', query(name('web'), { additional: 1 }, opt(512, { version: 1 })), 'code 16'],
    [
      'with a record longer than the message',
      query(name('web'), { additional: 1 }, record(Buffer.alloc(2), 3)),
      'code 1',
    ],
  ])('%s', (_, message, verdict) => {
    expect(verdicts([message])).toEqual([verdict]);
  });

  test('of a smaller size than 512 bytes gets 512', () => {
    expect(verdicts([query(name('web'), { additional: 1 }, opt(100))])).toEqual(['1 1 512 web']);
  });
});

describe("a resolver's answer", () => {
  test('is known by its number and its question', () => {
    expect(verdicts([ANSWER])).toEqual(['answer']);
    const other = Buffer.from(ANSWER);
    other[1] = 0x35;
    const otherName = Buffer.from(ANSWER);
    otherName[13] = 0x78;
    expect(verdicts([other, otherName])).toEqual(['none', 'none']);
  });

  test('is refused when it is cut anywhere, unless it says so', () => {
    const cuts = Array.from({ length: ANSWER.length - 12 }, (_, i) => ANSWER.subarray(0, 12 + i));
    expect(new Set(verdicts(cuts))).toEqual(new Set(['none']));
    const said = query(name('web.example'), { flags: 0x8380, answers: 2 }, record(Buffer.alloc(1), 4));
    expect(verdicts([said])).toEqual(['answer']);
  });
});

test('200,000 damaged messages are neither a crash nor the cause of a broken answer', () => {
  const r = random(23);
  const samples = [
    WHOLE,
    ANSWER,
    query(name('5.0.18.172.in-addr.arpa')),
    query(name(`${'1.0.'.repeat(16)}ip6.arpa`)),
  ];
  const damaged = Array.from({ length: 200_000 }, () => {
    const message = Buffer.from(r.pick(samples));
    for (let n = r.int(6); n >= 0; n--)
      message[r.int(message.length)] = r.pick([0, 1, 12, 63, 64, 0xc0, 0xff, r.int(256)]);
    return r.int(3) === 0 ? message.subarray(0, r.int(message.length + 1)) : message;
  });
  expect(new Set(verdicts(damaged).map((line) => line.split(' ')[0])).size).toBeGreaterThan(10);
}, 60_000);
