/**
 * JSON with exact 64-bit integers. JavaScript's numbers are exact up to 2^53 only, but runtime configurations carry
 * full 64-bit values (seccomp arguments, limits); such an integer is read as a bigint and written back as digits.
 */
import { escapeForTerminal, TsrunError } from '../lib/errors.ts';

/** Parses JSON text; an integer that a number cannot hold exactly becomes a bigint. Throws a SyntaxError. */
export function parseExactJson(text: string): unknown {
  return JSON.parse(text, keepExactInteger as (key: string, value: unknown) => unknown);
}

/** The same for a document from outside. `what` names it: `config.json`. Throws `SPEC_JSON`. */
export function parseSpecJson(text: string, what: string): unknown {
  try {
    return parseExactJson(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TsrunError('SPEC_JSON', `Cannot read ${what}: it is not JSON: ${escapeForTerminal(reason)}`, {
      cause,
    });
  }
}

/** JSON text of `value`, with bigints as plain digits. */
export function stringifyExactJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, writeDigits, indent);
}

/** The third argument is TC39's "JSON.parse source text access", in Node since 21. */
function keepExactInteger(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const source = context?.source;
  return source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value;
}

interface RawJson {
  rawJSON(text: string): unknown;
}

function writeDigits(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? (JSON as unknown as RawJson).rawJSON(String(value)) : value;
}
