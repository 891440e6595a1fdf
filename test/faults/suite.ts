/** The groups of faults, in the order in which they are made. */
import type { FaultGroup } from './fault.ts';
import { apiObjects, loadBalancerPending } from './groups/api-objects.ts';
import { clientDns } from './groups/client-dns.ts';
import { clock } from './groups/clock.ts';
import { conntrack, conntrackFull } from './groups/conntrack.ts';
import { dns, dnsAnswerOfBefore } from './groups/dns.ts';
import { falseAlarms } from './groups/false-alarms.ts';
import { kubeProxyAsleep, kubeProxyStopped } from './groups/kube-proxy.ts';
import { leftovers } from './groups/leftovers.ts';
import { forwardingOff, nodeSettings } from './groups/node-settings.ts';
import { mistakes } from './groups/mistakes.ts';
import { rulesOfNodes } from './groups/rules-of-nodes.ts';
import { rulesOfServices } from './groups/rules-of-services.ts';
import { thirdPartyRules } from './groups/third-party-rules.ts';

/** Groups that do not disturb each other either. */
function atOnce(...groups: readonly FaultGroup[]): FaultGroup {
  return {
    name: groups.map(({ name }) => name).join(', '),
    graceSeconds: Math.max(...groups.map(({ graceSeconds }) => graceSeconds)),
    faults: groups.flatMap(({ faults }) => faults),
  };
}

export const suite: readonly FaultGroup[] = [
  rulesOfServices,
  ...rulesOfNodes,
  atOnce(thirdPartyRules, dnsAnswerOfBefore, loadBalancerPending),
  leftovers,
  kubeProxyStopped,
  kubeProxyAsleep,
  conntrack,
  atOnce(nodeSettings, conntrackFull),
  // Apart from the full table, which kube-proxy reads where endpoints of UDP change, as those of DNS do here.
  atOnce(forwardingOff, clock),
  ...dns,
  atOnce(apiObjects, clientDns, mistakes),
  falseAlarms,
];
