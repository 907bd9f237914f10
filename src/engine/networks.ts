/** All networks there are, those that are no bridge among them; by name or id. */
import { createHash } from 'node:crypto';
import { TsrunError } from '../lib/errors.ts';
import type { Network } from '../network/network.ts';
import { defaultNetwork, listNetworks, matchNetwork, noSuchNetwork } from './network-store.ts';
import type { EnginePaths } from './paths.ts';

export interface AnyNetwork {
  readonly id: string;
  readonly name: string;
  /** Docker's names. */
  readonly driver: 'bridge' | 'host' | 'null';
  /** Undefined for `host` and `none`, which have no addresses of their own. */
  readonly network: Network | undefined;
}

/** By name. */
export function allNetworks(paths: EnginePaths): readonly AnyNetwork[] {
  defaultNetwork(paths);
  const bridges = listNetworks(paths).map((network) => ({
    id: network.id,
    name: network.name,
    driver: 'bridge' as const,
    network,
  }));
  return [...bridges, withoutBridge('host', 'host'), withoutBridge('none', 'null')].toSorted((a, b) =>
    a.name.localeCompare(b.name),
  );
}

/** By name, id, or the beginning of an id that only one network has. */
export function findNetwork(paths: EnginePaths, nameOrId: string): AnyNetwork {
  const found = matchNetwork(allNetworks(paths), nameOrId);
  if (found !== undefined) return found;
  throw noSuchNetwork(nameOrId, 1);
}

/** One that can be changed: a bridge. */
export function findBridgeNetwork(paths: EnginePaths, nameOrId: string, tried: string): Network {
  const { network, name } = findNetwork(paths, nameOrId);
  if (network !== undefined) return network;
  throw new TsrunError('PREDEFINED_NETWORK', `Cannot ${tried} network ${name}: it is always there as it is`, {
    exitCode: 1,
  });
}

/** They are the same on every host, and so are their ids. */
function withoutBridge(name: string, driver: 'host' | 'null'): AnyNetwork {
  const id = createHash('sha256').update(`tsrun network ${name}`).digest('hex');
  return { id, name, driver, network: undefined };
}
