/** Who makes the cgroup of a container: what each plans, and where the cgroups are then. */
import type { CgroupManager } from './host.ts';
import { planCgroup, plannedCgroups } from './plan-cgroup.ts';
import { planScope, scopeCgroups } from './plan-scope.ts';

export const MANAGERS: Readonly<
  Record<CgroupManager, { readonly plan: typeof planScope; readonly cgroups: typeof plannedCgroups }>
> = {
  cgroupfs: { plan: planCgroup, cgroups: plannedCgroups },
  systemd: { plan: planScope, cgroups: scopeCgroups },
};
