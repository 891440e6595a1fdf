/** Which tables the kernel holds, asked without making any. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { RecordOf } from '../core/node-report.ts';
import type { Commands } from './commands.ts';
import type { Emit } from './read-iptables.ts';

const listingSchema = z.object({ nftables: z.array(z.looseObject({ table: z.object({ family: z.string(), name: z.string() }).optional() })) });

/** Emits the tables record, and unread for what did not answer. */
export async function readTables(commands: Commands, emit: Emit): Promise<RecordOf<'tables'>> {
  const [nftables, ipv4, ipv6, ipvs] = await Promise.all([
    listNftTables(commands, emit),
    tableNames('/proc/net/ip_tables_names', emit),
    tableNames('/proc/net/ip6_tables_names', emit),
    hasVirtualServers(),
  ]);
  const record: RecordOf<'tables'> = { kind: 'tables', ...(nftables === undefined ? {} : { nftables }), legacy: { IPv4: ipv4, IPv6: ipv6 }, ipvs };
  emit(record);
  return record;
}

async function listNftTables(commands: Commands, emit: Emit): Promise<{ family: string; name: string }[] | undefined> {
  let text = '';
  const { status, problem } = await commands.stream(['nft', '-j', 'list', 'tables'], (line) => { text += line; });
  let reason = problem;
  if (status === 0) {
    try {
      return listingSchema.parse(JSON.parse(text)).nftables.flatMap(({ table }) => (table === undefined ? [] : [table]));
    } catch {
      reason = 'nft -j list tables printed no JSON of the known form';
    }
  }
  emit({ kind: 'unread', what: 'rules of nf_tables: the list of its tables', reason });
  return undefined;
}

/** The file is not there where the kernel has no legacy iptables: then there is no table. */
async function tableNames(file: string, emit: Emit): Promise<string[]> {
  try {
    return (await readFile(file, 'utf8')).split('\n').filter((name) => name !== '');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    emit({ kind: 'unread', what: `rules of the legacy tables: ${file}`, reason: error instanceof Error ? error.message : String(error) });
    return [];
  }
}

async function hasVirtualServers(): Promise<boolean> {
  try {
    // Three lines of heading, then one for each server.
    return (await readFile('/proc/net/ip_vs', 'utf8')).trim().split('\n').length > 3;
  } catch {
    return false;
  }
}
