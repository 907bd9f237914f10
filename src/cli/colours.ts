/** What is added green, what is changed yellow, what is removed red: on a terminal, unless NO_COLOR is set. ECMA-48, SGR. */
const CODES = { added: 32, changed: 33, removed: 31, quiet: 2, strong: 1 } as const;

export type Paint = (how: keyof typeof CODES, text: string) => string;

export function painter(env: NodeJS.ProcessEnv): Paint {
  if (!process.stdout.isTTY || env.NO_COLOR) return (_, text) => text;
  return (how, text) => `\u001b[${CODES[how]}m${text}\u001b[0m`;
}
