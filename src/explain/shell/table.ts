/** Every op → the commands that do the same. An op without a command has a comment that says so. */
import type { OpName, OpOf } from '../../kernel/ops.ts';
import { CGROUPS } from './cgroups.ts';
import { CREDENTIALS } from './credentials.ts';
import { DETACHED } from './detached.ts';
import { FILES } from './files.ts';
import { MOUNTS } from './mounts.ts';
import { NETWORK } from './network.ts';
import { PROCESSES } from './processes.ts';
import type { ShellWriter } from './writer.ts';

export type Translations<N extends OpName> = {
  readonly [K in N]: (op: OpOf<K>, sh: ShellWriter) => void;
};

export const TRANSLATIONS: Translations<OpName> = {
  ...FILES,
  ...MOUNTS,
  ...PROCESSES,
  ...NETWORK,
  ...CGROUPS,
  ...CREDENTIALS,
  ...DETACHED,
};
