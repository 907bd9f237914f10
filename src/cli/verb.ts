/** What every verb of the command line is: its help, and what it does with its words. */
import type { EnginePaths } from '../engine/paths.ts';
import type { FlagTable } from './flags.ts';

export interface Context {
  readonly paths: EnginePaths;
  readonly env: NodeJS.ProcessEnv;
}

export interface Verb {
  /** `tsrun run [flags] IMAGE [COMMAND] [ARG...]` without the `tsrun`. */
  readonly synopsis: string;
  readonly summary: string;
  readonly flags: FlagTable;
  /** The exit status. */
  run(args: readonly string[], context: Context): number | Promise<number>;
}
