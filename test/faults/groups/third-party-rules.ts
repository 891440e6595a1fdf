/**
 * Third-party rules in the way of a Service's packets and of their answers. Each fault has a Service of its own,
 * with a target port of its own, so that all of them are made at the same time.
 */
import { testpodImage } from '../../cluster/images.ts';
import type { Fault, FaultGroup, KubernetesObject, Undo } from '../fault.ts';
import { deleteRule, iptables, rulesOf } from '../iptables-edits.ts';
import { nft } from '../nft-edits.ts';
import type { Place } from '../place.ts';
import { serverPod, service } from '../workload.ts';

const app = 'third-party';
/** An address of the pods' network that no pod has. */
const nobody = '10.244.9.9';
const everyNode = ['node-a', 'node-b', 'node-c'] as const;
/** Where kube-proxy runs in iptables mode. */
const iptablesNodes = ['node-a', 'node-c'] as const;
const firstPort = 9001;

/** What rules are about. */
interface Subject {
  readonly clusterIp: string;
  /** Addresses of all endpoints, with commas between. */
  readonly pods: string;
  /** The endpoint on the node itself. */
  readonly ownPod: string;
  /** The range of pods of another node. */
  readonly otherPods: string;
  readonly port: string;
}

type Rules =
  /** `TABLE CHAIN RULE`, put at the head of the chain. */
  | { readonly iptables: (subject: Subject) => readonly string[] }
  /** Base chains of a table of nftables. */
  | { readonly nft: (subject: Subject) => string };

interface ThirdPartyFault {
  readonly name: string;
  readonly does: string;
  readonly nodes: readonly string[];
  readonly rules: Rules;
  /** Nothing is wrong, whatever it looks like. */
  readonly isHarmless?: boolean;
}

const toPods = ({ pods, port }: Subject): string => `-d ${pods} -p tcp -m tcp --dport ${port}`;
const fromPods = ({ pods, port }: Subject): string => `-s ${pods} -p tcp -m tcp --sport ${port}`;
const nftTo = ({ pods, port }: Subject): string => `ip daddr { ${pods} } tcp dport ${port}`;
const nftFrom = ({ pods, port }: Subject): string => `ip saddr { ${pods} } tcp sport ${port}`;

