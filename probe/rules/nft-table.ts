/**
 * kube-proxy's nftables table of one family, read in one of two ways: over netlink (nft-netlink.ts), at the cost of the
 * Services that are asked for, or where that cannot be, as one listing of `nft`.
 */
import * as z from 'zod';
import { jumpsOfStatement } from '../../core/nftables/targets.ts';
import { parseNftRules } from '../../core/nftables/parse-json-rule.ts';
import type { Family } from '../../core/net/family.ts';
import type { Commands } from '../io/commands.ts';

/** A key of a set or map: `['10.96.0.7', 'tcp', '80']`. */
export interface NftKey {
  readonly name: string;
  readonly key: readonly string[];
}

/** The objects of a chain, as `nft -j list chain` prints them. */
export type NftObjects = readonly { readonly [key: string]: unknown }[];

export interface NftTable {
  /** The elements with these keys, by set or map, and perhaps others; none of one that is not there. */
  elements(keys: readonly NftKey[]): Promise<Map<string, unknown[]>>;
  /** All elements of these sets and maps, which costs what the cluster has of them; none of one that is not there. */
  allElements(names: readonly string[]): Promise<Map<string, readonly unknown[]>>;
  /** These chains, and those that their rules jump to; undefined for one that is not there. */
  chains(names: readonly string[]): Promise<Map<string, NftObjects | undefined>>;
  /** Of these sets, those whose elements go after a time: in seconds. */
  timeouts(names: readonly string[]): Promise<Map<string, number>>;
}

/**
 * One listing of a table, `nft -j list table`, cut into its objects. Only those that are asked for are parsed: the
 * listing is as long as the cluster has Services (0.8 KB for each).
 *
 * One listing and not a question for each chain: for any of `list chain`, `get element` and `list sets`, nft reads all
 * sets of the table with their elements first, and kube-proxy has an anonymous map in a rule of each Service, so that
 * each question costs as much as the listing (docs/decisions/040-reading-costs-the-service.md).
 */
export class NftTableListing implements NftTable {
  /** Objects by the chain that they declare or belong to. */
  readonly #chains = new Map<string, string[]>();
  /** Sets and maps by name. */
  readonly #sets = new Map<string, string>();

  /** @param text of `nft -j list table` */
  constructor(text: string) {
    for (const object of splitObjects(text)) {
      const [, kind, name] =
        /^\{"(set|map|chain|rule)": ?\{"family": ?"[^"]*", ?(?:"table": ?"[^"]*", ?)?"(?:name|chain)": ?"([^"]*)"/.exec(
          object,
        ) ?? [];
      if (name === undefined) continue;
      if (kind === 'set' || kind === 'map') this.#sets.set(name, object);
      else {
        const objects = this.#chains.get(name);
        if (objects === undefined) this.#chains.set(name, [object]);
        else objects.push(object);
      }
    }
  }

  async elements(keys: readonly NftKey[]): Promise<Map<string, unknown[]>> {
    return new Map(
      [...new Set(keys.map(({ name }) => name))].map((name) => [name, [...(this.#set(name)?.elem ?? [])]]),
    );
  }

  async allElements(names: readonly string[]): Promise<Map<string, readonly unknown[]>> {
    return new Map(names.map((name) => [name, this.#set(name)?.elem ?? []]));
  }

  async chains(names: readonly string[]): Promise<Map<string, NftObjects | undefined>> {
    const found = new Map<string, NftObjects | undefined>();
    const wanted = new Set(names);
    for (const name of wanted) {
      const objects = this.#chain(name);
      found.set(name, objects);
      for (const { statements } of parseNftRules(objects ?? []))
        for (const jump of statements.flatMap(jumpsOfStatement)) wanted.add(jump);
    }
    return found;
  }

  async timeouts(names: readonly string[]): Promise<Map<string, number>> {
    return new Map(
      names.flatMap((name) => {
        const timeout = this.#set(name)?.timeout;
        return timeout === undefined ? [] : [[name, timeout] as const];
      }),
    );
  }

  #chain(name: string): NftObjects | undefined {
    return this.#chains.get(name)?.flatMap((text) => {
      const object = objectSchema.safeParse(JSON.parse(text));
      return object.success ? [object.data] : [];
    });
  }

  #set(name: string): z.infer<typeof setSchema> | undefined {
    const text = this.#sets.get(name);
    const parsed = text === undefined ? undefined : namedSetSchema.safeParse(JSON.parse(text));
    return parsed?.success === true ? Object.values(parsed.data)[0] : undefined;
  }
}

/** Lists kube-proxy's table of one family, or says why it could not be listed. */
export async function listNftTable(
  commands: Commands,
  family: Family,
  table: string,
): Promise<NftTableListing | { readonly problem: string }> {
  const pieces: string[] = [];
  const { status, problem } = await commands.stream(
    ['nft', '-j', 'list', 'table', family === 'IPv4' ? 'ip' : 'ip6', table],
    (line) => pieces.push(line),
  );
  if (status !== 0) return { problem };
  const text = pieces.join('');
  if (!text.startsWith('{"nftables":')) return { problem: 'nft -j printed no JSON of the known form' };
  return new NftTableListing(text);
}

const objectSchema = z.record(z.string(), z.unknown());
const setSchema = z.looseObject({ elem: z.array(z.unknown()).optional(), timeout: z.number().optional() });
/** `{"set": …}` or `{"map": …}` */
const namedSetSchema = z.record(z.string(), setSchema);

/** The texts of the objects in `{"nftables": [OBJECT, OBJECT]}`. */
export function* splitObjects(text: string): Generator<string> {
  let depth = 0;
  let start = -1;
  let quoted = false;
  for (let at = text.indexOf('['); at >= 0 && at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (quoted) {
      if (code === 92 /* \ */) at += 1;
      else if (code === 34 /* " */) quoted = false;
    } else if (code === 34) {
      quoted = true;
    } else if (code === 123 /* { */) {
      if (depth === 0) start = at;
      depth += 1;
    } else if (code === 125 /* } */) {
      depth -= 1;
      if (depth === 0) yield text.slice(start, at + 1);
    }
  }
}
