/**
 * Reads iptables on nf_tables in both ways, in the namespace that it is run in, for test/kernel/iptables-netlink.test.ts:
 * requests as JSON on standard input, what was read on standard output.
 */
import { execFileSync } from 'node:child_process';
import { text } from 'node:stream/consumers';
import * as z from 'zod';
import { probeRequestSchema } from '../../core/wire/probe-request.ts';
import type { Family } from '../../core/net/family.ts';
import { realCommands, type Commands } from '../../probe/io/commands.ts';
import type { Emit } from '../../probe/io/emit.ts';
import { NetlinkChains } from '../../probe/rules/chain-source.ts';
import { NetlinkSocket } from '../../probe/rules/netlink-socket.ts';
import { NftGeneration } from '../../probe/rules/nft-generation.ts';
import { readHookChains } from '../../probe/rules/read-hook-chains.ts';
import { readNftBackend } from '../../probe/rules/read-iptables-nft.ts';
import { readTables } from '../../probe/rules/read-tables.ts';

const requestSchema = z.object({
  family: z.enum(['IPv4', 'IPv6']),
  services: probeRequestSchema.shape.services,
  dispatch: z.enum(['Rules', 'References']),
});
export type NftChainsRequest = z.infer<typeof requestSchema>;

const recordsSchema = z.object({ programs: z.array(z.string()), records: z.array(z.record(z.string(), z.unknown())) });
export const nftReadingSchema = z.object({
  chains: z.array(
    z.object({
      table: z.string(),
      chain: z.string(),
      /** Of `iptables-nft-save -c`, the chain's policy before its rules. */
      saved: z.array(z.string()),
      /** Undefined where the tool has to read it. */
      lines: z.array(z.string()).optional(),
    }),
  ),
  overNetlink: recordsSchema,
  byTools: recordsSchema,
});
export type NftReading = z.infer<typeof nftReadingSchema>;

async function chainsOf(family: Family): Promise<NftReading['chains']> {
  const dump = execFileSync(`${family === 'IPv4' ? 'iptables' : 'ip6tables'}-nft-save`, ['-c'], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  const socket = new NetlinkSocket(realCommands());
  const found: NftReading['chains'] = [];
  for (const block of dump.split(/^(?=\*)/m)) {
    const table = /^\*(\S+)/.exec(block)?.[1];
    if (table === undefined) continue;
    const saved = new Map(
      [...block.matchAll(/^:(\S+) (\S+) /gm)].map(([, name = '', policy = '']): [string, string[]] => [name, [policy]]),
    );
    for (const line of block.split('\n')) saved.get(/^\[\d+:\d+\] -A (\S+)/.exec(line)?.[1] ?? '')?.push(line);
    const source = new NetlinkChains(new NftGeneration(socket, family), {
      list: () => Promise.resolve({ chains: new Map() }),
    });
    const { chains } = await source.list(
      table,
      [...saved.keys()].map((chain) => ({ chain })),
    );
    for (const [chain, lines] of saved) {
      const own = chains.get(chain);
      found.push({
        table,
        chain,
        saved: lines,
        ...(own === undefined ? {} : { lines: [own.policy ?? '-', ...own.lines] }),
      });
    }
  }
  socket.close();
  return found;
}

/** The tables, their third-party chains, and the Services' chains. */
async function recordsOf(
  { family, services, dispatch }: NftChainsRequest,
  withNetlink: boolean,
): Promise<z.infer<typeof recordsSchema>> {
  const programs: string[] = [];
  const real = realCommands();
  const commands: Commands = {
    stream: async (argv, onLine, input) => {
      if (argv[0] === 'perl' && !withNetlink) return { status: 127, problem: 'no perl', errors: [] };
      programs.push(argv[0] === 'xargs' ? (argv[4] ?? '') : argv[0]);
      return real.stream(argv, onLine, input);
    },
  };
  const records: Record<string, unknown>[] = [];
  const emit: Emit = (record) => {
    records.push({ ...record });
  };
  const { nftables = [] } = await readTables(commands, emit);
  const tables = new Set(
    nftables.flatMap((table) => (table.family === (family === 'IPv4' ? 'ip' : 'ip6') ? [table.name] : [])),
  );
  await readHookChains(commands, family, 'nf_tables', tables, false, emit);
  await readNftBackend(commands, family, tables, services, dispatch, emit);
  return { programs, records };
}

if (import.meta.main) {
  const request = requestSchema.parse(JSON.parse(await text(process.stdin)));
  const reading: NftReading = {
    chains: await chainsOf(request.family),
    overNetlink: await recordsOf(request, true),
    byTools: await recordsOf(request, false),
  };
  process.stdout.write(JSON.stringify(reading));
}
