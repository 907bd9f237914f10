/** Properties of a scope that an engine asks for: annotations `org.systemd.property.NAME`, as runc and crun take them. */
import type { DbusValue, Variant } from '../kernel/dbus.ts';
import { TsrunError } from '../lib/errors.ts';

const PREFIX = 'org.systemd.property.';
const US_IN_SECOND = 1_000_000n;

/** Each a name and a value. `…Sec` is given in seconds, where D-Bus has `…USec`. */
export function annotatedProperties(annotations: Readonly<Record<string, string>>): readonly DbusValue[] {
  return Object.entries(annotations)
    .filter(([key]) => key.startsWith(PREFIX))
    .map(([key, text]): DbusValue => {
      const name = key.slice(PREFIX.length);
      const value = parseGvariant(text);
      if (!/^[A-Za-z]{3,}$/.test(name) || value === undefined)
        throw new TsrunError('BAD_ANNOTATION', `Cannot use the annotation ${key}=${JSON.stringify(text)}`, {
          hint: "its value is in the text format of GVariant: 'text', true, 5, uint64 5, ['a', 'b']",
        });
      if (!/(?<!U)Sec$/.test(name) || typeof value.value !== 'bigint') return [name, value];
      return [name.replace(/Sec$/, 'USec'), { signature: 't', value: value.value * US_IN_SECOND }];
    });
}

const NUMBERS: Readonly<Record<string, readonly [signature: string, bits: number]>> = {
  byte: ['y', 8],
  int16: ['n', 16],
  uint16: ['q', 16],
  int32: ['i', 32],
  uint32: ['u', 32],
  int64: ['x', 64],
  uint64: ['t', 64],
};
const TEXT = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/s;
const LIST = new RegExp(`^\\[\\s*(?:(?:${TEXT.source})\\s*(?:,\\s*(?:${TEXT.source})\\s*)*)?\\]$`, 's');

/** The text format of GVariant, as far as properties of units need it: undefined for any other text. */
export function parseGvariant(text: string): Variant | undefined {
  const word = text.trim();
  if (word === 'true' || word === 'false') return { signature: 'b', value: word === 'true' };
  const [, type = 'int32', digits] = /^(?:([a-z]+\d*)\s+)?([+-]?\d+)$/.exec(word) ?? [];
  if (digits !== undefined) return parseNumber(type, BigInt(digits));
  if (TEXT.exec(word)?.[0] === word) return { signature: 's', value: unquote(word) };
  if (!LIST.test(word)) return undefined;
  const items = [...word.matchAll(new RegExp(TEXT, 'gs'))].map(([item]) => unquote(item));
  return { signature: 'as', value: items };
}

function parseNumber(type: string, value: bigint): Variant | undefined {
  const [signature, bits] = NUMBERS[type] ?? [];
  if (signature === undefined || bits === undefined) return undefined;
  const fits = /^[yqut]$/.test(signature) ? BigInt.asUintN(bits, value) : BigInt.asIntN(bits, value);
  return fits === value ? { signature, value } : undefined;
}

const unquote = (quoted: string) => quoted.slice(1, -1).replaceAll(/\\(.)/gs, '$1');
