/** `tsrun network create`: make a network. */
import { createNetwork } from '../engine/create-network.ts';
import { checkCount, type FlagTable, parseFlags, type Syntax, usage } from './flags.ts';
import { print } from './print.ts';
import type { Context, Verb } from './verb.ts';

const FLAGS = {
  driver: { short: 'd', type: 'text', value: 'DRIVER', help: 'bridge, which is all there is' },
  gateway: {
    type: 'list',
    value: 'ADDRESS',
    help: "the bridge's own address; the first of the subnet when not given",
  },
  internal: { type: 'switch', help: 'no way out: its containers reach each other only' },
  'ip-range': {
    type: 'list',
    value: 'SUBNET',
    help: 'give containers addresses from this part of the subnet',
  },
  ipv6: { type: 'switch', help: 'addresses of IPv6 as well' },
  label: { type: 'list', value: 'NAME[=VALUE]', help: 'a note of your own' },
  opt: {
    short: 'o',
    type: 'list',
    value: 'NAME=VALUE',
    help: 'mtu (or com.docker.network.driver.mtu), com.docker.network.bridge.name',
  },
  subnet: {
    type: 'list',
    value: 'SUBNET',
    help: 'such as 10.89.0.0/24; one of each family; a free one when not given',
  },
} as const satisfies FlagTable;
const SYNTAX: Syntax = { verb: 'network create' };

export const verb: Verb = {
  synopsis: 'network create [flags] NETWORK',
  summary: 'Make a network: containers on it find each other by name',
  flags: FLAGS,
  run,
};

function run(args: readonly string[], { paths }: Context): number {
  const { flags, rest } = parseFlags(FLAGS, args, SYNTAX);
  checkCount(SYNTAX, rest, 1, 1);
  const [name = ''] = rest;
  const driver = flags.driver ?? 'bridge';
  if (driver !== 'bridge')
    throw usage(SYNTAX, `there is no network driver ${JSON.stringify(driver)}: networks are bridges`);
  const network = createNetwork(paths, {
    name,
    subnets: flags.subnet,
    gateways: flags.gateway,
    ranges: flags['ip-range'],
    ipv6: flags.ipv6,
    internal: flags.internal,
    labels: pairs(flags.label),
    options: pairs(flags.opt),
  });
  print(`${network.id}\n`);
  return 0;
}

function pairs(texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    texts.map((text) => {
      const [name = '', ...value] = text.split('=');
      if (name === '') throw usage(SYNTAX, `${JSON.stringify(text)} is not NAME=VALUE`);
      return [name, value.join('=')];
    }),
  );
}
