/** A container with a terminal, whose other side is sent to a socket, as runc's --console-socket does it. */
import type { Box } from './box.ts';
import type { Change } from './config.ts';
import { until } from './container.ts';
import { startPeer } from './peer.ts';

/** Runs a script in a terminal, and resolves with what the terminal showed. */
export async function inTerminal(box: Box, script: string, change: Change = () => {}): Promise<string> {
  const peer = await startPeer(box);
  const container = box.container((config) => {
    config.process.terminal = true;
    config.process.args = ['sh', '-c', `${script}; echo end`];
    change(config);
  });
  await container.create('--console-socket', peer.socket);
  await container.start();
  await until('the terminal shows the end', () => /end\r?\n$/.test(peer.terminalOutput()));
  return peer.terminalOutput().replace(/end\r?\n$/, '');
}
