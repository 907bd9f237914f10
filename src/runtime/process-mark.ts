/** One process for ever: its number may be given to another one, but not with the same start time. proc_pid_stat(5). */
import { readFileSync } from 'node:fs';
import { readFileIfThere } from '../lib/files.ts';

export interface ProcessMark {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks since boot. */
  readonly started: bigint;
}

/** What the helper writes (op record_pid). */
export function parseMark(text: string | undefined): ProcessMark | undefined {
  const match = /^(\d+) (\d+)\n?$/.exec(text ?? '');
  return match === null ? undefined : { pid: Number(match[1]), started: BigInt(match[2] ?? 0) };
}

/** The mark of this process. */
export function ownMark(): string {
  return `${process.pid} ${fieldsOf(readFileSync('/proc/self/stat', 'latin1')).started}`;
}

/** Whether it has not ended; one that nobody has waited for yet has. */
export function isAlive({ pid, started }: ProcessMark): boolean {
  const text = readFileIfThere(`/proc/${pid}/stat`);
  if (text === undefined) return false;
  const fields = fieldsOf(text);
  // Its first thread may have ended before the others: then it is called a zombie, and goes on.
  const ended = (fields.state === 'Z' && fields.threads <= 1) || fields.state === 'X';
  return fields.started === started && !ended;
}

/** The name of the program, in brackets, may hold anything: what counts is behind its end. */
function fieldsOf(stat: string) {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', threads: Number(fields[17]), started: BigInt(fields[19] ?? 0) };
}
