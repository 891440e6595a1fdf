/** Rules of one Service that somebody edits by hand: each fault has a Service of its own, on one node. */
import {
  replaceRule,
  chainOf,
  deleteRule,
  endpointRules,
  entryRule,
  iptables,
  only,
  rulesOf,
  serviceChain,
  targetOf,
} from '../iptables-edits.ts';
import { nft, nftBalancer, nftBalanceTo, nftServiceChain } from '../nft-edits.ts';
import type { Fault, FaultGroup, Undo } from '../fault.ts';
import type { Place } from '../place.ts';
import { service } from '../workload.ts';

/** An address of the pods' network that no pod has. */
const nobody = '10.244.9.9';

interface RuleFault {
  readonly name: string;
  readonly does: string;
  readonly ids: readonly string[];
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly healthy?: readonly string[];
  readonly edit: (place: Place, node: string, service: string) => Promise<unknown>;
  /** What a restart of kube-proxy does not take away. */
  readonly undo?: (place: Place, node: string) => Promise<unknown>;
}

/** The fault on each of the nodes, on a Service of its own. */
function onNodes(nodes: readonly string[], { name, does, ids, spec, healthy, edit, undo }: RuleFault): Fault[] {
  return nodes.map((node) => {
    const own = `${name}-${node.slice(-1)}`;
    return {
      name: own,
      does: `${does} (${node})`,
      service: own,
      objects: [service(own, spec)],
      ...(healthy === undefined ? {} : { healthy }),
      expected: [...ids.map((id) => `${id} ${node}`), ...(healthy ?? [])].sort(),
      inject: async (place): Promise<Undo> => {
        const restart = place.restartKubeProxyAfter(node);
        // An edit that fails halfway is taken away as well as one that does not.
        await restart();
        await edit(place, node, own);
        return async () => {
          await restart();
          await undo?.(place, node);
        };
      },
    };
  });
}

const iptablesNodes = ['node-a', 'node-c'] as const;

/** The KUBE-SEP chain of the endpoint that is on the node itself. */
async function endpointChain(place: Place, node: string, name: string): Promise<string> {
  const local = (await place.pods('web')).find((pod) => pod.node === node)?.ip ?? '';
  return targetOf(only(await endpointRules(place.node(node), name), ` -> ${local}:8080"`));
}

