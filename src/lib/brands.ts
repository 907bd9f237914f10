/**
 * Branded types: a host path is not a container path, and a container id is not any string. A value gets its
 * brand where it has been checked, or where it is made.
 */
declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** An absolute path on the host, as the host's mount namespace sees it. */
export type HostPath = Branded<string, 'HostPath'>;
/** An absolute path inside a container's root file system; never given to the host's file system calls. */
export type ContainerPath = Branded<string, 'ContainerPath'>;
/** 64 lower-case hexadecimal digits. */
export type ContainerId = Branded<string, 'ContainerId'>;
/** `sha256:` and 64 lower-case hexadecimal digits, or `sha512:` and 128. */
export type Digest = Branded<string, 'Digest'>;
/** An open file descriptor of this process. */
export type Fd = Branded<number, 'Fd'>;

export const hostPath = (path: string): HostPath => path as HostPath;
export const containerPath = (path: string): ContainerPath => path as ContainerPath;
