/** The native side of D-Bus against a real bus, and against one that says what no bus should. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const CLIENT = join(import.meta.dirname, '../support/run-systemd-job.ts');
const directory = mkdtempSync(join(tmpdir(), 'tsrun-bus-'));
const socket = join(directory, 'fake');

/** What the fake bus says: first to AUTH, then to the calls, in one piece. */
let greeting = '';
let answers: readonly Buffer[] = [];
let heard = '';

const server = createServer((connection: Socket) => {
  let authenticated = false;
  connection.on('error', () => undefined); // the client hangs up where it likes
  connection.on('data', (data) => {
    heard += data.toString('latin1');
    if (!authenticated && heard.includes('\r\n')) {
      authenticated = true;
      connection.write(greeting);
    } else if (authenticated && heard.includes('StopUnit')) connection.end(Buffer.concat(answers));
  });
});

beforeAll(async () => {
  server.listen(socket);
  await once(server, 'listening');
});

afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

async function ask(path: string): Promise<string> {
  const args = ['--disable-warning=ExperimentalWarning', CLIENT, path];
  return (await promisify(execFile)(process.execPath, args)).stdout;
}

async function hears(...messages: readonly Buffer[]): Promise<string> {
  greeting = 'OK 0123456789abcdef\r\n';
  answers = messages;
  heard = '';
  return await ask(socket);
}

/** Text as D-Bus has it: length, bytes, NUL. */
const text = (value: string) => {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(Buffer.byteLength(value));
  return Buffer.concat([length, Buffer.from(`${value}\0`)]);
};
const padded = (bytes: Buffer, size: number) =>
  Buffer.concat([bytes, Buffer.alloc(-bytes.length & (size - 1))]);
const number = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
const texts = (...values: string[]) => Buffer.concat(values.map((value) => padded(text(value), 4)));

const METHOD_RETURN = 2;
const ERROR = 3;
const SIGNAL = 4;
const LAST_CALL = 3;

interface Fields {
  readonly member?: string;
  readonly error?: string;
  readonly replyTo?: number;
  readonly sender?: string;
  readonly signature: string;
}

function message(type: number, { member, error, replyTo, sender, signature }: Fields, body: Buffer): Buffer {
  const field = (code: number, kind: string, value: Buffer) =>
    Buffer.concat([Buffer.from([code, 1, kind.charCodeAt(0), 0]), value]);
  const fields = [
    ...(member === undefined ? [] : [field(3, 's', text(member))]),
    ...(error === undefined ? [] : [field(4, 's', text(error))]),
    ...(replyTo === undefined ? [] : [field(5, 'u', number(replyTo))]),
    ...(sender === undefined ? [] : [field(7, 's', text(sender))]),
    field(8, 'g', Buffer.concat([Buffer.from([signature.length]), Buffer.from(`${signature}\0`)])),
  ];
  const last = fields.pop() ?? Buffer.alloc(0);
  const list = Buffer.concat([...fields.map((one) => padded(one, 8)), last]);
  const head = Buffer.concat([
    Buffer.from([0x6c, type, 0, 1]),
    number(body.length),
    number(9),
    number(list.length),
    list,
  ]);
  return Buffer.concat([padded(head, 8), body]);
}

const JOB = '/org/freedesktop/systemd1/job/7';
const begun = message(METHOD_RETURN, { replyTo: LAST_CALL, sender: ':1.0', signature: 'o' }, text(JOB));
const ended = (result: string, { sender = ':1.0', job = JOB } = {}) =>
  message(
    SIGNAL,
    { member: 'JobRemoved', sender, signature: 'uoss' },
    Buffer.concat([number(7), texts(job, 'x.scope', result)]),
  );
const refused = (error: string, words: string) =>
  message(ERROR, { error, replyTo: LAST_CALL, sender: ':1.0', signature: 's' }, text(words));

