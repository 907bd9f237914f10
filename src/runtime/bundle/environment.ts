/** The environment of a program of a bundle: what its configuration has, and what was added since. */

/** Of several values for a variable the last one, which is what setenv(3) would leave of them, and so runc. */
export function lastOfEach(...lists: readonly (readonly string[])[]): readonly string[] {
  const named = lists.flat().map((variable) => [variable.split('=', 1)[0], variable] as const);
  return [...new Map(named).values()];
}
