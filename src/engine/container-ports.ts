/** The published ports of a container: chosen before its plan is made, and taken back when nobody is left who would do it. */
import { TsrunError } from '../lib/errors.ts';
import type { Endpoint } from '../network/endpoint.ts';
import { bindingsOf, formatHostPort, type PortBinding } from '../network/published-port.ts';
import { flowTargets, networkElements, portElements, type RuleElement } from '../network/rules.ts';
import { removeFlows, removeRules } from '../network/rules-host.ts';
import { choosePorts, type PortChoice } from './choose-ports.ts';

export interface ContainerPorts {
  /** The container's name. */
  readonly container: string;
  readonly ports: readonly PortBinding[];
  /** Served by a process: there are no rules for them. */
  readonly proxied: boolean;
}

/** `others`: what containers that run have. */
export function publishPorts(
  choice: PortChoice,
  { network, addresses }: Endpoint,
  others: readonly ContainerPorts[],
): readonly PortBinding[] {
  const held = others.flatMap(({ container, ports }) => ports.map((port) => ({ ...port, container })));
  return choosePorts(choice, held).flatMap((port) => {
    const bindings = bindingsOf(
      port,
      addresses.map(({ address }) => address),
    );
    if (bindings.length > 0) return bindings;
    throw new TsrunError(
      'PORT_FAMILY',
      `Cannot publish ${port.containerPort}/${port.protocol} at ${formatHostPort(port)}: the container has no address of this kind on network ${network.name}`,
      { hint: 'publish it at an address of the other kind, or use a network that has both' },
    );
  });
}

/** What a running container has in the table of rules. */
export function recordedElements(
  record: ContainerPorts & { readonly endpoints: readonly Endpoint[] },
): readonly RuleElement[] {
  if (record.proxied) return [];
  const networks = record.endpoints.flatMap(({ network }) => networkElements(network));
  return [...networks, ...portElements(record.container, record.ports)];
}

/** For a container whose helper was killed. */
export function unpublishPorts({ container, ports, proxied }: ContainerPorts): void {
  if (proxied || ports.length === 0) return;
  removeRules(portElements(container, ports));
  removeFlows(flowTargets(ports));
}
