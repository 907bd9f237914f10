/** What the verbs that inspect print: JSON in Docker's shape, or a template filled in for each thing. */
import type { FlagTable } from './flags.ts';
import { compileFormat } from './format-template.ts';
import { print } from './print.ts';

export const INSPECT_FLAGS = {
  format: { short: 'f', type: 'text', value: 'FORMAT', help: "'json', or a template such as '{{.Id}}'" },
} as const satisfies FlagTable;

export function printInspected(found: readonly object[], format: string | undefined): void {
  print(
    format === undefined
      ? `${JSON.stringify(found, null, 4)}\n`
      : found.map((one) => compileFormat(format, Object.keys(one))({ ...one })).join(''),
  );
}
