/**
 * Netlink from the command itself: what is asked of the kernel before a plan is made, and what is removed without one.
 * What a container needs is in its plan.
 */
import { closeSync, openSync } from 'node:fs';
import { errnoOf, TsrunError } from '../lib/errors.ts';
import { errnoName, native } from './native.ts';
import { decodeReplies, encodeRequest, type NetlinkReply, type NetlinkRequest } from './netlink.ts';

export interface NetlinkTarget {
  /** NETLINK_ROUTE or NETLINK_NETFILTER. */
  readonly protocol: number;
  /** A file of the network namespace (/proc/PID/ns/net); left out, this process's own. */
  readonly netns?: string;
  /** The file that a descriptor's name in the request stands for. */
  readonly file?: string;
}

const REPLY_BYTES = 1 << 20;
const MAX_REPLY_BYTES = 64 << 20;

/**
 * Sends all messages at once and returns what the kernel answered, without acks. Throws when it refused one of them; `code`
 * of the error's cause is the errno. `tried` completes "Cannot …".
 */
export function sendNetlink(target: NetlinkTarget, request: NetlinkRequest, tried: string): NetlinkReply[] {
  const { bytes, fd } = encodeRequest(request);
  const open = (path: string | undefined) => (path === undefined ? -1 : openSync(path, 'r'));
  const netns = open(target.netns);
  const file = open(target.file);
  if (fd !== undefined) bytes.writeInt32LE(file, fd.at);
  try {
    for (let capacity = REPLY_BYTES; ; capacity *= 8) {
      const reply = Buffer.alloc(capacity);
      const result = native().tsr_netlink(target.protocol, netns, bytes, bytes.length, reply, capacity);
      if (result >= 0) return decodeReplies(reply.subarray(0, result));
      const errno = errnoName(result);
      if (errno === 'EMSGSIZE' && capacity < MAX_REPLY_BYTES) continue;
      throw refused(tried, errno, reply.toString('utf8', 0, reply.indexOf(0)));
    }
  } finally {
    for (const opened of [netns, file]) if (opened >= 0) closeSync(opened);
  }
}

/** The errno with which the kernel refused a request of sendNetlink; undefined for an error of another kind. */
export function refusalOf(error: unknown): string | undefined {
  return error instanceof TsrunError && error.code === 'NETLINK' ? errnoOf(error.cause) : undefined;
}

function refused(tried: string, errno: string, words: string): TsrunError {
  const cause = Object.assign(new Error(errno), { code: errno });
  return new TsrunError('NETLINK', `Cannot ${tried}: ${words === '' ? '' : `${words}: `}${errno}`, { cause });
}
