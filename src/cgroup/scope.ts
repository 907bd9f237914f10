/** Where systemd puts a container: a unit of its own (a scope), in one of the slices that split the machine. systemd.slice(5). */
import { TsrunError } from '../lib/errors.ts';

export interface Scope {
  /** `tsrun-ID.scope` */
  readonly unit: string;
  /** `a-b.slice` */
  readonly slice: string;
  /** Of its cgroup, from the mount: `a.slice/a-b.slice/tsrun-ID.scope`. */
  readonly path: string;
  /** What is in it, for its description. */
  readonly name: string;
}

export const DEFAULT_SLICE = 'system.slice';

/** systemd.unit(5); `@`, which is for instances of templates, is not taken. */
const UNIT_NAME = /^[A-Za-z0-9:_.\\-]+$/;
const MAX_NAME_LENGTH = 255;

/** `slice:prefix:name`, as runc and crun read `cgroupsPath` with --systemd-cgroup; without a slice it is system.slice. */
export function parseScope(cgroupsPath: string): Scope {
  const [slice = '', prefix, name, ...more] = cgroupsPath.split(':');
  if (prefix === undefined || name === undefined || name === '' || more.length > 0)
    throw badCgroup(
      `Cannot use ${JSON.stringify(cgroupsPath)} as the path of a cgroup that systemd makes`,
      'give slice:prefix:name, such as system.slice:tsrun:web',
    );
  const unit = `${prefix === '' ? '' : `${prefix}-`}${name}.scope`;
  if (!UNIT_NAME.test(unit) || unit.length > MAX_NAME_LENGTH)
    throw badCgroup(
      `Cannot use ${JSON.stringify(unit)} as the name of a unit`,
      `letters, digits and : _ . \\ - are allowed, ${MAX_NAME_LENGTH} in all`,
    );
  const used = slice === '' ? DEFAULT_SLICE : slice;
  return { unit, slice: used, path: [...slicePath(used), unit].join('/'), name };
}

/** A slice lies in the one that its name begins with: `a-b.slice` → `a.slice`, `a-b.slice`. `-.slice` is the root of them all. */
export function slicePath(slice: string): readonly string[] {
  if (slice === '-.slice') return [];
  const parts = slice.replace(/\.slice$/, '').split('-');
  if (
    !slice.endsWith('.slice') ||
    parts.includes('') ||
    !UNIT_NAME.test(slice) ||
    slice.length > MAX_NAME_LENGTH
  )
    throw badCgroup(
      `Cannot use ${JSON.stringify(slice)} as the slice of a container`,
      'with systemd as the manager of cgroups, the parent is a slice: a name such as web.slice, or web-front.slice, which lies in web.slice',
    );
  return parts.map((_, i) => `${parts.slice(0, i + 1).join('-')}.slice`);
}

function badCgroup(message: string, hint: string): TsrunError {
  return new TsrunError('BAD_CGROUP', message, { hint });
}
