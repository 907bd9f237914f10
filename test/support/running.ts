/** A command of tsrun that still runs: what it prints is waited for, and its end. */
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';

export interface Running {
  readonly process: ChildProcess;
  /** Resolves with standard output so far once `pattern` is in it; rejects when the command ends before. */
  waitFor(pattern: RegExp): Promise<string>;
  /** Exit status, or the name of the signal that ended the command itself. */
  readonly ended: Promise<{
    readonly code: number | NodeJS.Signals;
    readonly stdout: string;
    readonly stderr: string;
  }>;
}

/** Takes over what tsrun.start returned; a test that fails half-way does not leave it running. */
export function watch(child: ChildProcess): Running {
  const printed = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.on('data', (chunk: Buffer) => {
      printed[name] += chunk;
      child.emit('printed');
    });
  child.stdin?.on('error', () => {}); // a command that has ended does not read on
  const ended = once(child, 'close').then(([code, signal]) => ({
    code: (signal ?? code) as number | NodeJS.Signals,
    ...printed,
  }));
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
  });
  return {
    process: child,
    ended,
    waitFor: async (pattern) => {
      while (!pattern.test(printed.stdout)) {
        const { promise, resolve } = Promise.withResolvers<undefined>();
        child.once('printed', () => resolve(undefined));
        const end = await Promise.race([promise, ended]);
        if (end !== undefined && !pattern.test(printed.stdout))
          throw new Error(`ended (${end.code}) without ${pattern}:\n${end.stdout}\n${end.stderr}`);
      }
      return printed.stdout;
    },
  };
}

/** Length and sha256 of everything a command prints, without keeping it. */
export async function digestOfOutput(child: ChildProcess): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  child.stdout?.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    hash.update(chunk);
  });
  await once(child, 'close');
  return { bytes, sha256: hash.digest('hex') };
}
