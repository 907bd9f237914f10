/** Files of cgroup v2 that a specification names itself. config-linux.md, Unified. */
import { TsrunError } from '../../lib/errors.ts';
import type { ResourcesSpec } from '../../spec/runtime.ts';
import type { CgroupWrite } from '../setting.ts';

/** Files without a controller that limit something; the others move processes, or would take the cgroup apart. */
const CORE_FILES = new Set(['cgroup.max.depth', 'cgroup.max.descendants']);

/** A name with a slash would be a file of another cgroup. */
export function unifiedWrites(
  { unified = {} }: ResourcesSpec,
  controllers: readonly string[],
): readonly CgroupWrite[] {
  return Object.entries(unified).map(([file, value]) => {
    const [controller = ''] = file.split('.', 1);
    const known = CORE_FILES.has(file) || controllers.includes(controller);
    if (!known || !/^[a-z0-9_]+(\.[A-Za-z0-9_]+)+$/.test(file)) {
      throw new TsrunError(
        'NO_CONTROLLER',
        `Cannot write ${JSON.stringify(file)}: invalid configuration: no controller of cgroup v2 on this host has that file`,
        { hint: `there are ${controllers.join(', ') || 'no controllers'}` },
      );
    }
    return {
      version: 2,
      controller: CORE_FILES.has(file) ? 'cgroup' : controller,
      file,
      value,
      why: 'Asked for by name: a file of cgroup v2 as it is.',
    };
  });
}
