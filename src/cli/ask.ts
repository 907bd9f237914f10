/** Questions on the terminal that standard input is. */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';

export async function askLine(question: string): Promise<string> {
  return ask(question, process.stdout);
}

/** What is typed is not shown. */
export async function askSecret(question: string): Promise<string> {
  process.stdout.write(question);
  try {
    return await ask('', new Writable({ write: (_chunk, _encoding, done) => done() }));
  } finally {
    process.stdout.write('\n');
  }
}

/** Ctrl-C and Ctrl-D end the program as they end others. */
async function ask(question: string, output: NodeJS.WritableStream): Promise<string> {
  const lines = createInterface({ input: process.stdin, output, terminal: true });
  lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  lines.on('close', () => process.stdin.unref());
  try {
    return await lines.question(question);
  } finally {
    lines.close();
  }
}
