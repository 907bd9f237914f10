/**
 * Strict reading of JSON documents from outside (registries, archives): bytes become `unknown`, and `unknown`
 * becomes a value of a known type or an error that says where in the document it was wrong.
 */
import { isUtf8 } from 'node:buffer';
import { TsrunError } from '../lib/errors.ts';

/** Manifests, indexes and configs above this are refused unread; registries use the same cap. */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
const MAX_DEPTH = 64;

/** A JSON object: own properties only are read from it, so that `__proto__` in a document is just a name. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Parses `bytes` as JSON in valid UTF-8 without a byte order mark. `what` names the document in errors. */
export function parseJsonDocument(bytes: Uint8Array, what: string): unknown {
  if (bytes.length > MAX_DOCUMENT_BYTES) {
    throw invalid(what, `is ${bytes.length} bytes, above the limit of ${MAX_DOCUMENT_BYTES}`);
  }
  if (!isUtf8(bytes)) throw invalid(what, 'is not valid UTF-8');
  const value = parseJson(bytes, what);
  if (isDeeper(value, MAX_DEPTH)) throw invalid(what, `is nested more than ${MAX_DEPTH} levels deep`);
  return value;
}

/** V8's parser needs no stack for nesting; what reads the value afterwards may. */
function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());
  } catch (cause) {
    throw invalid(what, `is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  // Not Object.values for both: of a list with a million items it would make another one.
  const items: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  return items.some((item) => isDeeper(item, levels - 1));
}

export function invalid(what: string, problem: string, cause?: unknown): TsrunError {
  return new TsrunError('IMAGE_DOCUMENT_INVALID', `Cannot read ${what}: it ${problem}`, {
    hint: 'the image is damaged or was not made by an OCI or Docker tool; fetch or build it again',
    ...(cause === undefined ? {} : { cause }),
  });
}

export function asObject(value: unknown, what: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(what, 'is not an object');
  return value as JsonObject;
}

/** Own property, or undefined; null counts as absent, as Go's encoders write it for an empty list. */
export function field(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? (object[name] ?? undefined) : undefined;
}

export function asString(value: unknown, what: string): string {
  if (typeof value !== 'string') throw invalid(what, 'is not a string');
  return value;
}

export function asOptionalString(value: unknown, what: string): string | undefined {
  return value === undefined ? undefined : asString(value, what);
}

/** A size in bytes: a non-negative integer that JavaScript holds exactly. */
export function asSize(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw invalid(what, 'is not a non-negative integer below 2^53');
  }
  return value;
}

export function asArray<T>(
  value: unknown,
  what: string,
  item: (value: unknown, what: string) => T,
): readonly T[] {
  if (!Array.isArray(value)) throw invalid(what, 'is not an array');
  return value.map((v, i) => item(v ?? undefined, `${what}[${i}]`));
}

export function asOptionalStrings(value: unknown, what: string): readonly string[] | undefined {
  return value === undefined ? undefined : asArray(value, what, asString);
}

/** A map of strings as entries with no prototype, so that any key is only a key. */
export function asStringMap(value: unknown, what: string): Readonly<Record<string, string>> {
  const map: Record<string, string> = Object.create(null);
  for (const [key, item] of Object.entries(asObject(value, what)))
    map[key] = asString(item, `${what}.${key}`);
  return map;
}
