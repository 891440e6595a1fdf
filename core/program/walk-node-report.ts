/** A packet through the rules of a node's report: through the hooks, as the kernel does. */
import { AddressClasses } from '../evaluate/address-classes.ts';
import { walkHooks, type HookedChain } from '../evaluate/walk-hooks.ts';
import { IptablesWalk } from '../evaluate/walk-iptables.ts';
import { NftWalk } from '../evaluate/walk-nftables.ts';
import { ipvsHooks } from '../evaluate/walk-ruleset.ts';
import { Trail, type Packet, type WalkResult } from '../evaluate/walk.ts';
import { oncePer } from '../lib/once-per.ts';
import type { RegisteredChain } from './kube-proxy-hooks.ts';
import type { NodeReportRules } from './read-node-report.ts';

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

/** Which destinations the rules distinguish; a report is never changed. */
const destinationClassesOf = oncePer((rules: NodeReportRules): AddressClasses => {
  const classes = new AddressClasses('destination', rules.machine);
  addRulesOf(classes, rules);
  return classes;
});

export function addRulesOf(classes: AddressClasses, rules: NodeReportRules): void {
  if (rules.kind === 'nftables') {
    const { table } = rules;
    for (const { rules: own } of table.chains.values())
      for (const { statements } of own) classes.addNft(statements, (name) => table.set(name) ?? table.map(name));
    return;
  }
  for (const own of rules.chains) classes.addIptables(own);
  for (const { address, port } of rules.servers)
    if (address !== undefined && port !== undefined) classes.addPlace(address, port);
}
