/** Verbs that take several names do each of them: one that fails does not keep the others from being done. */
import { report } from './report.ts';

/** 0, or 1 when any of them failed, as Docker's verbs end: 125 is for `run` and for flags. */
export async function forEach(
  names: readonly string[],
  act: (name: string) => void | Promise<void>,
): Promise<number> {
  let status = 0;
  for (const name of names) {
    try {
      await act(name);
    } catch (error) {
      report(error);
      status = 1;
    }
  }
  return status;
}
