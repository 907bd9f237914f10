/** The one interface that every network namespace has. network_namespaces(7). */
import type { Op } from '../kernel/ops.ts';
import type { LinuxSpec } from '../spec/runtime.ts';

/** Nothing where the namespace is another's: its loopback is up, or not, as that one wants it. */
export function planLoopback(linux: LinuxSpec): readonly Op[] {
  if (!linux.namespaces.some((n) => n.type === 'network' && n.path === undefined)) return [];
  return [
    {
      op: 'link_up',
      name: 'lo',
      why: 'A new network namespace has one interface, and it is down: 127.0.0.1 works only when it is up.',
    },
  ];
}