const iptablesFaults: readonly Fault[] = [
  ...onNodes(iptablesNodes, {
    name: 'endpoint-rule-deleted',
    does: 'the rule of the second of three endpoints is deleted from the KUBE-SVC chain',
    ids: ['RULE-EP-MISSING'],
    edit: async (place, node, name) =>
      deleteRule(place.node(node), 'nat', (await endpointRules(place.node(node), name))[1] ?? ''),
  }),
  ...onNodes(iptablesNodes, {
    name: 'foreign-endpoint-added',
    does: `a rule before those of the endpoints in the KUBE-SVC chain sends every fourth connection to ${nobody}, which no pod has`,
    ids: ['RULE-EP-STALE'],
    edit: async (place, node, name) => {
      const on = place.node(node);
      const chain = await serviceChain(on, name);
      await iptables(
        on,
        'nat',
        `-I ${chain} 2 -p tcp -m statistic --mode random --probability 0.25 -j DNAT --to-destination ${nobody}:8080`,
      );
    },
  }),
  ...onNodes(iptablesNodes, {
    name: 'endpoint-rules-reordered',
    does: 'the last rule of the KUBE-SVC chain, which has no probability, is moved before the others: they get nothing any more',
    ids: ['RULE-ORDER'],
    edit: async (place, node, name) => {
      const on = place.node(node);
      const last = (await endpointRules(on, name)).at(-1) ?? '';
      await deleteRule(on, 'nat', last);
      const first = (await endpointRules(on, name))[0] ?? '';
      const position = (await rulesOf(on, 'nat', chainOf(first))).indexOf(first) + 1;
      await iptables(on, 'nat', last.replace(/^-A (\S+)/, `-I $1 ${String(position)}`));
    },
  }),
  ...onNodes(iptablesNodes, {
    name: 'probability-edited',
    does: 'the probability of the first of three endpoints is set from 1/3 to 0.9',
    ids: ['RULE-PROB'],
    edit: async (place, node, name) => {
      const first = (await endpointRules(place.node(node), name))[0] ?? '';
      await replaceRule(place.node(node), 'nat', first, first.replace(/--probability \S+/, '--probability 0.9'));
    },
  }),
  ...onNodes(iptablesNodes, {
    name: 'dnat-port-edited',
    does: 'the KUBE-SEP chain of one endpoint sends to port 9999 of it instead of 8080',
    ids: ['RULE-DNAT-PORT'],
    edit: async (place, node, name) => {
      const chain = await endpointChain(place, node, name);
      const rule = only(await rulesOf(place.node(node), 'nat', chain), '--to-destination');
      await replaceRule(place.node(node), 'nat', rule, rule.replace(/(--to-destination \S+):8080/, '$1:9999'));
    },
  }),
  ...onNodes(iptablesNodes, {
    name: 'endpoint-twice',
    does: 'the rule of one endpoint is there twice: it gets two shares of the connections',
    ids: ['RULE-EP-DUP'],
    edit: async (place, node, name) => {
      const first = (await endpointRules(place.node(node), name))[0] ?? '';
      const position = (await rulesOf(place.node(node), 'nat', chainOf(first))).indexOf(first) + 1;
      await iptables(place.node(node), 'nat', first.replace(/^-A (\S+)/, `-I $1 ${String(position)}`));
    },
  }),
  ...onNodes(iptablesNodes, {
    name: 'endpoint-chain-emptied',
    does: 'the KUBE-SEP chain of one endpoint is emptied: every third connection goes to the cluster IP itself',
    ids: ['RULE-EP-MISSING'],
    edit: async (place, node, name) =>
      iptables(place.node(node), 'nat', `-F ${await endpointChain(place, node, name)}`),
  }),
  ...onNodes(iptablesNodes, {
    name: 'entry-rule-deleted',
    does: "the Service's rule is deleted from KUBE-SERVICES",
    ids: ['RULE-SVC-MISSING'],
    edit: async (place, node, name) => deleteRule(place.node(node), 'nat', await entryRule(place.node(node), name)),
  }),
  ...onNodes(iptablesNodes, {
    name: 'hairpin-rule-deleted',
    does: 'the rule that masquerades the connections of one endpoint to itself is deleted from its KUBE-SEP chain',
    ids: ['RULE-NO-HAIRPIN-MASQ'],
    edit: async (place, node, name) => {
      const chain = await endpointChain(place, node, name);
      await deleteRule(
        place.node(node),
        'nat',
        only(await rulesOf(place.node(node), 'nat', chain), '-j KUBE-MARK-MASQ'),
      );
    },
  }),
  ...onNodes(iptablesNodes, {
    name: 'mark-rule-deleted',
    does: 'the rule that marks connections from outside of the pods for masquerading is deleted from the KUBE-SVC chain',
    ids: ['RULE-NO-MASQ'],
    edit: async (place, node, name) => {
      const on = place.node(node);
      await deleteRule(on, 'nat', only(await rulesOf(on, 'nat', await serviceChain(on, name)), '-j KUBE-MARK-MASQ'));
    },
  }),
  ...onNodes(iptablesNodes, {
    name: 'rejected-as-without-endpoints',
    does: "the Service's rule in KUBE-SERVICES of nat is replaced by the REJECT in the filter table that kube-proxy writes for a Service without endpoints",
    ids: ['RULE-REJECT-LIVE'],
    edit: async (place, node, name) => {
      await deleteRule(place.node(node), 'nat', await entryRule(place.node(node), name));
      await iptables(
        place.node(node),
        'filter',
        `-A KUBE-SERVICES -d ${await place.clusterIp(name)}/32 -p tcp -m comment --comment "faults/${name}:http has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable`,
      );
    },
  }),
  ...onNodes(iptablesNodes, {
    name: 'reject-deleted',
    does: 'the REJECT of a Service without endpoints is deleted: its clients wait until they give up',
    ids: ['RULE-NO-REJECT'],
    spec: { selector: {} },
    healthy: ['EPS-EMPTY', 'SVC-NO-SELECTOR'],
    edit: async (place, node, name) =>
      deleteRule(
        place.node(node),
        'filter',
        only(await rulesOf(place.node(node), 'filter', 'KUBE-SERVICES'), `"faults/${name}:http has no endpoints"`),
      ),
  }),
  ...onNodes(iptablesNodes, {
    name: 'affinity-rules-deleted',
    does: 'the rules that send a client back to the endpoint that it had are deleted from the KUBE-SVC chain of a Service with session affinity',
    ids: ['RULE-AFFINITY'],
    spec: { sessionAffinity: 'ClientIP' },
    edit: async (place, node, name) => {
      const on = place.node(node);
      const chain = await serviceChain(on, name);
      const rules = await rulesOf(on, 'nat', chain);
      // By number from the last one on: iptables does not find a rule of `recent` by its words.
      for (const [index, rule] of [...rules.entries()].reverse())
        if (rule.includes('--rcheck')) await iptables(on, 'nat', `-D ${chain} ${String(index + 1)}`);
    },
  }),
  ...onNodes(iptablesNodes, {
    name: 'node-port-rule-deleted',
    does: "the Service's rules are deleted from KUBE-NODEPORTS",
    ids: ['RULE-NODEPORT'],
    spec: { type: 'NodePort' },
    edit: async (place, node, name) => {
      const rules = await rulesOf(place.node(node), 'nat', 'KUBE-NODEPORTS');
      for (const rule of rules.filter((one) => one.includes(`"faults/${name}:http"`)))
        await deleteRule(place.node(node), 'nat', rule);
    },
  }),
];