const faults: readonly ThirdPartyFault[] = [
  {
    name: 'nat-before-kube-proxy',
    does: `a table of nftables sends packets to the cluster IP to ${nobody}, at the priority -110 of PREROUTING`,
    nodes: everyNode,
    rules: {
      nft: ({ clusterIp }) =>
        `chain c { type nat hook prerouting priority -110; ip daddr ${clusterIp} tcp dport 80 dnat to ${nobody}; }`,
    },
  },
  {
    name: 'forward-drops-a-port',
    does: 'FORWARD drops packets to the target port of the pods',
    nodes: iptablesNodes,
    rules: { iptables: (subject) => [`filter FORWARD ${toPods(subject)} -j DROP`] },
  },
  {
    name: 'nft-forward-drops-a-port',
    does: 'a chain of nftables drops packets to the target port of the pods as they are forwarded',
    nodes: ['node-b'],
    rules: { nft: (subject) => `chain c { type filter hook forward priority 0; ${nftTo(subject)} drop; }` },
  },
  {
    name: 'packets-not-tracked',
    does: 'PREROUTING of the raw table keeps packets to the cluster IP from conntrack (CT --notrack), so that nothing rewrites them',
    nodes: everyNode,
    rules: { iptables: ({ clusterIp }) => [`raw PREROUTING -d ${clusterIp} -p tcp -m tcp --dport 80 -j CT --notrack`] },
  },
  {
    name: 'nft-packets-not-tracked',
    does: 'a chain of nftables keeps packets to the cluster IP from conntrack (notrack)',
    nodes: ['node-b'],
    rules: {
      nft: ({ clusterIp }) =>
        `chain c { type filter hook prerouting priority raw; ip daddr ${clusterIp} tcp dport 80 notrack; }`,
    },
  },
  {
    name: 'output-rejects',
    does: "OUTPUT rejects the node's own packets to the target port of the pods",
    nodes: iptablesNodes,
    rules: { iptables: (subject) => [`filter OUTPUT ${toPods(subject)} -j REJECT`] },
  },
  {
    name: 'nft-output-rejects',
    does: "a chain of nftables rejects the node's own packets to the target port of the pods",
    nodes: ['node-b'],
    rules: { nft: (subject) => `chain c { type filter hook output priority 0; ${nftTo(subject)} reject; }` },
  },
  {
    name: 'packets-in-a-zone',
    does: 'packets to the cluster IP are put into the zone 7 of conntrack, and their answers are not',
    nodes: iptablesNodes,
    rules: { iptables: ({ clusterIp }) => [`raw PREROUTING -d ${clusterIp} -p tcp -m tcp --dport 80 -j CT --zone 7`] },
  },
  {
    name: 'nft-packets-in-a-zone',
    does: 'a chain of nftables puts packets to the cluster IP into the zone 7 of conntrack, and their answers are not',
    nodes: ['node-b'],
    rules: {
      nft: ({ clusterIp }) =>
        `chain c { type filter hook prerouting priority raw; ip daddr ${clusterIp} tcp dport 80 ct zone set 7; }`,
    },
  },
  {
    name: 'answers-in-a-zone',
    does: 'answers of the pods are put into the zone 7 of conntrack, and the packets that they answer are not',
    nodes: iptablesNodes,
    rules: { iptables: (subject) => [`raw PREROUTING ${fromPods(subject)} -j CT --zone 7`] },
  },
  {
    name: 'nft-answers-in-a-zone',
    does: 'a chain of nftables puts answers of the pods into the zone 7 of conntrack',
    nodes: ['node-b'],
    rules: {
      nft: (subject) => `chain c { type filter hook prerouting priority raw; ${nftFrom(subject)} ct zone set 7; }`,
    },
  },
  {
    name: 'answers-not-tracked',
    does: 'PREROUTING of the raw table keeps answers of the pods from conntrack, so that nothing turns them back',
    nodes: iptablesNodes,
    rules: { iptables: (subject) => [`raw PREROUTING ${fromPods(subject)} -j CT --notrack`] },
  },
  {
    name: 'nft-answers-not-tracked',
    does: 'a chain of nftables keeps answers of the pods from conntrack',
    nodes: ['node-b'],
    rules: { nft: (subject) => `chain c { type filter hook prerouting priority raw; ${nftFrom(subject)} notrack; }` },
  },
  {
    name: 'mark-cleared',
    does: 'POSTROUTING of the mangle table clears the mark for masquerading',
    nodes: iptablesNodes,
    rules: { iptables: (subject) => [`mangle POSTROUTING ${toPods(subject)} -j MARK --and-mark 0xffffbfff`] },
  },
  {
    name: 'nft-mark-cleared',
    does: 'a chain of nftables clears the mark for masquerading before POSTROUTING of nat',
    nodes: ['node-b'],
    rules: {
      nft: (subject) =>
        `chain c { type filter hook postrouting priority -150; ${nftTo(subject)} meta mark set meta mark and 0xffffbfff; }`,
    },
  },
  {
    name: 'forward-drops-answers',
    does: 'FORWARD drops what comes from the target port of the pods',
    nodes: iptablesNodes,
    rules: { iptables: (subject) => [`filter FORWARD ${fromPods(subject)} -j DROP`] },
  },
  {
    name: 'nft-forward-drops-answers',
    does: 'a chain of nftables drops what comes from the target port of the pods',
    nodes: ['node-b'],
    rules: {
      nft: (subject) =>
        `chain c { type filter hook forward priority 0; ${nftFrom(subject)} ct state established drop; }`,
    },
  },
  {
    name: 'own-pod-may-not-answer-others',
    does: "a chain of nftables on the endpoint's own node drops its answers to pods of other nodes",
    nodes: everyNode,
    rules: {
      nft: ({ ownPod, otherPods, port }) =>
        `chain c { type filter hook forward priority -5; ip saddr ${ownPod} ip daddr ${otherPods} tcp sport ${port} drop; }`,
    },
  },
  {
    name: 'own-pod-hears-no-others',
    does: "FORWARD on the endpoint's own node drops packets of pods of other nodes to it",
    nodes: iptablesNodes,
    rules: {
      iptables: ({ ownPod, otherPods, port }) => [
        `filter FORWARD -s ${otherPods} -d ${ownPod} -p tcp -m tcp --dport ${port} -j DROP`,
      ],
    },
  },
  {
    name: 'mangle-drops-answers',
    does: 'PREROUTING of the mangle table drops what comes from the target port of the pods',
    nodes: iptablesNodes,
    rules: { iptables: (subject) => [`mangle PREROUTING ${fromPods(subject)} -j DROP`] },
  },
  {
    name: 'accepted-before-postrouting',
    does: 'POSTROUTING of nat accepts packets to the pods before KUBE-POSTROUTING masquerades them',
    nodes: iptablesNodes,
    rules: { iptables: (subject) => [`nat POSTROUTING ${toPods(subject)} -j ACCEPT`] },
  },
  {
    name: 'returned-before-postrouting',
    does: 'POSTROUTING of nat returns packets to the pods before KUBE-POSTROUTING masquerades them',
    nodes: iptablesNodes,
    rules: { iptables: (subject) => [`nat POSTROUTING ${toPods(subject)} -j RETURN`] },
  },
  {
    name: 'input-drops-answers',
    does: "INPUT drops what comes from the target port of the pods: answers to the node's own packets",
    nodes: iptablesNodes,
    rules: { iptables: (subject) => [`filter INPUT ${fromPods(subject)} -j DROP`] },
  },
  {
    name: 'nft-input-drops-answers',
    does: "a chain of nftables at INPUT drops answers to the node's own packets",
    nodes: ['node-b'],
    rules: { nft: (subject) => `chain c { type filter hook input priority 0; ${nftFrom(subject)} drop; }` },
  },
  {
    name: 'both-in-one-zone',
    does: 'packets and their answers are put into the same zone of conntrack, which is not a fault',
    nodes: iptablesNodes,
    rules: {
      iptables: (subject) => [
        ...['PREROUTING', 'OUTPUT'].map(
          (chain) => `raw ${chain} -d ${subject.clusterIp} -p tcp -m tcp --dport 80 -j CT --zone 7`,
        ),
        `raw PREROUTING ${toPods(subject)} -j CT --zone 7`,
        `raw PREROUTING ${fromPods(subject)} -j CT --zone 7`,
      ],
    },
    isHarmless: true,
  },
  {
    name: 'forward-never-sees-the-cluster-ip',
    does: 'FORWARD drops what comes from the cluster IP, which it never sees: answers get that address behind it',
    nodes: iptablesNodes,
    rules: { iptables: ({ clusterIp }) => [`filter FORWARD -s ${clusterIp} -j DROP`] },
    isHarmless: true,
  },
  {
    name: 'accepted-in-another-nat',
    does: "a nat chain of nftables accepts packets to the pods, which ends none of kube-proxy's",
    nodes: everyNode,
    rules: { nft: (subject) => `chain c { type nat hook postrouting priority 90; ${nftTo(subject)} accept; }` },
    isHarmless: true,
  },
];

