import { TsrunError } from '../../lib/errors.ts';

/** A tar stream that is damaged, or that uses what tsrun refuses; `problem` completes "Cannot read the tar archive: ". */
export function tarError(problem: string): TsrunError {
  return new TsrunError('TAR_INVALID', `Cannot read the tar archive: ${problem}`, {
    hint: 'the archive is damaged or was made to do harm; fetch or build the image again',
  });
}
