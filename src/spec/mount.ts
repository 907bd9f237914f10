/** What kind of mount the specification asks for. config.md, Mounts. */
import type { MountSpec } from './runtime.ts';

/** "A mount is a bind mount if it has either bind or rbind in the options"; runc and crun take the type bind as well. */
export function isBind({ type, options = [] }: MountSpec): boolean {
  return type === 'bind' || options.includes('bind') || options.includes('rbind');
}
