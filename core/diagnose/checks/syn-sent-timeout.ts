import type { NodeFacts } from '../../program/node-facts.ts';

/** nf_conntrack_tcp_timeout_syn_sent of nf_conntrack-sysctl.rst, where the node did not say its own. */
const usualSeconds = 120;

/** How long an entry stays after a SYN that nobody answers, in seconds. */
export function synSentTimeout({ system }: NonNullable<NodeFacts['read']>): number {
  return Number(system?.sysctls['net/netfilter/nf_conntrack_tcp_timeout_syn_sent'] ?? usualSeconds);
}
