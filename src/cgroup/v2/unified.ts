/** Files of cgroup v2 that a specification names itself. config-linux.md, Unified. */
import { escapeForTerminal, TsrunError } from '../../lib/errors.ts';
import type { ResourcesSpec } from '../../spec/runtime.ts';
import type { CgroupWrite } from '../setting.ts';

/** Files without a controller that limit something; the others move processes, or would take the cgroup apart. */
const CORE_FILES = new Set(['cgroup.max.depth', 'cgroup.max.descendants']);

/** A name with a slash would be a file of another cgroup. The reasons are in crun's words. */
export function unifiedWrites(
  { unified = {} }: ResourcesSpec,
  controllers: readonly string[],
): readonly CgroupWrite[] {
  return Object.entries(unified).map(([file, value]) => {
    const [controller = ''] = file.split('.', 1);
    const refuse = (why: string) => {
      throw new TsrunError(
        'NO_CONTROLLER',
        `Cannot write ${JSON.stringify(file)}: invalid configuration: ${why}`,
        { hint: `the controllers of cgroup v2 on this host: ${controllers.join(', ') || 'none'}` },
      );
    };
    if (!/^[a-z0-9_]+(\.[A-Za-z0-9_]+)+$/.test(file))
      refuse(`the specified key has not the form CONTROLLER.VALUE \`${escapeForTerminal(file)}\``);
    if (!CORE_FILES.has(file) && !controllers.includes(controller))
      refuse(`the requested cgroup controller \`${controller}\` is not available`);
    return {
      version: 2,
      controller: CORE_FILES.has(file) ? 'cgroup' : controller,
      file,
      value,
      why: 'Asked for by name: a file of cgroup v2 as it is.',
    };
  });
}
