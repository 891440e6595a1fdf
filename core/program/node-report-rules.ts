/** The rules of one node as a probe's report holds them for one Service. */
import { AddressClasses } from '../evaluate/address-classes.ts';
import type { WalkResult } from '../evaluate/walk.ts';
import { iptablesChainKind, nftChainKind } from '../kube-proxy/chain-kinds.ts';
import { oncePer, oncePerAll } from '../lib/once-per.ts';
import type { Family } from '../net/family.ts';
import type { NodeReport } from '../wire/node-report.ts';
import { iptablesNodeRules } from './iptables-node-rules.ts';
import { ipvsNodeRules } from './ipvs-node-rules.ts';
import { nftNodeRules } from './nft-node-rules.ts';
import type { NodeRules, WalkedRules } from './node-rules.ts';
import { readNodeReportRules, type NodeReportRules } from './read-node-report.ts';
import { addRulesOf, walkNodeReportRules } from './walk-node-report.ts';

/**
 * Undefined where the node's proxy mode is not known, or nothing of it was read. A report is never changed: the same
 * question has the same answer, and a packet is walked once.
 */
export const rulesOfNodeReport = oncePerAll(
  (report: NodeReport, service: string, family: Family): NodeRules | undefined => {
    const rules = nodeRulesOf(report, service, family);
    return rules === undefined ? undefined : walkedOnce(rules);
  },
);

function nodeRulesOf(report: NodeReport, service: string, family: Family): NodeRules | undefined {
  const rules = readNodeReportRules(report, service, family);
  if (rules === undefined) return undefined;
  const walked: WalkedRules = {
    walk: (packet) => walkNodeReportRules(rules, packet),
    sourceClass: (address) => sourceClassesOf(rules).classOf(address, 0, address),
  };
  if (rules.kind === 'nftables') return nftNodeRules(walked, rules.table);
  return rules.isIpvs
    ? ipvsNodeRules(walked, rules.servers, [...rules.machine.ipSets.values()])
    : iptablesNodeRules(walked, rules.lookup);
}

function walkedOnce(rules: NodeRules): NodeRules {
  const walks = new Map<string, WalkResult>();
  return {
    ...rules,
    walk: (packet) => {
      const { source, sourcePort, destination, destinationPort, protocol, entersAt, inInterface, outInterface } =
        packet;
      const key = [
        source,
        sourcePort,
        destination,
        destinationPort,
        protocol,
        entersAt,
        inInterface,
        outInterface,
      ].join(' ');
      const known = walks.get(key) ?? rules.walk(packet);
      walks.set(key, known);
      return known;
    },
  };
}

/** Which sources they distinguish, the chains of single endpoints left out: those match their own endpoint. */
const sourceClassesOf = oncePer((rules: NodeReportRules): AddressClasses => {
  const classes = new AddressClasses('source', rules.machine);
  addRulesOf(classes, withoutEndpointChains(rules));
  return classes;
});

function withoutEndpointChains(rules: NodeReportRules): NodeReportRules {
  if (rules.kind === 'nftables') {
    const chains = new Map([...rules.table.chains].filter(([name]) => nftChainKind(name) !== 'endpoint'));
    return { ...rules, table: { ...rules.table, chains } };
  }
  const chains = rules.chains.filter(([first]) => first === undefined || iptablesChainKind(first.chain) !== 'endpoint');
  return { ...rules, chains };
}
