/**
 * Who may do what in the store at the same time, by flock(2): the kernel drops a lock when its process dies, so no
 * crash leaves one behind. Work (load, import, a run that is about to mount) shares the store; removal has it alone.
 */
import { closeSync, openSync } from 'node:fs';
import { checkErrno, native } from '../kernel/native.ts';
import type { HostPath } from '../lib/brands.ts';

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = -11;

export type LockMode = 'shared' | 'exclusive';

/** A lock that is held until it is disposed of. */
export class FileLock implements Disposable {
  #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** The lock at once, or undefined when somebody else has it. */
  static try(path: HostPath, mode: LockMode): FileLock | undefined {
    const fd = openSync(path, 'a', 0o600);
    const result = native().tsr_flock(fd, (mode === 'shared' ? LOCK_SH : LOCK_EX) | LOCK_NB);
    if (result === 0) return new FileLock(fd);
    closeSync(fd);
    if (result !== EWOULDBLOCK) checkErrno(result, `Locking ${path}`);
    return undefined;
  }

  /** Waits in the kernel: only for locks that are held for a few system calls. */
  static waitBriefly(path: HostPath, mode: LockMode): FileLock {
    const fd = openSync(path, 'a', 0o600);
    const result = native().tsr_flock(fd, mode === 'shared' ? LOCK_SH : LOCK_EX);
    if (result === 0) return new FileLock(fd);
    closeSync(fd);
    checkErrno(result, `Locking ${path}`);
    throw new Error('flock(2) has no other answer');
  }

  /** Waits as long as it takes without stopping the event loop; flock(2) cannot tell when it could be had. */
  static async wait(path: HostPath, mode: LockMode, signal?: AbortSignal): Promise<FileLock> {
    for (let delayMs = 5; ; delayMs = Math.min(delayMs * 2, 100)) {
      signal?.throwIfAborted();
      const lock = FileLock.try(path, mode);
      if (lock) return lock;
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    this.#fd = -1;
  }
}
