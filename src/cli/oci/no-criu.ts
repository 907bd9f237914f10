import { TsrunError } from '../../lib/errors.ts';

export function noCriu(tried: string): never {
  throw new TsrunError('NO_CRIU', `cannot ${tried} a container: tsrun-oci does not work with criu`, {
    hint: 'stop it, and run it anew',
    exitCode: 1,
  });
}
