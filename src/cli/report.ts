/** An error becomes words on standard error and an exit status. */
import { EXIT_ENGINE, TsrunError } from '../lib/errors.ts';

/** A mistake of ours keeps its stack; everything else is a message and a hint. */
export function report(error: unknown): number {
  if (!(error instanceof TsrunError)) {
    process.stderr.write(
      `tsrun: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return EXIT_ENGINE;
  }
  process.stderr.write(`tsrun: ${error.message}\n${error.hint === undefined ? '' : `hint: ${error.hint}\n`}`);
  return error.exitCode;
}
