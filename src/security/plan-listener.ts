/** The supervisor of a container's system calls: how it gets the descriptor of the filter. seccomp_unotify(2), config-linux.md, Seccomp. */
import type { Op } from '../kernel/ops.ts';
import { stringifyExactJson } from '../spec/exact-json.ts';
import type { LinuxSeccomp } from '../spec/seccomp.ts';

/** Who a container is to other programs. runtime.md, State. */
export interface ContainerIdentity {
  readonly ociVersion: string;
  readonly id: string;
  /** The directory of its configuration. */
  readonly bundle: string;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

export interface Listener {
  /** A unix socket. */
  readonly path: string;
  /** The container process state as JSON; the pid goes between the parts. */
  readonly state: readonly string[];
}

/** The listener of `seccomp`, or undefined when it has none, or asks nobody: then the path is ignored. */
export function chooseListener(
  seccomp: LinuxSeccomp | undefined,
  container: ContainerIdentity | undefined,
): Listener | undefined {
  const asks = seccomp?.syscalls?.some((rule) => rule.action === 'SCMP_ACT_NOTIFY');
  if (!asks || !seccomp?.listenerPath || container === undefined) return undefined;
  const { ociVersion, id, bundle, annotations } = container;
  const process = {
    ociVersion,
    fds: ['seccompFd'],
    ...(seccomp.listenerMetadata ? { metadata: seccomp.listenerMetadata } : {}),
  };
  const state = { ociVersion, id, status: 'creating', bundle, ...(annotations ? { annotations } : {}) };
  return {
    path: seccomp.listenerPath,
    state: [`${open(process)},"pid":`, `,"state":${open(state)},"pid":`, '}}'],
  };
}

/** JSON that more can be put behind. */
function open(object: object): string {
  return stringifyExactJson(object).slice(0, -1);
}

/** While the host's files are there: the child inherits the connection. */
export function planConnection(listener: Listener | undefined): readonly Op[] {
  if (listener === undefined) return [];
  return [
    {
      op: 'connect_unix',
      into: 'listener',
      path: listener.path,
      why: 'The supervisor that decides about system calls of the container listens here.',
    },
  ];
}
