/**
 * Reads kube-proxy's table over netlink in the namespace that it is run in, for test/kernel/nft-netlink.test.ts: a
 * request as JSON on standard input, what was read (or the error) as JSON on standard output.
 */
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { realCommands } from '../../probe/commands.ts';
import { NetlinkSocket } from '../../probe/netlink-socket.ts';
import { NetlinkNftTable } from '../../probe/nft-netlink.ts';

const requestSchema = z.array(z.object({ family: z.enum(['IPv4', 'IPv6']), chains: z.array(z.string()), keys: z.array(z.object({ name: z.string(), key: z.array(z.string()) })), sets: z.array(z.string()) }));
export type ReadingRequest = z.infer<typeof requestSchema>[number];

export const readingSchema = z.array(
  z.union([
    z.object({ error: z.string(), message: z.string() }),
    z.object({ chains: z.array(z.tuple([z.string(), z.array(z.record(z.string(), z.unknown())).nullable()])), elements: z.record(z.string(), z.array(z.unknown())), timeouts: z.record(z.string(), z.number()) }),
  ]),
);
export type Reading = z.infer<typeof readingSchema>[number];

async function readOne({ family, chains, keys, sets }: ReadingRequest): Promise<Reading> {
  const socket = new NetlinkSocket(realCommands());
  try {
    const table = new NetlinkNftTable(socket, family, 'kube-proxy');
    return {
      chains: [...(await table.chains(chains))].map(([name, objects]) => [name, objects === undefined ? null : [...objects]]),
      elements: Object.fromEntries(await table.elements(keys)),
      timeouts: Object.fromEntries(await table.timeouts(sets)),
    };
  } catch (error) {
    return { error: error instanceof Error ? error.name : 'unknown', message: String(error) };
  } finally {
    socket.close();
  }
}

if (import.meta.main) {
  const answers: Reading[] = [];
  for (const request of requestSchema.parse(JSON.parse(await text(process.stdin)))) answers.push(await readOne(request));
  process.stdout.write(`${JSON.stringify(answers)}\n`);
}
