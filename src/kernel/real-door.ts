/**
 * plan → running container. The helper gets the plan in a sealed memfd and reports in another one. Either this process
 * waits for it, or it becomes the helper: then nothing of Node is left while the container runs.
 */
import { closeSync, readFileSync, readSync } from 'node:fs';
import type { KernelDoor, Launched } from './door.ts';
import { encodePlan } from './encode.ts';
import { checkErrno, native, nativeDirectory } from './native.ts';
import type { Plan } from './ops.ts';
import { readReport, reportSize } from './report.ts';

export const realDoor: KernelDoor = { run };

function run(plan: Plan): Launched {
  const fds = prepare(plan, 1);
  try {
    const pid = checkErrno(
      native().tsr_spawn_helper(fds.helper, fds.plan, fds.report),
      'Cannot start tsrun-exec',
    );
    const exitCode = checkErrno(native().tsr_wait(pid), 'Cannot wait for tsrun-exec');
    return { exitCode, report: readReport(plan, readAll(fds.report, reportSize(plan))) };
  } finally {
    for (const fd of Object.values(fds)) closeSync(fd);
  }
}

/** Whether this Node can replace itself (process.execve, Node 23.11). */
export const canBecomeHelper = typeof process.execve === 'function';

/** Never returns: this process becomes the helper, and on a failure the plan's reporter. */
export function becomeHelper(plan: Plan): never {
  const fds = prepare(plan, 0);
  process.execve?.(
    `/proc/self/fd/${fds.helper}`,
    ['tsrun-exec', 'run', `${fds.plan}`, `${fds.report}`],
    process.env,
  );
  throw new Error('process.execve is missing');
}

/**
 * The helper itself is copied into a sealed memfd: a process in the container can reach the program that started
 * it through /proc/PID/exe, and must not be able to write to it (CVE-2019-5736).
 */
function prepare(plan: Plan, cloexec: 0 | 1): { helper: number; plan: number; report: number } {
  const program = readFileSync(`${nativeDirectory()}/tsrun-exec`);
  const encoded = encodePlan(plan);
  return {
    helper: memfd('tsrun-exec', program, 1, 1),
    plan: memfd('plan', encoded, 1, cloexec),
    report: memfd('report', Buffer.alloc(reportSize(plan)), 0, cloexec),
  };
}

function memfd(name: string, content: Buffer, sealed: 0 | 1, cloexec: 0 | 1): number {
  const fd = native().tsr_memfd(name, content, BigInt(content.length), sealed, cloexec);
  return checkErrno(fd, `Cannot make the memfd ${name}`);
}

/** The first `size` bytes of an open file: a plan or a report that a process was left. */
export function readAll(fd: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  readSync(fd, bytes, 0, size, 0);
  return bytes;
}
