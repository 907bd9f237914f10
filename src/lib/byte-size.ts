/** Sizes as people type them: Docker's units, which are powers of 1024. */

const POWERS = 'bkmgtp';

/** `512`, `64m`, `1.5g`, `2GiB` → whole bytes; undefined for what is no size. */
export function parseByteSize(text: string): number | undefined {
  const [, number, unit = 'b'] = /^(\d+(?:\.\d+)?) ?(b|[kmgtp](?:i?b)?)?$/i.exec(text) ?? [];
  if (number === undefined) return undefined;
  const bytes = Math.floor(Number(number) * 1024 ** POWERS.indexOf(unit.charAt(0).toLowerCase()));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
