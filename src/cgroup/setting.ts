/** One figure of a limit: what is written to which file of a cgroup. */
import type { Tolerable } from '../kernel/ops.ts';
import { TsrunError } from '../lib/errors.ts';

/** What a controller's file is to hold. */
export interface Setting {
  readonly file: string;
  readonly value: string;
  /** One sentence: what the kernel does with it. */
  readonly why: string;
  readonly tolerate?: readonly Tolerable[];
}

/** A setting, and the cgroup it belongs to: the container's one in v2, or in the v1 hierarchy of the controller. */
export interface CgroupWrite extends Setting {
  readonly version: 1 | 2;
  /** As the kernel calls it: `memory`, `io` (v2), `blkio` (v1); `cgroup` for files that no controller has. */
  readonly controller: string;
}

/** A limit that the host cannot hold is never passed over in silence. */
export function noController(controller: string, what: string, hint: string): TsrunError {
  return new TsrunError('NO_CONTROLLER', `Cannot limit ${what}: this host has no ${controller}`, { hint });
}

/** `-1` is OCI's way to say that there is no limit; v2 calls it max. */
export function orMax(limit: number): string {
  return limit < 0 ? 'max' : `${limit}`;
}

/** One setting, or none when the value is not given. */
export function setting<T>(
  value: T | undefined,
  file: string,
  text: (value: T) => string,
  why: string | ((value: T) => string),
): readonly Setting[] {
  if (value === undefined) return [];
  return [{ file, value: text(value), why: typeof why === 'string' ? why : why(value) }];
}
