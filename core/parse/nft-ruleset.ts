/** A whole nftables ruleset: `nft -j list ruleset` (or of one table). */
import { z } from 'zod';
import { RulesetError, type NftChain, type NftRulesetTable } from '../ruleset.ts';
import { keyWords, parseNftMapElements, parseNftRules, withProtocolName } from './nft-json.ts';

const hookSchema = z.enum(['prerouting', 'input', 'forward', 'output', 'postrouting']);
const listingSchema = z.object({ nftables: z.array(z.record(z.string(), z.unknown())) });
const tableSchema = z.object({ family: z.string(), name: z.string() });
const chainSchema = z.object({
  family: z.string(),
  table: z.string(),
  name: z.string(),
  type: z.string().optional(),
  hook: z.string().optional(),
  prio: z.number().optional(),
  policy: z.enum(['accept', 'drop']).optional(),
});
const ruleSchema = z.object({ family: z.string(), table: z.string(), chain: z.string() });
const setSchema = z.object({ family: z.string(), table: z.string(), name: z.string(), elem: z.array(z.unknown()).optional() });

/** @throws RulesetError where the text is not what nft -j prints */
export function parseNftRulesetJson(text: string): NftRulesetTable[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RulesetError(`the JSON of nft cannot be read: ${error instanceof Error ? error.message : String(error)}; the dump may be torn`);
  }
  const listing = listingSchema.safeParse(value);
  if (!listing.success) throw new RulesetError('the JSON is not that of nft -j list ruleset: it has no list "nftables"');
  const tables = new Map<string, { family: string; name: string; chains: Map<string, NftChain & { rules: NftChain['rules'][number][] }>; maps: Map<string, ReturnType<typeof parseNftMapElements>>; sets: Map<string, (readonly string[])[]> }>();
  const tableOf = (family: string, name: string): NonNullable<ReturnType<typeof tables.get>> => {
    const key = `${family} ${name}`;
    const table = tables.get(key) ?? { family, name, chains: new Map(), maps: new Map(), sets: new Map() };
    tables.set(key, table);
    return table;
  };
  for (const object of listing.data.nftables) {
    const table = tableSchema.safeParse(object['table']);
    if (table.success) tableOf(table.data.family, table.data.name);
    const chain = chainSchema.safeParse(object['chain']);
    if (chain.success) {
      const { family, table: owner, name, type, hook, prio, policy } = chain.data;
      const known = hookSchema.safeParse(hook);
      const base = known.success && type !== undefined && prio !== undefined ? { type, hook: known.data, priority: prio, policy: policy ?? 'accept' } : undefined;
      tableOf(family, owner).chains.set(name, { ...(base === undefined ? {} : { base }), rules: [] });
    }
    const rule = ruleSchema.safeParse(object['rule']);
    if (rule.success) {
      const { chains } = tableOf(rule.data.family, rule.data.table);
      const own = chains.get(rule.data.chain) ?? { rules: [] };
      chains.set(rule.data.chain, own);
      own.rules.push(...parseNftRules([object]));
    }
    const map = setSchema.safeParse(object['map']);
    if (map.success) tableOf(map.data.family, map.data.table).maps.set(map.data.name, parseNftMapElements(map.data.elem ?? []));
    const set = setSchema.safeParse(object['set']);
    if (set.success) tableOf(set.data.family, set.data.table).sets.set(set.data.name, (set.data.elem ?? []).flatMap((element) => { const words = keyWords(element); return words === undefined ? [] : [withProtocolName(words)]; }));
  }
  return [...tables.values()];
}
