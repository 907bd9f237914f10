/**
 * The one error class of tsrun. A message says what was tried, on what, and what the kernel or the file
 * answered; a hint says what to do. Codes are stable: once published, a code never changes its meaning.
 */

/** Exit codes of the command line, as Docker's: 125 engine, 126 cannot be invoked, 127 not found. */
export const EXIT_ENGINE = 125;
export const EXIT_NOT_EXECUTABLE = 126;
export const EXIT_NOT_FOUND = 127;

export interface ErrorDetails {
  /** What the user can do about it, one sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** The exit status a command that ends with this error has; 125 when not given. */
  readonly exitCode?: number;
}

export class TsrunError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly exitCode: number;

  /** `code` is a stable name such as `IMAGE_NOT_FOUND`; `message` starts with what was tried. */
  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'TsrunError';
    this.code = code;
    this.hint = details.hint;
    this.exitCode = details.exitCode ?? EXIT_ENGINE;
  }
}

/** The errno name (`ENOENT`) of an error thrown by node:fs or by the native door, if it has one. */
export function errnoOf(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return undefined;
}

/** What the operating system said, in words: `no space left on device (ENOSPC)`; any other error's message as it is. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const [, errno, words] = /^(E[A-Z0-9]+): ([^,]+), /.exec(error.message) ?? [];
  return words === undefined ? error.message : `${words} (${errno})`;
}

/** Makes terminal control bytes in text from outside (file names, image fields) visible instead of active. */
export function escapeForTerminal(text: string): string {
  return Array.from(text, (char) =>
    isControl(char) ? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}` : char,
  ).join('');
}

function isControl(char: string): boolean {
  const code = char.charCodeAt(0);
  return code < 0x20 || (code >= 0x7f && code < 0xa0);
}
