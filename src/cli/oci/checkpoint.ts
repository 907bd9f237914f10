/** `tsrun-oci checkpoint`: not without criu, and not yet with it. */
import { noCriu } from './no-criu.ts';
import type { OciVerb } from './verb.ts';

export const verb: OciVerb = {
  synopsis: 'checkpoint <container-id>',
  summary: 'checkpoint a running container (not supported)',
  flags: {},
  run: () => noCriu('checkpoint'),
};
