/** What `tsrun-oci` says: on standard error, and in the log file that engines read, as runc (logrus) writes it. */
import { appendFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { hostPath } from '../../lib/brands.ts';
import { TsrunError } from '../../lib/errors.ts';
import type { DebugLog } from '../../runtime/debug-log.ts';

export type Level = 'warning' | 'error';

export interface Log {
  /** `hint`: what the reader can do about it; a field of its own, for engines compare the message. */
  write(level: Level, message: string, hint?: string): void;
  /** For a plan that writes what it does; left out unless that was asked for. */
  readonly debug: DebugLog | undefined;
}

export interface LogOptions {
  readonly file: string | undefined;
  readonly format: string;
  readonly debug: boolean;
}

export function openLog({ file, format, debug }: LogOptions): Log {
  const line = FORMATS[format];
  if (line === undefined)
    throw new TsrunError('USAGE', `invalid log-format: ${JSON.stringify(format)}`, {
      hint: 'use text or json',
      exitCode: 1,
    });
  return {
    debug: debug
      ? {
          file: file === undefined ? undefined : hostPath(resolve(file)),
          line(message) {
            const [before = '', behind = ''] = line('debug', message, undefined, SOME_TIME).split(SOME_TIME);
            return [before, behind];
          },
        }
      : undefined,
    write(level, message, hint) {
      const text = line(level, message, hint, new Date().toISOString().replace(/\.\d+Z$/, 'Z'));
      if (file === undefined) {
        process.stderr.write(text);
        return;
      }
      appendFileSync(file, text, { mode: 0o644 });
      // The caller reads the file; a person reads this.
      const advice = hint === undefined ? '' : ` (${hint})`;
      if (level === 'error') process.stderr.write(`${message}${advice}\n`);
    },
  };
}

const SOME_TIME = '0000-00-00T00:00:00Z';

type Line = (level: Level | 'debug', message: string, hint: string | undefined, time: string) => string;

const FORMATS: Readonly<Record<string, Line>> = {
  json: (level, msg, hint, time) => `${JSON.stringify({ hint, level, msg, time })}\n`,
  text: (level, message, hint, time) => {
    const advice = hint === undefined ? '' : ` hint=${JSON.stringify(hint)}`;
    return `time=${JSON.stringify(time)} level=${level} msg=${JSON.stringify(message)}${advice}\n`;
  },
};
