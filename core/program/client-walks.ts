/** Packets of all kinds of clients to one frontend, through a node's rules. */
import { oncePer } from '../lib/once-per.ts';
import { reachableAddresses } from '../net/address.ts';
import type { Packet, Leaf, WalkResult } from '../evaluate/walk.ts';
import type { Family } from '../net/family.ts';
import type { FrontendProgram } from './program.ts';
import type { NodeRules } from './node-rules.ts';
import type { RuleSummary } from './rule-summary.ts';
import { enteredChains } from './walked-chains.ts';

/** Where packets of each kind of client to one frontend end. */
export interface ClientWalks {
  readonly destination: string | undefined;
  readonly outside: readonly Leaf[];
  readonly fromNode: readonly Leaf[];
  readonly fromPod: readonly Leaf[];
  /** The chains that are reached from the frontend. */
  readonly chains: readonly string[];
}

/** A client that is neither a pod nor a node, of the networks for documentation (RFC 5737, RFC 3849). */
export const outsideClients: Readonly<Record<Family, readonly [string, ...string[]]>> = {
  IPv4: ['192.0.2.1', '198.51.100.1', '203.0.113.1', '100.64.0.1'],
  IPv6: ['2001:db8::1', '2001:db8:1::1', '2001:db8:2::1', '2001:db8:ffff::1'],
};

export function walksOf(
  frontend: FrontendProgram,
  rules: NodeRules | undefined,
  addresses: readonly string[],
  pod: string | undefined,
): ClientWalks {
  const { family, port, protocol } = frontend;
  const own = reachableAddresses(addresses, family);
  if (rules === undefined) return { destination: undefined, outside: [], fromNode: [], fromPod: [], chains: [] };
  const walk = (source: string, destination: string, entersAt: Packet['entersAt']): WalkResult =>
    rules.walk({ source, destination, destinationPort: port, protocol, entersAt });
  const clients = [
    outsideClients[family][0],
    ...(frontend.sourceRanges?.value ?? []).map((range) => range.split(/[/-]/)[0] ?? ''),
  ];
  const outside = firstSent(
    destinationsOf(frontend, addresses).flatMap((destination) => clients.map((client) => ({ destination, client }))),
    ({ destination, client }) => ({ destination, ...walk(client, destination, 'PREROUTING') }),
  );
  if (outside === undefined) return { destination: undefined, outside: [], fromNode: [], fromPod: [], chains: [] };
  const { destination } = outside;
  const fromNode = own[0] === undefined ? undefined : walk(own[0], destination, 'OUTPUT');
  return {
    destination,
    outside: outside.leaves,
    fromNode: fromNode?.leaves ?? [],
    fromPod: pod === undefined ? [] : walk(pod, destination, 'PREROUTING').leaves,
    chains: reachedChains(rules, fromNode === undefined ? [outside] : [outside, fromNode]),
  };
}

/** The addresses to try: the frontend's own, or for a NodePort those of the node. */
export function destinationsOf(
  { address, family }: Pick<FrontendProgram, 'address' | 'family'>,
  addresses: readonly string[],
): readonly string[] {
  return address === '' ? reachableAddresses(addresses, family) : [address];
}

/**
 * Of what is walked one after the other, the first that comes to an endpoint, or else the first: a NodePort may be served
 * on some of the node's addresses only, and source ranges may let in some clients only.
 */
export function firstSent<Each, Walked extends Pick<WalkResult, 'leaves'>>(
  all: readonly Each[],
  walk: (each: Each) => Walked,
): Walked | undefined {
  let first: Walked | undefined;
  for (const each of all) {
    const walked = walk(each);
    if (walked.leaves.some(isSent)) return walked;
    first ??= walked;
  }
  return first;
}

export function isSent({ verdict }: Leaf): boolean {
  return verdict === 'DNAT';
}

/** The Service's own chains that the packets came to, and those that their rules jump to, whether any packet gets there or not. */
function reachedChains(rules: NodeRules, walks: readonly WalkResult[]): string[] {
  const kubeChains = kubeChainsOf(rules.kindOf);
  const { entered: reached, ofChoices } = enteredChains(rules.kindOf, walks);
  for (const chain of reached) {
    // Within a choice, no rule of an endpoint's chain jumps to another chain of the Service.
    if (ofChoices.some((entered) => entered.has(chain))) continue;
    const summaries = rules.chain(chain);
    if (summaries !== undefined) for (const next of kubeChains(summaries)) reached.add(next);
  }
  return [...reached];
}

/** The chains of Services that a chain's rules jump to; several nodes may share the summaries of a chain. */
const kubeChainsOf = oncePer((kindOf: NodeRules['kindOf']) =>
  oncePer((summaries: readonly RuleSummary[]): readonly string[] => {
    const found = summaries.flatMap(({ chains }) => chains.filter((next) => kindOf(next) !== undefined));
    return found.length === 0 ? none : found;
  }),
);

const none: readonly never[] = [];

export function sentTargets(leaves: readonly Leaf[]): { readonly address: string; readonly port: number }[] {
  return leaves.flatMap(({ dnat }) => dnat ?? []);
}
