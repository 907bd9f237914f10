/** The last lines of a pull, as Docker prints them. */
import { familiarName, fullName } from '../image/reference.ts';
import type { PulledImage } from '../registry/pull.ts';

export function pullResult({ reference, digest, isNew }: PulledImage, quiet: boolean): string {
  const name = `${fullName(reference)}\n`;
  if (quiet) return name;
  const status = isNew ? 'Downloaded newer image for' : 'Image is up to date for';
  return `Digest: ${digest}\nStatus: ${status} ${familiarName(reference)}\n${name}`;
}
