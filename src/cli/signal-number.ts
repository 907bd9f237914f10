/** Signals as people write them. */
import { constants } from 'node:os';

/** The highest real-time signal; signal(7). */
const LAST_SIGNAL = 64;

/** `TERM`, `SIGTERM`, `sigterm` or `15`; undefined for what is no signal. */
export function signalNumber(text: string): number | undefined {
  const number = /^\d+$/.test(text)
    ? Number(text)
    : Object.entries(constants.signals).find(
        ([name]) => name === `SIG${text.toUpperCase().replace(/^SIG/, '')}`,
      )?.[1];
  return number === undefined || number < 1 || number > LAST_SIGNAL ? undefined : number;
}
