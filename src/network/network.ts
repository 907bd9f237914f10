/** A network as it is kept in <data root>/networks/<name>.json: a bridge, and the addresses behind it. */

export interface Subnet {
  /** `172.18.0.0/16` */
  readonly subnet: string;
  /** The bridge's own address, which is the default gateway of the containers. */
  readonly gateway: string;
  /** Only addresses from this part of the subnet are given to containers that do not ask for one. */
  readonly range?: string;
}

export interface Network {
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  /** The interface's name: tsrun0, or `tsr-` and the beginning of the id. */
  readonly bridge: string;
  /** At most one of each family. */
  readonly subnets: readonly Subnet[];
  /** No way out: containers reach each other only. */
  readonly internal: boolean;
  /** Bytes; the kernel's own default when left out. */
  readonly mtu?: number;
  readonly labels: Readonly<Record<string, string>>;
  /** As given with -o, for who asks again. */
  readonly options: Readonly<Record<string, string>>;
  /** ISO 8601. */
  readonly created: string;
  /** The network `bridge`, on which containers have addresses and no names. */
  readonly isDefault: boolean;
}
