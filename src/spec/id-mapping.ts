/** Ids of a user namespace as the host has them. user_namespaces(7). */
import type { IdMapping } from './runtime.ts';

/** Undefined for one that is nobody outside. */
export function hostId(id: number, mappings: readonly IdMapping[]): number | undefined {
  const mapping = mappings.find(({ containerID, size }) => id >= containerID && id < containerID + size);
  return mapping && mapping.hostID + id - mapping.containerID;
}
