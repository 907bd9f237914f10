/** What `tsrun-oci` says: on standard error, and in the log file that engines read, as runc (logrus) writes it. */
import { appendFileSync } from 'node:fs';
import { TsrunError } from '../../lib/errors.ts';

export type Level = 'debug' | 'warning' | 'error';

export interface Log {
  /** `hint`: what the reader can do about it; a field of its own, for engines compare the message. */
  write(level: Level, message: string, hint?: string): void;
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
    write(level, message, hint) {
      if (level === 'debug' && !debug) return;
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

type Line = (level: Level, message: string, hint: string | undefined, time: string) => string;

const FORMATS: Readonly<Record<string, Line>> = {
  json: (level, msg, hint, time) => `${JSON.stringify({ hint, level, msg, time })}\n`,
  text: (level, message, hint, time) => {
    const advice = hint === undefined ? '' : ` hint=${JSON.stringify(hint)}`;
    return `time=${JSON.stringify(time)} level=${level} msg=${JSON.stringify(message)}${advice}\n`;
  },
};
