/** What `tsrun-oci` says: on standard error, and in the log file that engines read, as runc (logrus) writes it. */
import { appendFileSync } from 'node:fs';
import { TsrunError } from '../../lib/errors.ts';

export type Level = 'debug' | 'warning' | 'error';

export interface Log {
  write(level: Level, message: string): void;
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
    write(level, message) {
      if (level === 'debug' && !debug) return;
      const text = line(level, message, new Date().toISOString().replace(/\.\d+Z$/, 'Z'));
      if (file === undefined) {
        process.stderr.write(text);
        return;
      }
      appendFileSync(file, text, { mode: 0o644 });
      // The caller reads the file; a person reads this.
      if (level === 'error') process.stderr.write(`${message}\n`);
    },
  };
}

type Line = (level: Level, message: string, time: string) => string;

const FORMATS: Readonly<Record<string, Line>> = {
  json: (level, message, time) => `${JSON.stringify({ level, msg: message, time })}\n`,
  text: (level, message, time) =>
    `time=${JSON.stringify(time)} level=${level} msg=${JSON.stringify(message)}\n`,
};
