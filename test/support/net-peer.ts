/**
 * One end of a connection, run as a program of its own in the network namespace under test.
 *
 *     net-peer.ts serve NAME PORT             TCP and UDP, IPv4 and IPv6: answers `NAME saw ADDRESS`; prints `ready`
 *     net-peer.ts ask tcp|udp ADDRESS PORT    prints the answer, or `refused`, or `nothing` after a second (more in the VM)
 */
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { SLOWNESS } from './under-test.ts';

const [verb, ...args] = process.argv.slice(2);
const plain = (address = '') => address.replace('::ffff:', '');

function serve(name: string, port: number): void {
  const answer = (address: string | undefined) => `${name} saw ${plain(address)}\n`;
  const udp = createSocket('udp6');
  udp.on('message', (_, { address, port: from }) => udp.send(answer(address), from, address));
  const tcp = createServer((socket) => socket.on('error', () => {}).end(answer(socket.remoteAddress)));
  udp.bind(port, () => tcp.listen(port, () => console.log('ready')));
}

function ask(protocol: string, address: string, port: number): void {
  const finish = (said: string) => {
    process.stdout.write(said);
    process.exit(0);
  };
  setTimeout(finish, 1000 * SLOWNESS, 'nothing\n');
  if (protocol === 'udp') {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.on('error', () => finish('refused\n'));
    socket.connect(port, address, () => socket.send('?'));
    socket.on('message', (text) => finish(`${text}`));
    return;
  }
  let said = '';
  const socket = connect(port, address);
  socket.on('data', (text) => {
    said += text;
  });
  socket.on('error', () => finish('refused\n'));
  socket.on('end', () => finish(said));
}

if (verb === 'serve') serve(args[0] ?? '', Number(args[1]));
else ask(args[0] ?? '', args[1] ?? '', Number(args[2]));
