/** What a status says of the different programs of nodes. */
import type { ProgramStatus, ChainStatus, RuleStatus } from '../api/service-trace.ts';
import type { NodeFacts } from '../program/node-facts.ts';
import { oncePer } from '../lib/once-per.ts';
import { fingerprintOf } from '../program/program-chains.ts';
import type { NodeProgram } from '../program/program.ts';

/** Each different program once; counters summed over the nodes that have it. */
export function programsOf(nodes: readonly NodeFacts[]): ProgramStatus[] {
  const byFingerprint = new Map<string, { program: NodeProgram; nodes: string[]; chains: ChainStatus[] }>();
  for (const { node, read } of nodes) {
    if (read === undefined || read.program.chains.length === 0) continue;
    const fingerprint = fingerprintOf(read.program);
    const chains = read.program.chains.map(chainStatus);
    const present = byFingerprint.get(fingerprint);
    if (present === undefined) byFingerprint.set(fingerprint, { program: read.program, nodes: [node], chains });
    else {
      present.nodes.push(node);
      present.chains = present.chains.map((chain, index) => sumChains(chain, chains[index]));
    }
  }
  return [...byFingerprint].map(([fingerprint, { program, nodes: owners, chains }]) => ({
    fingerprint,
    proxyMode: program.proxyMode,
    ...(program.backend === undefined ? {} : { backend: program.backend }),
    nodes: owners,
    chains,
  }));
}

/** Nodes that have the same chain share it. */
const chainStatus = oncePer((chain: NodeProgram['chains'][number]): ChainStatus => ({
  family: chain.family,
  table: chain.table,
  name: chain.name,
  rules: chain.rules.map(({ text, counters }): RuleStatus => ({ text, ...(counters ?? {}) })),
}));

/** Programs of one fingerprint have the same chains with the same rules in the same order. */
function sumChains(one: ChainStatus, other: ChainStatus | undefined): ChainStatus {
  if (one.rules.every(({ packets }) => packets === undefined)) return one;
  return {
    ...one,
    rules: one.rules.map((rule, index) => {
      const same = other?.rules[index];
      if (rule.packets === undefined || same?.packets === undefined) return rule;
      return { ...rule, packets: rule.packets + same.packets, bytes: (rule.bytes ?? 0) + (same.bytes ?? 0) };
    }),
  };
}
