/** Which tables the kernel holds, asked without making any. */
import { readFile } from 'node:fs/promises';
import type { RecordOf } from '../../core/wire/node-report.ts';
import { parseProcVirtualServers, type ProcVirtualServer } from '../../core/proc/ip-vs.ts';
import { NetlinkError } from '../../core/nftables/netlink/message.ts';
import { nftFamilies, type NftFamily } from '../../core/nftables/netlink/question.ts';
import type { Commands } from '../io/commands.ts';
import type { Emit } from '../io/emit.ts';
import { NftGeneration } from './nft-generation.ts';
import { readOverNetlink } from './over-netlink.ts';

interface NftTableName {
  readonly family: string;
  readonly name: string;
}

/** Emits the tables record, and unread for what did not answer. */
export async function readTables(commands: Commands, emit: Emit): Promise<RecordOf<'tables'>> {
  const [nftables, ipv4, ipv6, ipvs] = await Promise.all([
    listNftTables(commands, emit),
    tableNames('/proc/net/ip_tables_names', emit),
    tableNames('/proc/net/ip6_tables_names', emit),
    hasVirtualServers(),
  ]);
  const record: RecordOf<'tables'> = {
    kind: 'tables',
    ...(nftables === undefined ? {} : { nftables }),
    legacy: { IPv4: ipv4, IPv6: ipv6 },
    ipvs,
  };
  emit(record);
  return record;
}

/** Over netlink, in the order of nft; undefined where that cannot be. */
async function nftTablesOverNetlink(commands: Commands): Promise<NftTableName[] | undefined> {
  const families = Object.keys(nftFamilies) as NftFamily[];
  const reading = await readOverNetlink(commands, async (socket) => {
    const answers = await new NftGeneration(socket, 'IPv4').ask(
      '',
      families.map((family) => ({ ask: 'tables', family })),
    );
    return families.flatMap((family, index) =>
      (answers[index] ?? []).map((table) => {
        // NFTA_TABLE_NAME
        const name = table.string(1);
        if (name === undefined) throw new NetlinkError('a table has no name');
        return { family, name };
      }),
    );
  });
  return reading?.result;
}

/**
 * `nft list flowtables` prints a block for each table, with the flowtables that it has. `nft list tables` would do, were
 * it not that nft reads every rule of every table for it: on a node with 10,000 Services it took 54 s.
 */
async function listNftTables(commands: Commands, emit: Emit): Promise<NftTableName[] | undefined> {
  const known = await nftTablesOverNetlink(commands);
  if (known !== undefined) return known;
  const tables: NftTableName[] = [];
  const { status, problem } = await commands.stream(['nft', 'list', 'flowtables'], (line) => {
    const table = parseTableHeading(line);
    if (table !== undefined) tables.push(table);
  });
  if (status === 0) return tables;
  emit({ kind: 'unread', part: 'rules', what: 'rules of nf_tables: the list of its tables', reason: problem });
  return undefined;
}

/** `table ip kube-proxy {` */
export function parseTableHeading(line: string): { family: string; name: string } | undefined {
  const [, family, name] = /^table (\S+) (.+) \{/.exec(line) ?? [];
  return family === undefined || name === undefined ? undefined : { family, name: name.replace(/^"(.*)"$/, '$1') };
}

/** The file is not there where the kernel has no legacy iptables: then there is no table. */
async function tableNames(file: string, emit: Emit): Promise<string[]> {
  try {
    return (await readFile(file, 'utf8')).split('\n').filter((name) => name !== '');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    emit({
      kind: 'unread',
      part: 'rules',
      what: `rules of the legacy tables: ${file}`,
      reason: error instanceof Error ? error.message : String(error),
    });
    return [];
  }
}

async function hasVirtualServers(): Promise<boolean> {
  // Three lines of heading, then one for each server.
  return (await virtualServersText()).trim().split('\n').length > 3;
}

/** All virtual servers of the node, in one reading of the kernel; none where it has no IPVS. */
export async function allVirtualServers(): Promise<ProcVirtualServer[]> {
  return parseProcVirtualServers(await virtualServersText());
}

async function virtualServersText(): Promise<string> {
  return readFile('/proc/net/ip_vs', 'utf8').catch(() => '');
}
