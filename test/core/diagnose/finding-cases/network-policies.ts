/** Findings of NetworkPolicies. */
import type { ClientFacts, ClusterFacts, NetworkPolicyFacts } from '../../../../core/api/cluster-facts.ts';
import type { FromFacts } from '../../../../core/diagnose/checks/finding.ts';
import { bothEndpoints, cluster, policy } from '../../../support/cluster-facts.ts';
import { desiredService } from '../../../support/node-facts.ts';
import type { FindingCase } from './finding-case.ts';

const desired = desiredService(bothEndpoints, {
  ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 'web' }],
});
const web = { protocol: 'TCP' as const, port: 8080 };
const frontends = { podSelector: { matchLabels: { app: 'frontend' } } };
const client = (labels: Record<string, string>, extra: Partial<ClientFacts> = {}): ClientFacts => ({
  pod: 'client-a',
  labels,
  node: 'node-a',
  addresses: ['10.244.1.9'],
  hostNetwork: false,
  ...extra,
});
const fromPod: FromFacts = { pod: 'client-a', addresses: ['10.244.1.9'] };
type Ingress = NetworkPolicyFacts['ingress'];

function guarded(
  ingress: Ingress,
  extra: Partial<ClusterFacts> & { from?: FromFacts; pods?: never } = {},
): FindingCase['facts'] {
  const { from, ...rest } = extra;
  return {
    desired,
    nodes: [],
    cluster: cluster({ networkPolicies: [policy(ingress)], ...rest }),
    ...(from === undefined ? {} : { from }),
  };
}

const asked = (
  ingress: Ingress,
  labels: Record<string, string>,
  extra: Partial<ClientFacts> = {},
): FindingCase['facts'] => guarded(ingress, { client: client(labels, extra), from: fromPod });
const dnsPort = { protocol: 'UDP' as const, port: 53 };
const leaving = (
  egress: NonNullable<ClientFacts['egressPolicies']>[number]['egress'],
  extra: Partial<ClientFacts> = {},
): FindingCase['facts'] => ({
  desired,
  nodes: [],
  cluster: cluster({ client: client({}, { egressPolicies: [{ name: 'outgoing', egress }], ...extra }) }),
  from: fromPod,
});

