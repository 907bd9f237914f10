/** Keeping what the kernel has counted for a container in a scope of systemd, from outside of the container. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ContainerCgroups } from './host.ts';

/**
 * Moves this process into a leaf of the container's scope: systemd removes that, and the counters with it, when the last
 * process has ended, which then is this one. Does nothing where the cgroup is our own. `systemctl stop` ends this process too.
 */
export function stayInScope({ v2, scope }: ContainerCgroups): void {
  if (v2 === undefined || scope === undefined) return;
  const leaf = `${dirname(v2)}/watchers`;
  mkdirSync(leaf, { recursive: true });
  writeFileSync(`${leaf}/cgroup.procs`, '0');
}
