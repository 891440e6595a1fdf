/**
 * One listing of an nftables table, `nft -j list table`, cut into its objects. Only those that are asked for are parsed:
 * the listing is as long as the cluster has Services (0.8 KB for each).
 *
 * One listing and not a question for each chain: for any of `list chain`, `get element` and `list sets`, nft reads all
 * sets of the table with their elements first, and kube-proxy has an anonymous map in a rule of each Service, so that
 * each question costs as much as the listing (docs/decisions/040-reading-costs-the-service.md).
 */
import * as z from 'zod';
import type { Family } from '../core/service.ts';
import type { Commands } from './commands.ts';

export class NftTableListing {
  /** Objects by the chain that they declare or belong to. */
  readonly #chains = new Map<string, string[]>();
  /** Sets and maps by name. */
  readonly #sets = new Map<string, string>();

  /** @param text of `nft -j list table` */
  constructor(text: string) {
    for (const object of splitObjects(text)) {
      const [, kind, name] = /^\{"(set|map|chain|rule)": ?\{"family": ?"[^"]*", ?(?:"table": ?"[^"]*", ?)?"(?:name|chain)": ?"([^"]*)"/.exec(object) ?? [];
      if (name === undefined) continue;
      if (kind === 'set' || kind === 'map') this.#sets.set(name, object);
      else {
        const objects = this.#chains.get(name);
        if (objects === undefined) this.#chains.set(name, [object]);
        else objects.push(object);
      }
    }
  }

  /** The objects of a chain, as `nft -j list chain` prints them; undefined where there is no such chain. */
  chain(name: string): { [key: string]: unknown }[] | undefined {
    return this.#chains.get(name)?.flatMap((text) => {
      const object = objectSchema.safeParse(JSON.parse(text));
      return object.success ? [object.data] : [];
    });
  }

  /** All elements of a set or map; undefined where there is none of that name. */
  elements(name: string): unknown[] | undefined {
    const text = this.#sets.get(name);
    if (text === undefined) return undefined;
    const parsed = setSchema.safeParse(JSON.parse(text));
    return parsed.success ? Object.values(parsed.data).flatMap(({ elem }) => elem ?? []) : [];
  }
}

/** Lists kube-proxy's table of one family, or says why it could not be listed. */
export async function listNftTable(commands: Commands, family: Family, table: string): Promise<NftTableListing | { readonly problem: string }> {
  const pieces: string[] = [];
  const { status, problem } = await commands.stream(['nft', '-j', 'list', 'table', family === 'IPv4' ? 'ip' : 'ip6', table], (line) => pieces.push(line));
  if (status !== 0) return { problem };
  const text = pieces.join('');
  if (!text.startsWith('{"nftables":')) return { problem: 'nft -j printed no JSON of the known form' };
  return new NftTableListing(text);
}

const objectSchema = z.record(z.string(), z.unknown());
const setSchema = z.record(z.string(), z.looseObject({ elem: z.array(z.unknown()).optional() }));

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
