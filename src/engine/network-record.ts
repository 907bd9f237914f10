/** What is known on disk of the network of a container that runs, or whose helper was killed. */
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { type ContainerId, type HostPath, hostPath } from '../lib/brands.ts';
import { namesIn, readFileIfThere } from '../lib/files.ts';
import type { Endpoint } from '../network/endpoint.ts';
import type { ContainerPorts } from './container-ports.ts';
import { type EnginePaths, runDir } from './paths.ts';

/** In the run directory: network.json. */
export interface NetworkRecord extends ContainerPorts {
  readonly endpoints: readonly Endpoint[];
  /** Whether it has a DNS server, which stays until the container ends. */
  readonly dns: boolean;
}

/** It is there while the container runs, and until the sweep after a killed helper. */
export const networkRecordFile = (paths: EnginePaths, id: ContainerId): HostPath =>
  hostPath(`${runDir(paths, id)}/network.json`);

/** The file that leases are links to: one for each network. */
export const leaseSource = (paths: EnginePaths, id: ContainerId, nth = 0): HostPath =>
  hostPath(`${runDir(paths, id)}/lease${nth === 0 ? '' : `.${nth}`}`);

/** A container that joined a network while it ran: its helper does not know, and gives back less than there is. */
export const joinedMark = (paths: EnginePaths, id: ContainerId): HostPath =>
  hostPath(`${paths.runRoot}/${id}.joined`);

/** Whether there is anything that a helper, had it not been killed, would have given back, or does not know of. */
export function holdsNetwork(paths: EnginePaths, id: ContainerId): boolean {
  return existsSync(leaseSource(paths, id)) || existsSync(joinedMark(paths, id));
}

/** Undefined for a container that has no network of its own, or does not run. */
export function readNetworkRecord(paths: EnginePaths, id: ContainerId): NetworkRecord | undefined {
  const text = readFileIfThere(networkRecordFile(paths, id));
  return text === undefined ? undefined : (JSON.parse(text) as NetworkRecord);
}

/** Readers see all of it or nothing. */
export function writeNetworkRecord(paths: EnginePaths, id: ContainerId, record: NetworkRecord): void {
  const file = networkRecordFile(paths, id);
  writeFileSync(`${file}.new`, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** Of all containers that run, and of those that have not been swept yet. */
export function listNetworkRecords(paths: EnginePaths): readonly NetworkRecord[] {
  const ids = namesIn(paths.runRoot).filter((name) => /^[0-9a-f]{64}$/.test(name)) as ContainerId[];
  return ids.flatMap((id) => readNetworkRecord(paths, id) ?? []);
}
