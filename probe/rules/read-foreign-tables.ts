/** Reads the tables of nftables that other programs made: packets of Services pass their hooks, too. */
import * as z from 'zod';
import type { RecordOf } from '../../core/wire/node-report.ts';
import type { Commands } from '../io/commands.ts';
import type { Emit } from '../io/emit.ts';
import { iptablesTables, netfilterHooks } from '../../core/net/netfilter.ts';

/** Families whose hooks packets between machines pass; those of netdev see them before. */
const families = new Set(['ip', 'ip6', 'inet', 'netdev']);
/** A list of blocked addresses may have a hundred thousand of them. */
const mostCharacters = 2 * 1024 * 1024;
const mostTables = 20;

const listingSchema = z.object({ nftables: z.array(z.record(z.string(), z.unknown())) });
const hookedSchema = z.object({
  chain: z.object({ hook: z.enum(netfilterHooks) }),
});

export async function readForeignTables(
  commands: Commands,
  tables: NonNullable<RecordOf<'tables'>['nftables']>,
  emit: Emit,
): Promise<void> {
  // Iptables' own tables are read as iptables prints them.
  const foreign = tables.filter(
    ({ family, name }) =>
      families.has(family) &&
      !((family === 'ip' || family === 'ip6') && (name === 'kube-proxy' || iptablesTables.has(name))),
  );
  for (const [index, { family, name }] of foreign.entries()) {
    const own = { kind: 'foreignTable' as const, family, name };
    if (family === 'netdev') emit({ ...own, objects: [], omitted: 'tables of the family netdev are not read' });
    else if (index >= mostTables)
      emit({ ...own, objects: [], omitted: `only ${String(mostTables)} tables of other programs are read` });
    else await readTable(commands, own, emit);
  }
}

async function readTable(
  commands: Commands,
  own: { readonly kind: 'foreignTable'; readonly family: string; readonly name: string },
  emit: Emit,
): Promise<void> {
  let text = '';
  let length = 0;
  const { status, problem } = await commands.stream(['nft', '-j', 'list', 'table', own.family, own.name], (line) => {
    length += line.length;
    if (length <= mostCharacters) text += line;
  });
  if (status !== 0) emit({ ...own, objects: [], omitted: `it was not read: ${problem}` });
  else if (length > mostCharacters)
    emit({ ...own, objects: [], omitted: `it is longer than ${String(mostCharacters)} characters` });
  else {
    const objects = objectsOf(text);
    if (objects === undefined) emit({ ...own, objects: [], omitted: 'what nft printed of it is not a listing' });
    // A table that is registered at no hook does nothing to packets.
    else if (objects.some((object) => hookedSchema.safeParse(object).success)) emit({ ...own, objects });
  }
}

function objectsOf(text: string): Record<string, unknown>[] | undefined {
  try {
    const parsed = listingSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data.nftables.filter((object) => !('metainfo' in object)) : undefined;
  } catch {
    return undefined;
  }
}