test('a job that is done', async () => {
  const named = message(
    SIGNAL,
    { member: 'NameAcquired', sender: 'org.freedesktop.DBus', signature: 's' },
    text(':1.5'),
  );
  expect(await hears(named, begun, ended('done'))).toBe('done');
  expect(heard).toContain(`AUTH EXTERNAL ${Buffer.from(`${process.geteuid?.()}`).toString('hex')}\r\n`);
  expect(heard).toContain("member='JobRemoved',arg2='x.scope'");
});

test('the end of another job, and what another client says of ours, count for nothing', async () => {
  const others = [ended('failed', { job: `${JOB}8` }), ended('failed', { sender: ':1.66' })];
  expect(await hears(begun, ...others, ended('done'))).toBe('done');
});

test('a job that fails', async () => {
  expect(await hears(begun, ended('timeout'))).toBe('Cannot stop it: the job ended as timeout');
});

test('what systemd refuses is said in its words; a unit that is not there is stopped', async () => {
  const denied = refused('org.freedesktop.DBus.Error.AccessDenied', 'Not you');
  expect(await hears(denied)).toBe('Cannot stop it: Not you');
  expect(await hears(refused('a.b.C', ''))).toBe('Cannot stop it: a.b.C');
  expect(await hears(refused('org.freedesktop.systemd1.NoSuchUnit', 'Unit x.scope not loaded.'))).toBe(
    'done',
  );
});

test('a bus that does not let us in', async () => {
  greeting = 'REJECTED EXTERNAL\r\n';
  heard = '';
  expect(await ask(socket)).toBe('Cannot stop it: REJECTED EXTERNAL');
});

const wrong = (change: (bytes: Buffer) => void) => {
  const bytes = Buffer.from(begun);
  change(bytes);
  return bytes;
};

test.each<[string, Buffer]>([
  ['another byte order', wrong((bytes) => bytes.write('B'))],
  ['another version', wrong((bytes) => bytes.writeUInt8(2, 3))],
  ['a length beyond all bounds', wrong((bytes) => bytes.writeUInt32LE(0xffffffff, 4))],
  ['more than an answer can be', wrong((bytes) => bytes.writeUInt32LE(100_000, 4))],
  ['fields beyond the message', wrong((bytes) => bytes.writeUInt32LE(0xfffffff0, 12))],
  ['fields that end in the middle of one', wrong((bytes) => bytes.writeUInt32LE(21, 12))],
  ['a type of a field that is unknown', wrong((bytes) => bytes.write('x', 18))],
  [
    'text beyond the message',
    wrong((bytes) => bytes.writeUInt32LE(0x7fffffff, bytes.length - JOB.length - 5)),
  ],
  ['text without an end', wrong((bytes) => bytes.writeUInt8(65, bytes.length - 1))],
  ['no path of a job', message(METHOD_RETURN, { replyTo: LAST_CALL, signature: 'u' }, number(1))],
])('an answer with %s', async (_, bytes) => {
  expect(await hears(bytes)).toMatch(/^Cannot stop it: D-Bus at .*: EPROTO$/);
});

test('a bus that hangs up', async () => {
  expect(await hears(begun)).toMatch(/: ECONNRESET$/);
  expect(await hears(begun.subarray(0, 20))).toMatch(/: ECONNRESET$/);
});

test('no bus at all', async () => {
  expect(await ask(join(directory, 'none'))).toMatch(/: ENOENT$/);
});

test('a real bus takes our messages, and says that systemd is not there', async () => {
  const path = join(directory, 'bus');
  const config = join(directory, 'bus.conf');
  writeFileSync(
    config,
    `<busconfig><type>x</type><listen>unix:path=${path}</listen><auth>EXTERNAL</auth><policy context="default">
    <allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>`,
  );
  const args = [`--config-file=${config}`, '--nofork', '--nopidfile', '--print-address'];
  const bus = spawn('dbus-daemon', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    await once(bus.stdout, 'data');
    expect(await ask(path)).toBe(
      'Cannot stop it: The name org.freedesktop.systemd1 was not provided by any .service files',
    );
  } finally {
    bus.kill();
    await once(bus, 'exit');
  }
});
