/** The rules of one node as a probe's report holds them for one Service. */
import { iptablesChainKind, nftChainKind } from '../kube-proxy/chain-kinds.ts';
import { walkHooks, type HookedChain } from '../evaluate/walk-hooks.ts';
import { AddressClasses } from '../evaluate/address-classes.ts';
import { IptablesWalk } from '../evaluate/walk-iptables.ts';
import { NftWalk } from '../evaluate/walk-nftables.ts';
import { ipvsHooks } from '../evaluate/walk-ruleset.ts';
import { Trail, type Packet, type WalkResult } from '../evaluate/walk.ts';
import { iptablesNodeRules } from './iptables-node-rules.ts';
import { ipvsNodeRules } from './ipvs-node-rules.ts';
import { nftNodeRules } from './nft-node-rules.ts';
import type { NodeReport } from '../wire/node-report.ts';
import type { NodeRules, WalkedRules } from './node-rules.ts';
import { oncePer } from '../lib/once-per.ts';
import type { Family } from '../net/family.ts';
import type { RegisteredChain } from './kube-proxy-hooks.ts';
import { readNodeReportRules, type NodeReportRules } from './read-node-report.ts';

/**
 * Undefined where the node's proxy mode is not known, or nothing of it was read. A report is never changed: the same
 * question has the same answer, and a packet is walked once.
 */
export function rulesOfNodeReport(report: NodeReport, service: string, family: Family): NodeRules | undefined {
  const known = answers.get(report) ?? new Map<string, NodeRules | undefined>();
  answers.set(report, known);
  const key = `${family} ${service}`;
  if (!known.has(key)) known.set(key, walkedOnce(nodeRulesOf(report, service, family)));
  return known.get(key);
}

const answers = new WeakMap<NodeReport, Map<string, NodeRules | undefined>>();

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

function walkedOnce(rules: NodeRules | undefined): NodeRules | undefined {
  if (rules === undefined) return undefined;
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

/** Which destinations the rules distinguish; a report is never changed. */
const destinationClassesOf = oncePer((rules: NodeReportRules): AddressClasses => {
  const classes = new AddressClasses('destination', rules.machine);
  addRulesOf(classes, rules);
  return classes;
});

/** Which sources they distinguish, the chains of single endpoints left out: those match their own endpoint. */
const sourceClassesOf = oncePer((rules: NodeReportRules): AddressClasses => {
  const classes = new AddressClasses('source', rules.machine);
  addRulesOf(
    classes,
    rules.kind === 'nftables'
      ? {
          ...rules,
          table: {
            ...rules.table,
            chains: new Map([...rules.table.chains].filter(([name]) => nftChainKind(name) !== 'endpoint')),
          },
        }
      : {
          ...rules,
          chains: rules.chains.filter(
            ([first]) => first === undefined || iptablesChainKind(first.chain) !== 'endpoint',
          ),
        },
  );
  return classes;
});

export function addRulesOf(classes: AddressClasses, rules: NodeReportRules): void {
  if (rules.kind === 'nftables') {
    const { table } = rules;
    for (const { rules: own } of table.chains.values())
      for (const { statements } of own) classes.addNft(statements, (name) => table.set(name) ?? table.map(name));
    return;
  }
  for (const own of rules.chains) for (const rule of own) classes.addIptables(rule);
  for (const { address, port } of rules.servers)
    if (address !== undefined && port !== undefined) classes.addPlace(address, port);
}

/** The result of the packet under the rules of a report. */
export function walkNodeReportRules(
  rules: NodeReportRules,
  packet: Packet,
  classes = destinationClassesOf(rules),
): WalkResult {
  const { machine, registered } = rules;
  const trail = new Trail();
  const atHooks = (runOf: (chain: RegisteredChain) => HookedChain['run']): HookedChain[] =>
    registered.map((chain) => ({ ...chain, run: runOf(chain) }));
  if (rules.kind === 'nftables') {
    const walk = new NftWalk(rules.table, packet, machine, trail);
    return walkHooks(
      atHooks(
        ({ chain }) =>
          (branches, at) =>
            walk.chain(chain, branches, at),
      ),
      packet,
      machine,
      trail,
      classes,
    );
  }
  const walk = new IptablesWalk(rules.lookup, packet, machine, trail);
  const chains = atHooks(
    ({ table, chain }) =>
      (branches, at) =>
        walk.chain(table, chain, branches, at),
  );
  return walkHooks([...chains, ...ipvsHooks(rules.servers, packet, trail)], packet, machine, trail, classes);
}
