/** The groups of faults, in the order in which they are made. */
import type { FaultGroup } from './fault.ts';
import { apiObjects } from './groups/api-objects.ts';
import { clientDns } from './groups/client-dns.ts';
import { clock } from './groups/clock.ts';
import { conntrack, conntrackFull } from './groups/conntrack.ts';
import { dns } from './groups/dns.ts';
import { falseAlarms } from './groups/false-alarms.ts';
import { kubeProxyAsleep, kubeProxyStopped } from './groups/kube-proxy.ts';
import { leftovers } from './groups/leftovers.ts';
import { forwardingOff, nodeSettings } from './groups/node-settings.ts';
import { mistakes } from './groups/mistakes.ts';
import { rulesOfNodes } from './groups/rules-of-nodes.ts';
import { rulesOfServices } from './groups/rules-of-services.ts';
import { thirdPartyRules } from './groups/third-party-rules.ts';

/** Groups that were seen to give exactly what they must on the cluster: what may not change, and a run of all tests makes. */
export const provenGroups: readonly FaultGroup[] = [rulesOfServices, ...rulesOfNodes, leftovers, kubeProxyStopped, kubeProxyAsleep, conntrack, conntrackFull, nodeSettings, forwardingOff, ...dns, clientDns, clock, apiObjects];

/** `npm run faults` makes these too, which have not been seen exact yet. */
export const suite: readonly FaultGroup[] = [...provenGroups, thirdPartyRules, mistakes, falseAlarms];
