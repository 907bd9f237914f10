/** pids.max, of cgroup v2 and v1 alike. Documentation/admin-guide/cgroup-v2.rst, PID. */
import type { ResourcesSpec } from '../../spec/runtime.ts';
import { orMax, type Setting, setting } from '../setting.ts';

/** Processes and threads, counted together; 0 is no limit, as if none was given. */
export function pidsSettings({ pids }: ResourcesSpec): readonly Setting[] {
  return setting(pids?.limit || undefined, 'pids.max', orMax, (limit) =>
    limit < 0
      ? 'As many processes and threads as the host allows.'
      : `A fork bomb ends at ${limit} processes and threads.`,
  );
}
