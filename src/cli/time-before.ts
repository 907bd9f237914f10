/** The moment that `until=` and the like name: a time, or how long ago it was, in the words of Go's time.ParseDuration. */
import { type Syntax, usage } from './flags.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const PART = /([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)/g;

/** Milliseconds since 1970. `10m`, `1h30m`; `2024-01-31T12:00:00`, `2024-01-31`; seconds since 1970. */
export function timeBefore(text: string, syntax: Syntax, nowMs = Date.now()): number {
  const parts = [...text.matchAll(PART)];
  if (text !== '' && parts.map(([part]) => part).join('') === text)
    return nowMs - parts.reduce((sum, [, count, unit = '']) => sum + Number(count) * (UNIT_MS[unit] ?? 0), 0);
  if (/^[0-9]+(?:\.[0-9]+)?$/.test(text)) return Number(text) * 1000;
  const time = /^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T.*)?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time))
    throw usage(syntax, `${JSON.stringify(text)} is neither a time nor a duration such as 24h`);
  return time;
}
