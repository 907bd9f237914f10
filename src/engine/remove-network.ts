/** `network rm` and `prune`: a network goes when no container is on it. */
import { readFileSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, TsrunError } from '../lib/errors.ts';
import { namesIn, readFileIfThere } from '../lib/files.ts';
import { parseAddress } from '../network/ip-address.ts';
import { parseLease } from '../network/lease-format.ts';
import { networkLeases } from '../network/leases.ts';
import type { Network } from '../network/network.ts';
import { readRecord } from './container-record.ts';
import { listContainers } from './container-store.ts';
import { removeBridge } from './network-bridge.ts';
import { HALF_WRITTEN, listNetworks, lockNetworks, networkFile, networksDirectory } from './network-store.ts';
import type { EnginePaths } from './paths.ts';

/**
 * A container that starts takes its addresses first and looks afterwards whether the network is still there; this takes the
 * network away first and looks afterwards whether there are addresses. So one of both sees the other.
 */
export function removeNetwork(paths: EnginePaths, network: Network): void {
  if (network.isDefault)
    throw new TsrunError('PREDEFINED_NETWORK', `Cannot remove network ${network.name}: it is always there`, {
      exitCode: 1,
    });
  using _locked = lockNetworks(paths);
  finishInterrupted(paths);
  const file = networkFile(paths, network.name);
  renameSync(file, file + REMOVING);
  if (!finishRemoval(paths, network)) throw inUse(paths, network);
}

/** What processes left that were killed while they wrote or removed a network. To be called under lockNetworks. */
export function finishInterrupted(paths: EnginePaths): void {
  for (const name of namesIn(networksDirectory(paths))) {
    const file = join(networksDirectory(paths), name);
    if (name.endsWith(HALF_WRITTEN)) unlinkSync(file);
    if (name.endsWith(REMOVING)) finishRemoval(paths, JSON.parse(readFileSync(file, 'utf8')) as Network);
  }
}

/** Behind the name of the file of a network that is being removed: nobody finds it there. */
const REMOVING = '.removing';

function finishRemoval(paths: EnginePaths, network: Network): boolean {
  const file = networkFile(paths, network.name);
  if (!removeLeases(paths, network)) {
    renameSync(file + REMOVING, file);
    return false;
  }
  removeBridge(network);
  unlinkSync(file + REMOVING);
  return true;
}

/** Names of the containers that have addresses on a network, or ids where there is no name. */
function usersOf(paths: EnginePaths, network: Network): readonly string[] {
  const directory = networkLeases(paths.runRoot, network);
  const ids = namesIn(directory).flatMap((address) => {
    const text = parseAddress(address) && readFileIfThere(join(directory, address));
    return text === undefined ? [] : [parseLease(text).containerId as Parameters<typeof readRecord>[1]];
  });
  return [...new Set(ids)].map((id) => readRecord(paths, id)?.name ?? id.slice(0, 12));
}

function removeLeases(paths: EnginePaths, network: Network): boolean {
  try {
    rmdirSync(networkLeases(paths.runRoot, network));
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return true;
    if (errnoOf(error) === 'ENOTEMPTY') return false;
    throw error;
  }
}

function inUse(paths: EnginePaths, network: Network): TsrunError {
  const users = usersOf(paths, network);
  return new TsrunError(
    'NETWORK_IN_USE',
    `Cannot remove network ${network.name}: ${users.length === 1 ? 'container' : 'containers'} ${users.join(', ')} ${users.length === 1 ? 'is' : 'are'} on it`,
    {
      hint: `end them (tsrun rm -f ${users.join(' ')}), or take them off: tsrun network disconnect`,
      exitCode: 1,
    },
  );
}

/** Whether no container needs a network: none that exists, running or not, was started on it, and none has joined it. */
export function isUnused(paths: EnginePaths): (network: Network) => boolean {
  const needed = new Set(
    listContainers(paths).flatMap(({ record: { network } }) =>
      network.mode.kind === 'network'
        ? [network.mode.name, ...network.more.map((place) => place.network)]
        : [],
    ),
  );
  return (network) => !network.isDefault && !needed.has(network.name) && usersOf(paths, network).length === 0;
}

/** Removes the unused networks that `matches`; the names of what was removed. */
export function pruneNetworks(paths: EnginePaths, matches: (network: Network) => boolean): readonly string[] {
  const unused = isUnused(paths);
  return listNetworks(paths)
    .filter((network) => unused(network) && matches(network))
    .flatMap((network) => {
      try {
        removeNetwork(paths, network);
        return [network.name];
      } catch (error) {
        // A container has joined it meanwhile.
        if (error instanceof TsrunError && error.code === 'NETWORK_IN_USE') return [];
        throw error;
      }
    });
}
