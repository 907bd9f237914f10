/** `tsrun-oci checkpoint` and `restore`: refused, for they are criu's work, and it is not called yet. */
import { TsrunError } from '../../lib/errors.ts';
import type { OciVerb } from './verb.ts';

export const checkpoint: OciVerb = {
  synopsis: 'checkpoint <container-id>',
  summary: 'checkpoint a running container (not supported)',
  flags: {},
  run: () => refuse('checkpoint'),
};

export const restore: OciVerb = {
  synopsis: 'restore <container-id>',
  summary: 'restore a container from a previous checkpoint (not supported)',
  flags: {},
  run: () => refuse('restore'),
};

function refuse(tried: string): never {
  throw new TsrunError('NO_CRIU', `cannot ${tried} a container: tsrun-oci does not work with criu`, {
    hint: 'stop it, and run it anew',
    exitCode: 1,
  });
}
