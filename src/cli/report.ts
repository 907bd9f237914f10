/** An error becomes words on standard error and an exit status. */
import { EXIT_ENGINE, errnoOf, escapeForTerminal, reasonOf, TsrunError } from '../lib/errors.ts';

/** A mistake of ours keeps its stack; everything else is a message and a hint. */
export function report(thrown: unknown): number {
  const error = isSystemError(thrown) ? fromSystem(thrown) : thrown;
  if (!(error instanceof TsrunError)) {
    process.stderr.write(
      `tsrun: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return EXIT_ENGINE;
  }
  process.stderr.write(`tsrun: ${error.message}\n${error.hint === undefined ? '' : `hint: ${error.hint}\n`}`);
  return error.exitCode;
}

/** An error that the kernel gave a call of node:fs: there the machine is what is wrong, wherever the call was made. */
interface SystemError extends Error {
  readonly syscall: string;
  readonly path?: string;
}

function isSystemError(error: unknown): error is SystemError {
  return errnoOf(error) !== undefined && error instanceof Error && 'syscall' in error;
}

function fromSystem(error: SystemError): TsrunError {
  const on = error.path === undefined ? '' : ` ${escapeForTerminal(error.path)}`;
  const hint = systemHint(errnoOf(error) ?? '');
  return new TsrunError('SYSTEM', `Cannot ${error.syscall}${on}: ${reasonOf(error)}`, {
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  });
}

function systemHint(errno: string): string | undefined {
  switch (errno) {
    case 'EACCES':
    case 'EPERM':
      return process.geteuid?.() === 0 ? undefined : 'run it with sudo, or as root';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'free space on that file system, or set TSRUN_ROOT to a directory on another one';
    case 'EROFS':
      return 'set TSRUN_ROOT and TSRUN_RUN_ROOT to directories that can be written';
    default:
      return undefined;
  }
}