export const networkPolicyCases: readonly FindingCase[] = [
  { name: 'a policy without a rule', facts: guarded([]), ids: ['NP-DENY'] },
  {
    name: 'a policy with a rule for another port',
    facts: guarded([{ from: [], ports: [{ protocol: 'TCP', port: 9090 }] }]),
    ids: ['NP-DENY'],
  },
  {
    name: 'a policy with a rule for the port in another protocol',
    facts: guarded([{ from: [], ports: [{ protocol: 'UDP', port: 8080 }] }]),
    ids: ['NP-DENY'],
  },
  { name: 'a policy that opens the port', facts: guarded([{ from: [], ports: [web] }]), ids: [] },
  {
    name: 'a policy that opens the port by its name',
    facts: guarded([{ from: [], ports: [{ protocol: 'TCP', port: 'web' }] }]),
    ids: [],
  },
  {
    name: 'a policy that opens a range of ports',
    facts: guarded([{ from: [], ports: [{ protocol: 'TCP', port: 8000, endPort: 8100 }] }]),
    ids: [],
  },
  {
    name: 'a policy that denies beside one that opens',
    facts: guarded([], { networkPolicies: [policy([]), policy([{ from: [], ports: [] }], { name: 'open' })] }),
    ids: [],
  },
  {
    name: 'a policy that opens the port for some',
    facts: guarded([{ from: [frontends], ports: [web] }]),
    ids: ['NP-LIMITS'],
  },

  { name: 'a client that may', facts: asked([{ from: [frontends], ports: [web] }], { app: 'frontend' }), ids: [] },
  {
    name: 'a client that may not',
    facts: asked([{ from: [frontends], ports: [web] }], { app: 'other' }),
    ids: ['NP-DENY'],
  },
  {
    name: 'a client by an expression',
    facts: asked(
      [
        {
          from: [{ podSelector: { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['other'] }] } }],
          ports: [],
        },
      ],
      { app: 'other' },
    ),
    ids: ['NP-DENY'],
  },
  {
    name: 'a client by an operator of a newer API',
    facts: asked(
      [
        {
          from: [{ podSelector: { matchExpressions: [{ key: 'app', operator: 'Like', values: ['o*'] }] } }],
          ports: [],
        },
      ],
      { app: 'other' },
    ),
    ids: ['NP-LIMITS'],
  },
  { name: 'a client of any namespace', facts: asked([{ from: [{ namespaceSelector: {} }], ports: [] }], {}), ids: [] },
  {
    name: 'a client of another namespace by its name',
    facts: asked(
      [{ from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }], ports: [] }],
      {},
    ),
    ids: ['NP-DENY'],
  },
  {
    name: 'a client by a label of its namespace that is not known',
    facts: asked([{ from: [{ namespaceSelector: { matchLabels: { team: 'shop' } } }], ports: [] }], {}),
    ids: ['NP-LIMITS'],
  },
  {
    name: 'a pod by a block that has its address',
    facts: asked([{ from: [{ ipBlock: { cidr: '10.244.0.0/16' } }], ports: [] }], {}),
    ids: ['NP-LIMITS'],
  },
  {
    name: 'a pod by a block that has not its address',
    facts: asked([{ from: [{ ipBlock: { cidr: '192.0.2.0/24' } }], ports: [] }], {}),
    ids: ['NP-DENY'],
  },
  {
    name: 'a client of the host network',
    facts: asked([{ from: [frontends], ports: [] }], { app: 'frontend' }, { hostNetwork: true }),
    ids: ['NP-LIMITS'],
  },
  {
    name: 'an address outside of the cluster, which may be masqueraded',
    facts: guarded([{ from: [{ ipBlock: { cidr: '192.0.2.0/24' } }], ports: [] }], {
      from: { addresses: ['198.51.100.9'] },
    }),
    ids: ['NP-LIMITS'],
  },
  {
    name: 'the node of the pod itself',
    facts: guarded([], { from: { node: 'node-a', addresses: ['172.30.0.11'] } }),
    ids: [],
  },
  {
    name: 'another node',
    facts: guarded([], { from: { node: 'node-b', addresses: ['172.30.0.12'] } }),
    ids: ['NP-DENY'],
  },

  { name: 'a client that may not leave', facts: leaving([]), ids: ['NP-EGRESS', 'NP-EGRESS-DNS'] },
  { name: 'a client that may ask the DNS alone', facts: leaving([{ to: [], ports: [dnsPort] }]), ids: ['NP-EGRESS'] },
  {
    name: 'a client that may ask the DNS by a range of ports',
    facts: leaving([{ to: [], ports: [{ protocol: 'UDP', port: 1, endPort: 100 }] }]),
    ids: ['NP-EGRESS'],
  },
  {
    name: 'a client that may reach the pods, and not the DNS',
    facts: leaving([{ to: [{ podSelector: { matchLabels: { app: 'auth' } } }], ports: [web] }]),
    ids: ['NP-EGRESS-DNS'],
  },
  {
    name: 'a client that may reach the pods and the DNS',
    facts: leaving([
      { to: [{ podSelector: { matchLabels: { app: 'auth' } } }], ports: [web] },
      { to: [], ports: [dnsPort] },
    ]),
    ids: [],
  },
  {
    name: 'a client that may reach the network of the pods',
    facts: leaving([{ to: [{ ipBlock: { cidr: '10.244.0.0/16' } }], ports: [] }]),
    ids: ['NP-LIMITS'],
  },
  {
    name: 'a client of the host network that policies would isolate',
    facts: leaving([], { hostNetwork: true }),
    ids: [],
  },
];
