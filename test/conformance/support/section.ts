/** One test per sentence: its title begins with the section and quotes the sentence. */
import { test } from 'vitest';
import { Box } from './box.ts';

type Body = (box: Box) => Promise<void>;

/**
 * Makes the tests of one section. `runtime.md, Create` gives
 *
 *     clause('This operation MUST create a new container.', async (box) => { ... });
 *     clause('This operation MUST create a new container.', 'case of it', async (box) => { ... });
 *
 * The sentence stands as in the specification, without its emphasis and links.
 */
export function section(name: string) {
  return (sentence: string, ...rest: readonly [Body] | readonly [string, Body]) => {
    const [ofIt, body] = rest.length === 1 ? [undefined, rest[0]] : rest;
    const title = `${name}: “${sentence}”${ofIt === undefined ? '' : ` (${ofIt})`}`;
    test(title, async (context) => {
      const box = new Box(context);
      context.onTestFinished(() => box.empty());
      await body(box);
    });
  };
}
