/** What a user can ask of a container, parsed; the command line and the API both end up here. */
import type { MountSpec } from '../spec/runtime.ts';

export interface ContainerOptions {
  /** Reference or id of the image. */
  readonly image: string;
  /** Replaces the image's Cmd when not empty. */
  readonly command: readonly string[];
  /** Replaces the image's Entrypoint, and drops its Cmd; the empty string means none. */
  readonly entrypoint?: string;
  readonly name?: string;
  readonly hostname?: string;
  /** NAME=value, the last one of a name wins. */
  readonly env: readonly string[];
  readonly workdir?: string;
  /** name, uid, name:group or uid:gid. */
  readonly user?: string;
  /** Binds and tmpfs. */
  readonly mounts: readonly MountSpec[];
  readonly readonlyRoot: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  /** `default`, `unconfined`, or the text of a profile. */
  readonly seccomp: 'default' | 'unconfined' | { readonly file: string; readonly text: string };
  readonly noNewPrivileges: boolean;
  readonly privileged: boolean;
  readonly network: 'none' | 'host';
  readonly tty: boolean;
  readonly interactive: boolean;
  /** Remove the container when it has ended. */
  readonly remove: boolean;
}
