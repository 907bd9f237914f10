/** `tsrun-oci restore`: not without criu, and not yet with it. */
import { noCriu } from './no-criu.ts';
import type { OciVerb } from './verb.ts';

export const verb: OciVerb = {
  synopsis: 'restore <container-id>',
  summary: 'restore a container from a previous checkpoint (not supported)',
  flags: {},
  run: () => noCriu('restore'),
};
