/** What a configuration asks for, and does not get although the container runs: runtime.md, Warnings. */
import { parseMountOptions } from '../../mounts/options.ts';
import { capabilityMask, unknownCapabilities } from '../../security/capabilities.ts';
import type { MountSpec, RuntimeSpec } from '../../spec/runtime.ts';
import type { HostFacts } from '../plan.ts';

export function bundleWarnings(
  { process, mounts, linux: { resources = {}, mountLabel } }: RuntimeSpec,
  host: Pick<HostFacts, 'boundingCapabilities'>,
): readonly string[] {
  const names = [...new Set(Object.values(process.capabilities ?? {}).flat())];
  const unknown = unknownCapabilities(names);
  const ungranted = names.filter((name) => (capabilityMask([name]) & ~host.boundingCapabilities) !== 0n);
  const { memory, blockIO, devices = [] } = resources;
  const accesses = [
    ...new Set(devices.map(({ access = '' }) => access.replaceAll(/[rwm]/g, '')).filter(Boolean)),
  ];
  const leafWeights = [blockIO, ...(blockIO?.weightDevice ?? [])].some((one) => one?.leafWeight);
  return [
    ...(unknown.length === 0 ? [] : [`ignoring unknown capabilities: ${unknown.join(', ')}`]),
    ...(ungranted.length === 0
      ? []
      : [`ignoring capabilities that this host cannot grant: ${ungranted.join(', ')}`]),
    ...(memory?.kernel === undefined
      ? []
      : ['ignoring memory.kernel: no kernel since 5.16 limits kernel memory by itself']),
    ...(leafWeights ? ['ignoring blockIO.leafWeight: no kernel since 5.0 has it'] : []),
    ...(accesses.length === 0
      ? []
      : [`ignoring access to devices other than r, w and m: ${accesses.join(', ')}`]),
    ...mounts.flatMap(unboundOptions),
    ...(mountLabel ? ['ignoring linux.mountLabel: files have the labels that the kernel gives them'] : []),
  ];
}

/** What a bind mount shows is mounted already: its file system has been told its options. mount(2). */
function unboundOptions({ destination, type, options = [] }: MountSpec): readonly string[] {
  const { bind, remount, data } = parseMountOptions(options);
  if (!(bind || type === 'bind') || remount || data.length === 0) return [];
  return [`ignoring options of a file system for the bind mount on ${destination}: ${data.join(', ')}`];
}
