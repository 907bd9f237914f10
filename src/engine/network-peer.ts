/** --network container:NAME: the container whose network another one shares. */
import type { ContainerId } from '../lib/brands.ts';
import { EXIT_ENGINE, TsrunError } from '../lib/errors.ts';
import type { ProcessMark } from '../runtime/process-mark.ts';
import type { MountSpec } from '../spec/runtime.ts';
import type { NetworkMode } from './container-options.ts';
import { findContainer } from './container-store.ts';
import type { EnginePaths } from './paths.ts';

export interface NetworkPeer {
  readonly id: ContainerId;
  /** Its namespaces are those of this process. */
  readonly process: ProcessMark;
  readonly hostname: string | undefined;
  /** What it has mounted; its /etc/hosts and /etc/resolv.conf are shared too. */
  readonly mounts: readonly MountSpec[];
}

/** Undefined for every other mode. Throws NO_SUCH_CONTAINER, or PEER_NOT_RUNNING. */
export function findPeer(paths: EnginePaths, mode: NetworkMode): NetworkPeer | undefined {
  if (mode.kind !== 'container') return undefined;
  const { record, state } = findContainer(paths, mode.container, EXIT_ENGINE);
  if (state.status !== 'running')
    throw new TsrunError(
      'PEER_NOT_RUNNING',
      `Cannot share the network of container ${record.name}: it is not running`,
      { hint: 'a network lives as long as its container: start that one first' },
    );
  const { hostname, mounts } = record.spec;
  return { id: record.id, process: state.process, hostname, mounts };
}
