/** A tar writer without any rule: tests say byte by byte what an archive holds, hostile ones included. */

export interface RawEntry {
  readonly name: string | Buffer;
  /** Type flag; a file when not given. */
  readonly type?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly link?: string | Buffer;
  readonly data?: string | Buffer;
  /** What the header says, when it is not the length of the data. */
  readonly size?: number;
  readonly major?: number;
  readonly minor?: number;
  /** Records of a PAX header in front. */
  readonly pax?: Readonly<Record<string, string | Buffer>>;
  /** Bytes that replace header fields, by offset; the checksum is made afterwards. */
  readonly patch?: Readonly<Record<number, string | Buffer>>;
  readonly badChecksum?: boolean;
}

export const dir = (name: string, more: Partial<RawEntry> = {}): RawEntry => ({ name, type: '5', ...more });
export const file = (name: string | Buffer, data = 'data', more: Partial<RawEntry> = {}): RawEntry => ({
  name,
  data,
  ...more,
});
export const symlink = (name: string, link: string): RawEntry => ({ name, type: '2', link });
export const hardlink = (name: string, link: string): RawEntry => ({ name, type: '1', link });
export const whiteout = (name: string): RawEntry => ({ name });

const BLOCK = 512;

/** A whole archive with its two closing blocks. */
export function rawTar(entries: readonly RawEntry[]): Buffer {
  return Buffer.concat([...entries.map(rawEntry), Buffer.alloc(2 * BLOCK)]);
}

export function rawEntry(entry: RawEntry): Buffer {
  const data = Buffer.from(entry.data ?? '');
  return Buffer.concat([
    entry.pax ? paxHeader(entry.pax) : Buffer.alloc(0),
    header(entry, data.length),
    padded(data),
  ]);
}

export function paxHeader(records: Readonly<Record<string, string | Buffer>>, type = 'x'): Buffer {
  const data = Buffer.concat(Object.entries(records).map(([key, value]) => paxRecord(key, value)));
  return Buffer.concat([header({ name: 'pax', type }, data.length), padded(data)]);
}

/** The length counts its own digits. */
export function paxRecord(key: string, value: string | Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
  let length = body.length + 1;
  while (String(length).length + body.length !== length) length = String(length).length + body.length;
  return Buffer.concat([Buffer.from(String(length)), body]);
}

/** GNU's long name (`L`) or long link (`K`) in front of an entry. */
export function gnuLong(type: 'L' | 'K', text: string): Buffer {
  const data = Buffer.from(`${text}\0`);
  return Buffer.concat([header({ name: '././@LongLink', type }, data.length), padded(data)]);
}

/** A base-256 field of 12 bytes. */
export function base256(value: bigint, length = 12): Buffer {
  const bytes = Buffer.alloc(length);
  let rest = BigInt.asUintN(length * 8, value);
  for (let i = length - 1; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  bytes[0] = (bytes[0] as number) | 0x80;
  return bytes;
}

function header(entry: RawEntry, dataLength: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  Buffer.from(entry.name).copy(block, 0, 0, 100);
  octal(block, 100, 8, entry.mode ?? (entry.type === '5' ? 0o755 : 0o644));
  octal(block, 108, 8, entry.uid ?? 0);
  octal(block, 116, 8, entry.gid ?? 0);
  octal(block, 124, 12, entry.size ?? dataLength);
  octal(block, 136, 12, entry.mtime ?? 1_700_000_000);
  block.write(entry.type ?? '0', 156, 'latin1');
  if (entry.link !== undefined) Buffer.from(entry.link).copy(block, 157, 0, 100);
  block.write('ustar\x0000', 257, 'latin1');
  octal(block, 329, 8, entry.major ?? 0);
  octal(block, 337, 8, entry.minor ?? 0);
  for (const [at, bytes] of Object.entries(entry.patch ?? {})) Buffer.from(bytes).copy(block, Number(at));
  block.fill(' ', 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${(entry.badChecksum ? sum + 1 : sum).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function octal(block: Buffer, at: number, length: number, value: number): void {
  block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
}

function padded(data: Buffer): Buffer {
  return Buffer.concat([data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)]);
}
