/** A program that receives file descriptors from the runtime, which Node cannot: peer.c, compiled once. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Box } from './box.ts';
import { until } from './container.ts';

export interface Connection {
  /** How many descriptors came with the first message, and with all others. */
  readonly fds: number;
  readonly later: number;
  /** Whether the first descriptor is a terminal. */
  readonly terminal: boolean;
  readonly payload: string;
}

export interface Peer {
  readonly socket: string;
  /** The connections that the runtime has closed. */
  connections(): readonly Connection[];
  /** What the terminal printed. */
  terminalOutput(): string;
}

export async function startPeer(box: Box): Promise<Peer> {
  const program = compile();
  // The name of a socket has at most 107 characters.
  const directory = mkdtempSync(join(tmpdir(), 'peer-'));
  const [socket, output] = [join(directory, 'socket'), join(directory, 'terminal')];
  const child = spawn(program, [socket, output], { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk;
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
    rmSync(program, { force: true });
  });
  await until(`the peer of ${box.name} listens`, () => printed.includes('ready'));
  return {
    socket,
    connections: () => parse(printed),
    terminalOutput: () => (existsSync(output) ? readFileSync(output, 'utf8') : ''),
  };
}

function compile(): string {
  const program = join(tmpdir(), `conformance-peer-${process.pid}`);
  execFileSync('cc', ['-O1', '-o', program, join(import.meta.dirname, 'peer.c')]);
  return program;
}

/** A payload may have line feeds; its length says where it ends. */
function parse(printed: string): Connection[] {
  const found: Connection[] = [];
  const header = /fds (\d+) later (\d+) terminal ([01]) bytes (\d+) /y;
  for (let at = printed.indexOf('\n') + 1; ; ) {
    header.lastIndex = at;
    const [whole, fds, later, terminal, bytes] = header.exec(printed) ?? [];
    if (whole === undefined) return found;
    const end = at + whole.length + Number(bytes);
    const payload = printed.slice(at + whole.length, end);
    found.push({ fds: Number(fds), later: Number(later), terminal: terminal === '1', payload });
    at = end + 1;
  }
}
