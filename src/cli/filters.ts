/** `--filter NAME=VALUE` of the verbs that list: what is shown matches one of the values of each name. */
import { type Syntax, usage } from './flags.ts';

export type Matchers<T> = Readonly<Record<string, (thing: T, value: string) => boolean>>;

export function parseFilters<T>(
  texts: readonly string[],
  matchers: Matchers<T>,
  syntax: Syntax,
): (thing: T) => boolean {
  const wanted = new Map<string, string[]>();
  for (const text of texts) {
    const [, name = '', value = ''] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
    if (!Object.hasOwn(matchers, name))
      throw usage(
        syntax,
        `--filter takes ${Object.keys(matchers)
          .map((known) => `${known}=VALUE`)
          .join(', ')}, not ${JSON.stringify(text)}`,
      );
    wanted.set(name, [...(wanted.get(name) ?? []), value]);
  }
  return (thing) =>
    [...wanted].every(([name, values]) => values.some((value) => matchers[name]?.(thing, value)));
}

/** `label=key` or `label=key=value`. */
export function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const [key = '', ...value] = wanted.split('=');
  if (!Object.hasOwn(labels, key)) return false;
  return value.length === 0 || labels[key] === value.join('=');
}
