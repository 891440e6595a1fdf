/**
 * The two ends of a connection, each run in its own namespace. `serve PORT` answers TCP and UDP with the address that it
 * was asked from, and prints a line when it listens. `ask` makes a connection for each line `ADDRESS PORT TCP|UDP` of stdin, and
 * prints that address, or what came instead.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const timeoutMilliseconds = 500;

async function serve(port: number): Promise<void> {
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined).end(socket.remoteAddress ?? '');
  });
  const udp = createSocket('udp4');
  udp.on('message', (_message, from) => {
    udp.send(from.address, from.port, from.address);
  });
  tcp.listen(port, '0.0.0.0');
  udp.bind(port);
  await Promise.all([once(tcp, 'listening'), once(udp, 'listening')]);
  process.stdout.write('listening\n');
}

/** `192.0.2.1`, `refused` or `silence`. */
async function ask(address: string, port: number, protocol: string): Promise<string> {
  const silence = new Promise<string>((resolve) => {
    setTimeout(() => {
      resolve('silence');
    }, timeoutMilliseconds);
  });
  const answer = new Promise<string>((resolve) => {
    const refused = (): void => {
      resolve('refused');
    };
    if (protocol === 'TCP')
      connect({ host: address, port })
        .on('error', refused)
        .on('data', (data) => {
          resolve(data.toString());
        });
    else {
      const socket = createSocket('udp4');
      socket.on('error', refused).on('message', (message) => {
        resolve(message.toString());
      });
      socket.connect(port, address, () => {
        socket.send('?');
      });
    }
  });
  return Promise.race([answer, silence]);
}

const [, , role, ...args] = process.argv;
if (role === 'serve') await serve(Number(args[0]));
else {
  for await (const line of createInterface({ input: process.stdin })) {
    const [address = '', port, protocol = ''] = line.split(' ');
    process.stdout.write(`${await ask(address, Number(port), protocol)}\n`);
  }
  process.exit();
}
