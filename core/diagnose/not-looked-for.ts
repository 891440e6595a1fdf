/** What goes wrong with Services and is not in the catalogue, and why: so that nobody takes silence for health. */

export interface NotLookedFor {
  readonly id: string;
  /** What goes wrong, in one sentence. */
  readonly what: string;
  /** Why it is not found. */
  readonly why: string;
}

export const notLookedFor: readonly NotLookedFor[] = [
  {
    id: 'SVC-NOTFOUND',
    what: 'There is no Service of that name.',
    why: 'Without a Service there is nothing to judge: the condition Ready says so, with names near it, and the exit status is 4.',
  },
  {
    id: 'KP-NFT-CRASH',
    what: 'nft ends with a fault where a newer one made the sets (kubernetes/kubernetes#136786).',
    why: 'It is logged by kube-proxy alone, which a trace does not read (kubectl svctrace logs SERVICE --kube-proxy does); what comes of it is found as KP-RESTORE-FAIL and KP-SYNC-STALE.',
  },
  {
    id: 'KP-NFT-LOCKUP',
    what: 'The kernel hangs for seconds while rules of nftables are changed (kubernetes/kubernetes#135639).',
    why: 'It is logged by the kernel alone, which needs a capability (SYSLOG) that a probe does not have; what comes of it is found as KP-SYNC-SLOW, KP-SYNC-STALE and LAT-SLOW.',
  },
  {
    id: 'RULE-ZERO-HITS',
    what: 'Clients send packets, and no rule of the Service counts any: they do not come to the node.',
    why: 'Nothing on the node shows that clients send what does not come there. The rates in the live view show a rule without packets; kubectl svctrace capture shows what comes.',
  },
  {
    id: 'CT-SVC-DELETED',
    what: 'Conntrack entries of a Service that was deleted still point to its pods.',
    why: "A trace is of a Service that is there; addresses that no Service has are nobody's to ask for.",
  },
  {
    id: 'SYS-HAIRPIN',
    what: 'A pod cannot reach itself by the Service, because the bridge does not send packets back by the port that they came from (hairpin_mode 0).',
    why: "The ports of bridges are not read, and whether a network plugin needs it differs. RULE-NO-HAIRPIN-MASQ finds the rules' part of it.",
  },
  {
    id: 'SYS-MTU',
    what: 'Large packets are lost on the packet path to a pod, because an interface carries smaller ones.',
    why: 'The sizes that the packet path carries are not read; small packets, such as those of --connect, come through.',
  },
  {
    id: 'ROUTE-MISSING',
    what: 'A node has no route to the pods of another one.',
    why: 'Routes are not read: they depend on the network plugin. The active check (--connect) finds what comes of it as PROBE-FAIL-NODE.',
  },
  {
    id: 'RULE-FOREIGN-IPVS',
    what: 'Where kube-proxy runs in mode ipvs, third-party rules stop or divert packets, or their answers.',
    why: 'IPVS takes packets out of the hooks and turns their answers back in a way of its own (ip_vs_core.c), which is not followed beside other rules. The active check (--connect) finds what comes of it.',
  },
  {
    id: 'RULE-FOREIGN-LINK',
    what: 'Something drops packets before netfilter has them, or outside of it: tc, XDP and other eBPF programs, tables of the families bridge and netdev, a firewall between the nodes.',
    why: 'Such rules are not read, or not in a language that can be evaluated. Where a table of the family netdev is there, RULE-FOREIGN-UNKNOWN says so and the condition Healthy is Unknown.',
  },
  {
    id: 'RULE-FOREIGN-LATER',
    what: 'A rule stops later packets of a connection, and neither the first one nor its answer: limits, lists of recent clients, contents of packets.',
    why: 'The first packet of a connection and the answer to it are walked. Conditions that depend on what came before are followed both ways, and are RULE-FOREIGN-UNKNOWN where something depends on them.',
  },
  {
    id: 'PROBE-FAIL-HAIRPIN',
    what: 'The Service answers everybody but its own pods.',
    why: 'Connections are made from nodes, and from the one pod that the user names (--connect --from POD), which meets itself by chance alone where there are other endpoints. RULE-NO-HAIRPIN-MASQ finds what rules have to do with it.',
  },
];
