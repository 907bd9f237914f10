/** Descriptors of the caller that go on into the container: 3 and those after it. sd_listen_fds(3). */
import { checkErrno, native } from '../../kernel/native.ts';
import { TsrunError } from '../../lib/errors.ts';
import { readLinkIfThere } from '../../lib/files.ts';

export interface PassedDescriptors {
  readonly count: number;
  /** What the program is told of them. */
  readonly env: readonly string[];
}

/**
 * Sockets that systemd opened for this process come first, then `preserved` others; all of them stay open when this process becomes
 * the helper. Throws when one is not open: something of Node's would be passed on in its place.
 */
export function passedDescriptors(preserved: number, env: NodeJS.ProcessEnv): PassedDescriptors {
  const listening = env.LISTEN_PID === `${process.pid}` ? Number(env.LISTEN_FDS ?? 0) : 0;
  const count = listening + preserved;
  for (let fd = 3; fd < 3 + count; fd++) {
    const file = readLinkIfThere(`/proc/self/fd/${fd}`);
    if (file === undefined || NODES_OWN.test(file)) {
      throw new TsrunError('NO_DESCRIPTOR', `cannot pass on descriptor ${fd}: it is not open`, {
        hint: `open ${count} descriptors from 3 on, or give another number to --preserve-fds`,
        exitCode: 1,
      });
    }
    checkErrno(native().tsr_pass_on(fd), `Cannot pass on descriptor ${fd}`);
  }
  return { count, env: listening === 0 ? [] : [`LISTEN_FDS=${listening}`, 'LISTEN_PID=1'] };
}

/** The first that Node opens, with the lowest number that is free. */
const NODES_OWN = /^anon_inode:\[event(poll|fd)\]$/;
