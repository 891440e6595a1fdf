/** Hears of one connection to 10.96.0.7:81 with the capabilities that it is run with; what came of it, as JSON. */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { realCommands } from '../../probe/io/commands.ts';
import { connectionFilter } from '../../probe/watch/connection-filter.ts';
import { ConntrackEvents } from '../../probe/watch/conntrack-events.ts';

let events = 0;
const kernel = new ConntrackEvents(realCommands(Infinity), {
  onMessages: (messages) => {
    events += messages.length;
  },
  onDropped: () => undefined,
});
const filter = connectionFilter({ addresses: [Uint8Array.of(10, 96, 0, 7)], ports: [] });
if ((await kernel.want(filter)) === undefined)
  process.stdout.write(JSON.stringify({ isReported: false, problem: await kernel.ended }));
else {
  const socket = connect({ host: '10.96.0.7', port: 81 });
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.on('close', resolve));
  for (let tries = 0; tries < 200 && events < 2; tries += 1) await sleep(50);
  process.stdout.write(JSON.stringify({ isReported: true, events }));
  kernel.end();
  await kernel.ended;
}