const nftFaults: readonly Fault[] = [
  ...onNodes(['node-b'], {
    name: 'endpoint-rule-deleted',
    does: 'the second of three endpoints is taken from the map of the service chain',
    ids: ['RULE-EP-MISSING'],
    edit: async (place, node, name) => {
      const { targets } = await nftBalancer(place.node(node), name);
      await nftBalanceTo(place.node(node), name, targets.toSpliced(1, 1));
    },
  }),
  ...onNodes(['node-b'], {
    name: 'foreign-endpoint-added',
    does: `${nobody}, which no pod has, is added to the map of the service chain`,
    ids: ['RULE-EP-STALE'],
    edit: async (place, node, name) => {
      const { targets } = await nftBalancer(place.node(node), name);
      await nftBalanceTo(place.node(node), name, [...targets, `${nobody} . 8080`]);
    },
  }),
  ...onNodes(['node-b'], {
    name: 'endpoint-twice',
    does: 'one endpoint is in the map of the service chain twice: it gets two shares of the connections',
    ids: ['RULE-EP-DUP'],
    edit: async (place, node, name) => {
      const { targets } = await nftBalancer(place.node(node), name);
      await nftBalanceTo(place.node(node), name, [...targets, targets[0] ?? '']);
    },
  }),
  ...onNodes(['node-b'], {
    name: 'dnat-port-edited',
    does: 'the map of the service chain sends to port 9999 of one endpoint instead of 8080',
    ids: ['RULE-DNAT-PORT'],
    edit: async (place, node, name) => {
      const { targets } = await nftBalancer(place.node(node), name);
      await nftBalanceTo(place.node(node), name, targets.with(0, (targets[0] ?? '').replace('8080', '9999')));
    },
  }),
  ...onNodes(['node-b'], {
    name: 'map-element-deleted',
    does: "the Service's element is deleted from the map service-ips",
    ids: ['RULE-SVC-MISSING'],
    edit: async (place, node, name) =>
      nft(place.node(node), `delete element ip kube-proxy service-ips { ${await place.clusterIp(name)} . tcp . 80 }`),
  }),
  ...onNodes(['node-b'], {
    name: 'service-chain-flushed',
    does: 'the service chain is emptied: packets go to the cluster IP itself',
    ids: ['RULE-SVC-MISSING'],
    edit: async (place, node, name) =>
      nft(place.node(node), `flush chain ip kube-proxy ${await nftServiceChain(place.node(node), name)}`),
  }),
  ...onNodes(['node-b'], {
    name: 'rejected-as-without-endpoints',
    does: 'the Service is moved from the map service-ips to no-endpoint-services, as if it had no endpoints',
    ids: ['RULE-REJECT-LIVE'],
    edit: async (place, node, name) => {
      const element = `${await place.clusterIp(name)} . tcp . 80`;
      await nft(place.node(node), `delete element ip kube-proxy service-ips { ${element} }`);
      await nft(
        place.node(node),
        `add element ip kube-proxy no-endpoint-services { ${element} comment "faults/${name}:http" : goto reject-chain }`,
      );
    },
  }),
  ...onNodes(['node-b'], {
    name: 'reject-deleted',
    does: 'a Service without endpoints is taken from the map no-endpoint-services; cluster-ips-check refuses its packets all the same',
    ids: [],
    spec: { selector: {} },
    healthy: ['EPS-EMPTY', 'SVC-NO-SELECTOR'],
    edit: async (place, node, name) =>
      nft(
        place.node(node),
        `delete element ip kube-proxy no-endpoint-services { ${await place.clusterIp(name)} . tcp . 80 }`,
      ),
  }),
  ...onNodes(['node-b'], {
    name: 'node-port-element-deleted',
    does: "the Service's element is deleted from the map service-nodeports",
    ids: ['RULE-NODEPORT'],
    spec: { type: 'NodePort' },
    edit: async (place, node, name) => {
      const port = await place.kubectl([
        '-n',
        'faults',
        'get',
        'service',
        name,
        '-o',
        'jsonpath={.spec.ports[0].nodePort}',
      ]);
      await nft(place.node(node), `delete element ip kube-proxy service-nodeports { tcp . ${port} }`);
    },
  }),
];

export const rulesOfServices: FaultGroup = {
  name: 'rules of one Service',
  graceSeconds: 0,
  faults: [...iptablesFaults, ...nftFaults],
};
