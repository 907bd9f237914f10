/** Which process has a port of the host: found through /proc, only when somebody has to be told. proc_pid_fd(5). */
import { readdirSync, readlinkSync } from 'node:fs';
import { errnoOf } from '../lib/errors.ts';
import { readFileIfThere } from '../lib/files.ts';

export interface PortHolder {
  readonly pid: number;
  /** Its name, as ps(1) shows it. */
  readonly command: string;
}

/** Undefined when no socket listens there, or the process is not to be seen from here. */
export function findPortHolder(protocol: 'tcp' | 'udp', port: number): PortHolder | undefined {
  const sockets = new Set(socketsAt(protocol, port).map((inode) => `socket:[${inode}]`));
  if (sockets.size === 0) return undefined;
  const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && holds(name, sockets));
  if (pid === undefined) return undefined;
  return { pid: Number(pid), command: readFileIfThere(`/proc/${pid}/comm`)?.trim() ?? '' };
}

/** TCP_LISTEN; a UDP socket that is only bound is in the state TCP_CLOSE. */
const STATES = { tcp: '0A', udp: '07' } as const;

/** Inodes of the sockets that are bound to the port: local address, remote address, state and nine more columns. */
function socketsAt(protocol: 'tcp' | 'udp', port: number): readonly string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const line = new RegExp(`^\\s*\\d+: [0-9A-F]+:${hex} \\S+ ${STATES[protocol]} (?:\\S+\\s+){5}(\\d+)`);
  return ['', '6']
    .flatMap((family) => (readFileIfThere(`/proc/net/${protocol}${family}`) ?? '').split('\n'))
    .flatMap((text) => line.exec(text)?.[1] ?? []);
}

function holds(pid: string, sockets: ReadonlySet<string>): boolean {
  try {
    const directory = `/proc/${pid}/fd`;
    return readdirSync(directory).some((fd) => sockets.has(readlinkSync(`${directory}/${fd}`)));
  } catch (error) {
    // It, or the descriptor, may be gone by now, or another user's.
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(errnoOf(error) ?? '')) return false;
    throw error;
  }
}
