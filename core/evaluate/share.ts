/** Of how many connections a branch holds, where a scheduler of IPVS or a table of Maglev chooses by what no rule says: the choices are certain, their shares are not. */

/** What decides in place of a share. Unknown: a scheduler that is not understood, or one that goes by the order of its real servers. */
export type ChosenBy = 'ClientHash' | 'DestinationHash' | 'LeastConnections' | 'Unknown';

/** In place of a percentage. */
export const chosenByText: Readonly<Record<ChosenBy, string>> = {
  ClientHash: 'by hash of the client',
  DestinationHash: 'by hash of the destination',
  LeastConnections: 'by least connections',
  Unknown: 'share not known',
};

/** A branch is one of the choices of a virtual server, or of a frontend of eBPF: its probability counts them as equal, so that all of them sum to 1. */
export interface Scheduled {
  readonly by: ChosenBy;
  readonly server: object;
  /** Absent for what is left of several. */
  readonly realServer?: { readonly address: string; readonly port: number };
  /** How many choices there are; where clients may be refused too, that is one of them. */
  readonly choices: number;
}

interface Shared {
  readonly probability: number;
  readonly scheduled?: Scheduled | undefined;
}

/**
 * The share of all these branches of one walk together, from 0 to 1; undefined where it is not known: where it holds some
 * choices of a scheduler and not the others, or unequal parts of them.
 */
export function shareOf(leaves: readonly Shared[]): number | undefined {
  let total = 0;
  let byServer: Map<object, { choices: number; parts: Map<object | undefined, number> }> | undefined;
  for (const { probability, scheduled } of leaves) {
    total += probability;
    if (scheduled === undefined) continue;
    const { server, realServer, choices } = scheduled;
    byServer ??= new Map();
    const of = byServer.get(server) ?? { choices, parts: new Map<object | undefined, number>() };
    byServer.set(server, of);
    of.parts.set(realServer, (of.parts.get(realServer) ?? 0) + probability);
  }
  for (const { choices, parts } of byServer?.values() ?? []) {
    if (parts.size < choices) return undefined;
    const each = [...parts.values()];
    // Whatever their shares are: equal parts of all of them are a part of the whole.
    if (Math.max(...each) - Math.min(...each) > tolerance) return undefined;
  }
  return total;
}

/** The share of all these branches together as fields, or what decides in its place. */
export function shareFields(leaves: readonly Shared[]): {
  readonly probability?: number;
  readonly chosenBy?: ChosenBy;
} {
  const probability = shareOf(leaves);
  if (probability !== undefined) return { probability };
  const by = new Set(leaves.flatMap(({ scheduled }) => scheduled?.by ?? []));
  const [only = 'Unknown'] = by;
  return { chosenBy: by.size === 1 ? only : 'Unknown' };
}

/** Sums of floating point differ by less. */
const tolerance = 1e-9;
