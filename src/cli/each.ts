/** Verbs that take several names do each of them: one that fails does not keep the others from being done. */
import { report } from './report.ts';

/** The first error's exit status, or 0. */
export async function forEach(
  names: readonly string[],
  act: (name: string) => void | Promise<void>,
): Promise<number> {
  let status = 0;
  for (const name of names) {
    try {
      await act(name);
    } catch (error) {
      const code = report(error);
      status ||= code;
    }
  }
  return status;
}
