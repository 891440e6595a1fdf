/**
 * Reads tables of nftables as a probe does, in the namespace that it is run in, for test/kernel/nft-netlink.test.ts:
 * requests as JSON on standard input, what was read on standard output.
 */
import { execFileSync } from 'node:child_process';
import { text } from 'node:stream/consumers';
import * as z from 'zod';
import { realCommands, type Commands } from '../../probe/io/commands.ts';
import { readNftTable } from '../../probe/rules/read-nft-table.ts';

const requestSchema = z.array(
  z.object({
    family: z.enum(['IPv4', 'IPv6']),
    table: z.string(),
    chains: z.array(z.string()),
    keys: z.array(z.object({ name: z.string(), key: z.array(z.string()) })),
    sets: z.array(z.string()),
    /** In so many attempts the table changes between two questions. */
    changes: z.number(),
  }),
);
export type ReadingRequest = z.infer<typeof requestSchema>[number];

export const readingsSchema = z.array(
  z.object({
    /** The programs that were run. */
    programs: z.array(z.string()),
    attempts: z.number(),
    problem: z.string().optional(),
    chains: z.array(z.tuple([z.string(), z.array(z.record(z.string(), z.unknown())).nullable()])),
    elements: z.record(z.string(), z.array(z.unknown())),
    timeouts: z.record(z.string(), z.number()),
  }),
);
export type Reading = z.infer<typeof readingsSchema>[number];

async function read({ family, table, chains, keys, sets, changes }: ReadingRequest): Promise<Reading> {
  const programs: string[] = [];
  const real = realCommands();
  const commands: Commands = {
    stream: (argv, onLine, input) => {
      programs.push(argv[0]);
      return real.stream(argv, onLine, input);
    },
  };
  let attempts = 0;
  const reading = await readNftTable(commands, family, table, async (source) => {
    attempts += 1;
    const elements = Object.fromEntries(await source.elements(keys));
    if (attempts <= changes)
      execFileSync('nft', ['add', 'chain', family === 'IPv4' ? 'ip' : 'ip6', table, `changed-${String(attempts)}`]);
    const objects = await source.chains(chains);
    return {
      elements,
      chains: [...objects].map(([name, each]): [string, Record<string, unknown>[] | null] => [
        name,
        each === undefined ? null : [...each],
      ]),
      timeouts: Object.fromEntries(await source.timeouts(sets)),
    };
  });
  return 'problem' in reading
    ? { programs, attempts, problem: reading.problem, elements: {}, chains: [], timeouts: {} }
    : { programs, attempts, ...reading.result };
}

if (import.meta.main) {
  const readings: Reading[] = [];
  for (const request of requestSchema.parse(JSON.parse(await text(process.stdin)))) readings.push(await read(request));
  process.stdout.write(`${JSON.stringify(readings)}\n`);
}
