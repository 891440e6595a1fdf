/** Run in a namespace: sends the first packet of each connection that stdin lists as JSON, from its own address and port. */
import dgram from 'node:dgram';
import net from 'node:net';
import { text } from 'node:stream/consumers';

export interface SentPacket {
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  readonly protocol: 'TCP' | 'UDP';
}

function sendTcp({ source, sourcePort, destination, destinationPort }: SentPacket): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect({
      host: destination,
      port: destinationPort,
      localAddress: source,
      localPort: sourcePort,
    });
    // Nobody listens: the packet is sent, and refused.
    socket.on('error', () => {
      resolve();
    });
    socket.on('connect', () => {
      socket.destroy();
      resolve();
    });
  });
}

function sendUdp({ source, sourcePort, destination, destinationPort }: SentPacket): Promise<void> {
  const socket = dgram.createSocket({ type: source.includes(':') ? 'udp6' : 'udp4', reuseAddr: true });
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.bind(sourcePort, source, () => {
      socket.send('?', destinationPort, destination, () => {
        socket.close(() => {
          resolve();
        });
      });
    });
  });
}

if (import.meta.main) {
  const packets = JSON.parse(await text(process.stdin)) as SentPacket[];
  for (const packet of packets) await (packet.protocol === 'TCP' ? sendTcp(packet) : sendUdp(packet));
}
