/** What typed bytes need: -i together with -t reads keys, and keys come from a terminal. */
import { isatty } from 'node:tty';
import { TsrunError } from '../lib/errors.ts';

export function checkTerminal(): void {
  if (isatty(0)) return;
  throw new TsrunError('NO_TERMINAL', 'Cannot use -t with -i: standard input is not a terminal', {
    hint: 'leave out -t when input comes from a file or a pipe',
    exitCode: 1,
  });
}
