/**
 * Reads a dump from standard input into typed rules, and prints how many: what bench/parse.ts measures. Its form is the
 * argument: what iptables-save prints (whose rules are shown and let go), or what nft lists, as text or as JSON.
 */
import { createReadStream } from 'node:fs';
import type { NftRulesetTable } from '../core/nftables/table.ts';
import type { DumpParser } from '../core/dump/lines.ts';
import { IptablesSaveDump } from '../core/iptables/parse-save.ts';
import { NftJsonParser } from '../core/nftables/parse-json.ts';
import { NftTextParser } from '../core/nftables/parse-text.ts';

async function read<Result>(dump: DumpParser<Result>): Promise<Result> {
  for await (const chunk of createReadStream('', { fd: 0 })) if (chunk instanceof Uint8Array) dump.push(chunk);
  const { result, problems } = dump.end();
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  return result;
}

const nftRules = (tables: readonly NftRulesetTable[]): number =>
  tables.reduce((sum, { chains }) => sum + [...chains.values()].reduce((all, chain) => all + chain.rules.length, 0), 0);

let rules = 0;
const [form] = process.argv.slice(2);
if (form === 'nft-text') rules = nftRules(await read(new NftTextParser()));
else if (form === 'nft-json') rules = nftRules(await read(new NftJsonParser()));
else
  await read(
    new IptablesSaveDump({
      keep: () => false,
      visit: () => {
        rules += 1;
      },
    }),
  );
process.stdout.write(String(rules));