function commentOf(name: string): string {
  return `fault ${name}`;
}

async function subjectOf(place: Place, node: string, name: string, port: number): Promise<Subject> {
  const pods = await place.pods(app);
  const own = pods.find((pod) => pod.node === node);
  const other =
    place.cluster.nodes.find((each) => each.name !== node && each.name !== 'node-b') ??
    place.cluster.nodes.find((each) => each.name !== node);
  return {
    clusterIp: await place.clusterIp(name),
    pods: pods.map(({ ip }) => ip).join(','),
    ownPod: own?.ip ?? '',
    otherPods: other?.podCIDRs.find((range) => !range.includes(':')) ?? '',
    port: String(port),
  };
}

async function make(place: Place, node: string, name: string, rules: Rules, subject: Subject): Promise<void> {
  if ('nft' in rules) {
    await nft(place.node(node), `table ip ${tableOf(name)} { ${rules.nft(subject)}; }`);
    return;
  }
  for (const rule of rules.iptables(subject)) {
    const [table = '', chain = '', ...rest] = rule.split(' ');
    await iptables(place.node(node), table, `-I ${chain} -m comment --comment "${commentOf(name)}" ${rest.join(' ')}`);
  }
}

async function takeAway(place: Place, node: string, name: string, rules: Rules, subject: Subject): Promise<void> {
  if ('nft' in rules) {
    await nft(place.node(node), `delete table ip ${tableOf(name)}`);
    return;
  }
  for (const table of new Set(rules.iptables(subject).map((rule) => rule.split(' ')[0] ?? ''))) {
    for (const rule of await rulesOf(place.node(node), table))
      if (rule.includes(`"${commentOf(name)}"`)) await deleteRule(place.node(node), table, rule);
  }
}

function tableOf(name: string): string {
  return `fault_${name.replaceAll('-', '_')}`;
}

const made = faults.flatMap((fault) =>
  fault.nodes.map((node) => ({ ...fault, node, name: `${fault.name}-${node.slice(-1)}` })),
);

/** A server on every node that declares all ports: who listens on them does not matter here. */
const pods: readonly KubernetesObject[] = everyNode.map((node) =>
  serverPod(`${app}-${node.slice(-1)}`, app, node, {
    container: {
      image: testpodImage,
      ports: [
        { name: 'http', containerPort: 8080 },
        ...made.map((_, index) => ({ name: `p${String(firstPort + index)}`, containerPort: firstPort + index })),
      ],
    },
  }),
);

export const thirdPartyRules: FaultGroup = {
  name: 'third-party rules',
  graceSeconds: 0,
  faults: made.map(({ name, does, node, rules, isHarmless = false }, index): Fault => {
    const port = firstPort + index;
    return {
      name,
      does: `${does} (${node})`,
      service: name,
      objects: [
        ...(index === 0 ? pods : []),
        service(name, { selector: { app }, ports: [{ name: 'http', port: 80, targetPort: port, protocol: 'TCP' }] }),
      ],
      expected: isHarmless ? [] : [`RULE-FOREIGN ${node}`],
      inject: async (place): Promise<Undo> => {
        const subject = await subjectOf(place, node, name, port);
        await make(place, node, name, rules, subject);
        return async () => takeAway(place, node, name, rules, subject);
      },
    };
  }),
};
