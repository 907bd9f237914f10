/**
 * Readers for other people's JSON. Each takes a value that nobody has checked and the JSON path where it was
 * found, and either hands back the typed value or refuses it with a message that starts with that path.
 * `null` counts as absent: Go programs write it for an empty list or pointer.
 */
import { escapeForTerminal, TsrunError } from '../lib/errors.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

export function readObject(value: unknown, path: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw wrongShape(value, path, 'an object');
}

/** A list whose items are read by `readItem`, each with its own path such as `syscalls[3]`. */
export function readList<T>(
  value: unknown,
  path: string,
  readItem: (item: unknown, path: string) => T,
): readonly T[] {
  if (!Array.isArray(value)) throw wrongShape(value, path, 'a list');
  return value.map((item: unknown, index) => readItem(item, `${path}[${index}]`));
}

export function readString(value: unknown, path: string): string {
  if (typeof value === 'string') return value;
  throw wrongShape(value, path, 'a string');
}

/** A string for the kernel or a file: without a NUL, at which C would end it. */
export function readText(value: unknown, path: string): string {
  const text = readString(value, path);
  if (!text.includes('\0')) return text;
  throw wrongShape(value, path, 'a string without NUL');
}

/** A path that begins with a slash. */
export function readAbsolutePath(value: unknown, path: string): string {
  const text = readText(value, path);
  if (text.startsWith('/')) return text;
  throw wrongShape(value, path, 'an absolute path');
}

/** Text that may be left out, or empty, which is the same: Go programs write "" for a field that nobody set. */
export function readOptionalText(value: unknown, path: string): string | undefined {
  return readOptional(value, path, readText) || undefined;
}

export function readBoolean(value: unknown, path: string): boolean {
  if (typeof value === 'boolean') return value;
  throw wrongShape(value, path, 'true or false');
}

export function readTexts(value: unknown, path: string): readonly string[] {
  return readList(value, path, readText);
}

/** An object as a map: every property of it is read by `readItem`. */
export function readMap<T>(
  value: unknown,
  path: string,
  readItem: (item: unknown, path: string) => T,
): Readonly<Record<string, T>> {
  const entries = Object.entries(readObject(value, path));
  return Object.fromEntries(entries.map(([key, item]) => [key, readItem(item, `${path}.${key}`)]));
}

/** A string that is one of `words`. */
export function readWord<const W extends string>(value: unknown, path: string, words: readonly W[]): W {
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  throw wrongShape(value, path, `one of ${words.join(', ')}`);
}

/** An integer from `min` to `max`. */
export function readInt(value: unknown, path: string, min: number, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw wrongShape(value, path, `an integer from ${min} to ${max}`);
}

/** An integer from 0 to `max`. */
export function readUint(value: unknown, path: string, max: number): number {
  return readInt(value, path, 0, max);
}

export function readUint32(value: unknown, path: string): number {
  return readUint(value, path, 2 ** 32 - 1);
}

/** Any integer of 64 unsigned bits. A number past 2^53 has lost its exact value and is refused; see exact-json.ts. */
export function readUint64(value: unknown, path: string): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  if (typeof value === 'bigint' && value >= 0n && value < 1n << 64n) return value;
  throw wrongShape(value, path, 'an integer from 0 to 2^64-1');
}

/** `read` of a field that may be absent or null. */
export function readOptional<T>(
  value: unknown,
  path: string,
  read: (value: unknown, path: string) => T,
): T | undefined {
  return value === undefined || value === null ? undefined : read(value, path);
}

/** `T` with every field that may be undefined made optional. */
export type WithoutAbsent<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** A copy of `fields` without those that are undefined, for types with exact optional fields. */
export function withoutAbsent<T extends object>(fields: T): WithoutAbsent<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as WithoutAbsent<T>;
}

/** The error for a value of the wrong shape: where, what stands there, and what was expected. */
export function wrongShape(value: unknown, path: string, expected: string): TsrunError {
  return new TsrunError('SPEC_SHAPE', `${path} is ${describe(value)}: expected ${expected}`);
}

function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  return escapeForTerminal(JSON.stringify(value).slice(0, 80));
}
