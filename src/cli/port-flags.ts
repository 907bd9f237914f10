/** The flags of `run` that are about ports. */
import type { NetworkMode, PortOptions } from '../engine/container-options.ts';
import { parseExposed, parsePublish } from '../engine/port-options.ts';
import { type FlagTable, type FlagValues, type Syntax, usage } from './flags.ts';

export const PORT_FLAGS = {
  expose: { type: 'list', value: 'PORT[/PROTOCOL]', help: 'a port that the program listens at, for -P' },
  publish: {
    short: 'p',
    type: 'list',
    value: '[[ADDRESS:]HOST_PORT:]PORT[/udp]',
    help: 'make a port of the container reachable at a port of the host; both can be ranges',
  },
  'publish-all': { short: 'P', type: 'switch', help: 'publish all exposed ports at free ports of the host' },
} as const satisfies FlagTable;

export function portOptions(
  flags: FlagValues<typeof PORT_FLAGS>,
  { kind }: NetworkMode,
  syntax: Syntax,
): PortOptions {
  const publishes = flags.publish.length > 0 || flags['publish-all'];
  if (kind === 'container' && (publishes || flags.expose.length > 0))
    throw usage(
      syntax,
      `conflicting options: port ${publishes ? 'publishing' : 'exposing'} and the container type network mode: ports are those of the container whose network is shared`,
    );
  return {
    publish: flags.publish.flatMap(parsePublish),
    expose: flags.expose.flatMap(parseExposed),
    publishAll: flags['publish-all'],
  };
}
