/** Findings of the Service itself. */
import type { PodFacts } from '../../../../core/api/cluster-facts.ts';
import type { AddressUse, DesiredService } from '../../../../core/api/service.ts';
import type { RecordOf } from '../../../../core/wire/node-report.ts';
import { bothEndpoints, bothPods, cluster, clusterNode, pod } from '../../../support/cluster-facts.ts';
import { desiredService, endpoint, nodeFacts, nodeProgram } from '../../../support/node-facts.ts';
import type { FindingCase } from './finding-case.ts';

const service = (extra: Partial<DesiredService['service']> = {}, endpoints = bothEndpoints): DesiredService =>
  desiredService(endpoints, extra);
const noEndpoints = { endpoints: { bytes: 300, subsets: [] } };
const near = (labels: Record<string, string>): PodFacts => pod('10.244.1.2', { selected: false, labels });
const port = (targetPort: string, protocol: 'TCP' | 'UDP' = 'TCP'): DesiredService['service']['ports'][number] => ({
  name: 'http',
  protocol,
  port: 80,
  targetPort,
});
const withPorts = (address: string, ...ports: PodFacts['containers'][number]['ports']): PodFacts =>
  pod(address, { containers: [{ name: 'server', ports, restarts: 0 }] });
const balancer = {
  type: 'LoadBalancer',
  loadBalancerIPs: ['203.0.113.10'],
  loadBalancerSourceRanges: ['192.0.2.0/24'],
};
const ingress = cluster({ service: { createdAt: '2026-11-24T08:00:00Z', loadBalancerIngress: ['203.0.113.10'] } });
const dual = {
  clusterIPs: ['10.96.0.7', 'fd00:10:96::7'],
  ipFamilies: ['IPv4', 'IPv6'],
  ipFamilyPolicy: 'PreferDualStack',
};

const asked = (...otherPorts: NonNullable<RecordOf<'conntrack'>['otherPorts']>): ReturnType<typeof nodeFacts> =>
  nodeFacts('node-a', {
    conntrack: { kind: 'conntrack', service: 'default/auth-service', matched: 0, groups: [], lines: [], otherPorts },
  });

/** A pod of a ReplicaSet that a Deployment made. */
const madeBy = (made: PodFacts, deployment: string, hash = '6d5f8'): PodFacts => ({
  ...made,
  owner: { kind: 'ReplicaSet', name: `${deployment}-${hash}` },
  labels: { ...made.labels, 'pod-template-hash': hash },
});
/** A node with one entry of conntrack for a port of a pod. */
const talks = (
  replySourcePort: string,
  entry: Partial<RecordOf<'conntrack'>['groups'][number]>,
  replySource = '10.244.1.2',
): ReturnType<typeof nodeFacts> =>
  nodeFacts('node-a', {
    program: { proxyMode: 'iptables', proxyModeSource: 'test', frontends: [], chains: [], unrecognized: [] },
    conntrack: {
      kind: 'conntrack',
      service: 'default/auth-service',
      matched: 1,
      groups: [
        {
          family: 'IPv4',
          protocol: 'tcp',
          unreplied: false,
          destination: '10.96.0.7',
          destinationPort: 80,
          replySource,
          replySourcePort: Number(replySourcePort),
          entries: 1,
          ...entry,
        },
      ],
      lines: [],
    },
  });

const external = (use: AddressUse): DesiredService => ({
  ...service({ externalIPs: ['198.51.100.7'] }),
  externalAddresses: [{ address: '198.51.100.7', use }],
});

export const serviceCases: readonly FindingCase[] = [
  {
    name: 'a headless Service',
    facts: {
      desired: desiredService(undefined, { clusterIPs: [], notProxied: 'it is headless' }),
      nodes: [nodeFacts('node-a', { program: nodeProgram([]) })],
    },
    ids: ['SVC-NOT-PROXIED'],
  },
  {
    name: 'a healthy Service and all that the API server tells around it',
    facts: { desired: service(), nodes: [], cluster: cluster() },
    ids: [],
  },

  {
    name: 'a selector that matches nothing near',
    facts: { desired: service({}, []), nodes: [], cluster: cluster({ pods: [], ...noEndpoints }) },
    ids: ['SVC-SELECTOR-NOMATCH', 'EPS-EMPTY'],
  },
  {
    name: 'a misspelt selector',
    facts: {
      desired: service({ selector: { app: 'auht' } }, []),
      nodes: [],
      cluster: cluster({ pods: [near({ app: 'auth' })], ...noEndpoints }),
    },
    ids: ['SVC-SELECTOR-NOMATCH', 'EPS-EMPTY'],
  },
  {
    name: 'a selector whose key is misspelt',
    facts: {
      desired: service({ selector: { ap: 'auth' } }, []),
      nodes: [],
      cluster: cluster({ pods: [near({ app: 'auth' })], ...noEndpoints }),
    },
    ids: ['SVC-SELECTOR-NOMATCH', 'EPS-EMPTY'],
  },
  {
    name: 'a selector that matches ended pods alone',
    facts: {
      desired: service({}, []),
      nodes: [],
      cluster: cluster({ pods: [pod('10.244.1.2', { phase: 'Succeeded', ready: false })], ...noEndpoints }),
    },
    ids: ['EPS-EMPTY'],
  },
  {
    name: 'pods that may not be read',
    facts: { desired: service({}, []), nodes: [], cluster: withoutPods() },
    ids: ['EPS-EMPTY', 'DATA-API-UNREAD'],
  },
  {
    name: 'a selector without pods beside endpoints of another writer',
    facts: {
      desired: service({}, [endpoint('10.9.9.9', { targetRef: {} })]),
      nodes: [],
      cluster: cluster({
        pods: [],
        ...noEndpoints,
        endpointSlices: [{ name: 'auth-service-1', managedBy: 'mesh.example', bytes: 900 }],
      }),
    },
    ids: [],
  },

  {
    name: 'no selector and no endpoint',
    facts: { desired: desiredWithoutSelector([]), nodes: [], cluster: cluster({ pods: [], ...noEndpoints }) },
    ids: ['SVC-NO-SELECTOR', 'EPS-EMPTY'],
  },
  {
    name: 'no selector and endpoints made by hand',
    facts: {
      desired: desiredWithoutSelector([endpoint('10.9.9.9', { targetRef: {} })]),
      nodes: [],
      cluster: cluster({ pods: [], endpoints: null }),
    },
    ids: [],
  },
  {
    name: 'ExternalName',
    facts: {
      desired: {
        ...desiredWithoutSelector([]),
        service: {
          ...desiredWithoutSelector([]).service,
          type: 'ExternalName',
          notProxied: 'it is of type ExternalName',
        },
      },
      nodes: [],
      cluster: cluster({ pods: [], endpoints: null }),
    },
    ids: ['SVC-NOT-PROXIED'],
  },

  {
    name: 'a named target port that the pods have',
    facts: { desired: service({ ports: [port('web')] }), nodes: [], cluster: cluster() },
    ids: [],
  },
  {
    name: 'a named target port that no pod has',
    facts: { desired: service({ ports: [port('http')] }), nodes: [], cluster: cluster() },
    ids: ['SVC-TARGETPORT-NAME'],
  },
  {
    name: 'a named target port that only an ending pod lacks',
    facts: {
      desired: service({ ports: [port('web')] }),
      nodes: [],
      cluster: cluster({
        pods: [
          ...bothPods,
          pod('10.244.1.9', { containers: [], deletionTimestamp: '2026-11-24T10:00:20Z', hasPreStop: true }),
        ],
      }),
    },
    ids: [],
  },
  {
    name: 'a named target port of a headless Service',
    facts: {
      desired: service({ ports: [port('http')], clusterIPs: [], notProxied: 'it is headless' }),
      nodes: [],
      cluster: cluster(),
    },
    ids: ['SVC-NOT-PROXIED'],
  },
  {
    name: 'a named target port that one of two pods has',
    facts: {
      desired: service({ ports: [port('web')] }),
      nodes: [],
      cluster: cluster({ pods: [pod('10.244.1.2'), withPorts('10.244.2.3')] }),
    },
    ids: ['SVC-TARGETPORT-PARTIAL'],
  },

  {
    name: 'the name in another protocol',
    facts: { desired: service({ ports: [port('web', 'UDP')] }), nodes: [], cluster: cluster() },
    ids: ['SVC-TARGETPORT-NAME', 'SVC-PROTO'],
  },
  {
    name: 'the number in another protocol',
    facts: { desired: service({ ports: [port('8080', 'UDP')] }), nodes: [], cluster: cluster() },
    ids: ['SVC-PROTO'],
  },
  {
    name: 'a number that nobody declares',
    facts: { desired: service({ ports: [port('9090', 'UDP')] }), nodes: [], cluster: cluster() },
    ids: ['SVC-TARGETPORT-UNDECLARED'],
  },
  {
    name: 'the number that all declare',
    facts: { desired: service({ ports: [port('8080')] }), nodes: [], cluster: cluster() },
    ids: [],
  },
  {
    name: '9999 for 8080',
    facts: { desired: service({ ports: [port('9999')] }), nodes: [], cluster: cluster() },
    ids: ['SVC-TARGETPORT-UNDECLARED'],
    severities: ['warning'],
  },
  {
    name: '9999 for 8080, of pods that are just made',
    facts: {
      desired: service({ ports: [port('9999')] }, []),
      nodes: [],
      cluster: cluster({
        pods: bothPods.map((each) => ({ ...each, ready: false, createdAt: '2026-11-24T09:59:55Z' })),
        ...noEndpoints,
      }),
    },
    ids: ['EPS-EMPTY', 'SVC-TARGETPORT-UNDECLARED'],
  },
  {
    name: 'a number of pods that declare nothing',
    facts: {
      desired: service({ ports: [port('9999')] }),
      nodes: [],
      cluster: cluster({ pods: [withPorts('10.244.1.2'), withPorts('10.244.2.3')] }),
    },
    ids: [],
  },
  {
    name: 'a number of pods with one more container, which declares nothing',
    facts: {
      desired: service({ ports: [port('9999')] }),
      nodes: [],
      cluster: cluster({
        pods: bothPods.map((each) => ({
          ...each,
          containers: [...each.containers, { name: 'sidecar', ports: [], restarts: 0 }],
        })),
      }),
    },
    ids: [],
  },
  {
    name: 'an undeclared number that answers',
    facts: {
      desired: service({ ports: [port('9999')] }),
      nodes: [talks('9999', { state: 'ESTABLISHED' })],
      cluster: cluster(),
    },
    ids: [],
  },
  {
    name: 'an undeclared number that answered one of the pods of a Deployment',
    facts: {
      desired: service({ ports: [port('9999')] }),
      nodes: [talks('9999', { state: 'TIME_WAIT' })],
      cluster: cluster({ pods: bothPods.map((each) => madeBy(each, 'auth')) }),
    },
    ids: [],
  },
  {
    name: 'an undeclared number that reset before it was connected',
    facts: {
      desired: service({ ports: [port('9999')] }),
      nodes: [talks('9999', { state: 'CLOSE', assured: false })],
      cluster: cluster(),
    },
    ids: ['SVC-TARGETPORT-UNDECLARED'],
    severities: ['error'],
  },
  {
    name: 'an undeclared number that reset a connection',
    facts: {
      desired: service({ ports: [port('9999')] }),
      nodes: [talks('9999', { state: 'CLOSE', assured: true })],
      cluster: cluster(),
    },
    ids: [],
  },
  {
    name: 'an undeclared number of a headless Service',
    facts: {
      desired: service({ ports: [port('9999')], clusterIPs: [], notProxied: 'it is headless' }),
      nodes: [],
      cluster: cluster(),
    },
    ids: ['SVC-NOT-PROXIED'],
  },
  {
    name: 'a number that only an ending pod lacks',
    facts: {
      desired: service({ ports: [port('8080')] }),
      nodes: [],
      cluster: cluster({
        pods: [
          ...bothPods,
          {
            ...withPorts('10.244.1.9', { port: 9090, protocol: 'TCP' }),
            deletionTimestamp: '2026-11-24T10:00:20Z',
            hasPreStop: true,
          },
        ],
      }),
    },
    ids: [],
  },

  {
    name: 'pods of another Deployment that declare another number',
    facts: {
      desired: service({ ports: [port('8080')] }),
      nodes: [],
      cluster: cluster({
        pods: [
          madeBy(pod('10.244.1.2'), 'auth'),
          madeBy({ ...withPorts('10.244.2.3', { port: 9090, protocol: 'TCP' }), node: 'node-b' }, 'worker'),
        ],
      }),
    },
    ids: ['SVC-TARGETPORT-PARTIAL', 'SVC-MIXED-WORKLOADS'],
    severities: ['warning', 'warning'],
  },
  {
    name: 'the same with connections that had no answer',
    facts: {
      desired: service({ ports: [port('8080')] }),
      nodes: [talks('8080', { state: 'SYN_SENT', unreplied: true }, '10.244.2.3')],
      cluster: cluster({
        pods: [
          madeBy(pod('10.244.1.2'), 'auth'),
          madeBy({ ...withPorts('10.244.2.3', { port: 9090, protocol: 'TCP' }), node: 'node-b' }, 'worker'),
        ],
      }),
    },
    ids: ['SVC-TARGETPORT-PARTIAL', 'SVC-MIXED-WORKLOADS'],
    severities: ['error', 'warning'],
  },
  {
    name: 'pods of another Deployment that lack the name',
    facts: {
      desired: service({ ports: [port('web')] }),
      nodes: [],
      cluster: cluster({ pods: [madeBy(pod('10.244.1.2'), 'auth'), madeBy(withPorts('10.244.2.3'), 'worker')] }),
    },
    ids: ['SVC-TARGETPORT-PARTIAL', 'SVC-MIXED-WORKLOADS'],
    severities: ['warning', 'warning'],
  },
  {
    name: 'a canary',
    facts: {
      desired: service({ ports: [port('8080')] }),
      nodes: [],
      cluster: cluster({
        pods: [madeBy(pod('10.244.1.2'), 'auth'), madeBy(pod('10.244.2.3', { node: 'node-b' }), 'auth-canary')],
      }),
    },
    ids: ['SVC-MIXED-WORKLOADS'],
    severities: ['info'],
  },
  {
    name: 'two ReplicaSets of one Deployment',
    facts: {
      desired: service({ ports: [port('8080')] }),
      nodes: [],
      cluster: cluster({
        pods: [
          madeBy(pod('10.244.1.2'), 'auth', '6d5f8'),
          madeBy(pod('10.244.2.3', { node: 'node-b' }), 'auth', '77c9b'),
        ],
      }),
    },
    ids: [],
  },
  {
    name: 'a StatefulSet and pods that nobody controls',
    facts: {
      desired: service({ ports: [port('8080')] }),
      nodes: [],
      cluster: cluster({
        pods: [
          pod('10.244.1.2', { owner: { kind: 'StatefulSet', name: 'auth' } }),
          pod('10.244.2.3', { node: 'node-b' }),
        ],
      }),
    },
    ids: ['SVC-MIXED-WORKLOADS'],
  },
  {
    name: 'one number in both protocols',
    facts: {
      desired: service({ ports: [port('8080'), { ...port('8080', 'UDP'), name: 'http3' }] }),
      nodes: [],
      cluster: cluster(),
    },
    ids: [],
  },

  {
    name: 'packets to a port that the Service does not have',
    facts: {
      desired: desiredService(),
      nodes: [
        asked({
          family: 'IPv4',
          protocol: 'tcp',
          destination: '10.96.0.7',
          destinationPort: 8080,
          entries: 3,
          sources: ['10.244.1.9'],
        }),
      ],
    },
    ids: ['SVC-PORT-UNDEFINED'],
  },
  {
    name: 'packets to a port that the Service which had the address before may have had',
    facts: {
      desired: desiredService(),
      nodes: [
        asked({
          family: 'IPv4',
          protocol: 'tcp',
          destination: '10.96.0.7',
          destinationPort: 8080,
          entries: 3,
          sources: ['10.244.1.9'],
        }),
      ],
      cluster: { service: { createdAt: '2026-11-24T09:58:00Z', loadBalancerIngress: [] }, unread: [] },
    },
    ids: [],
  },
  {
    name: 'packets to the ports of the Service alone',
    facts: { desired: desiredService(), nodes: [asked()] },
    ids: [],
  },

  {
    name: "an external address that is somebody else's",
    facts: { desired: external('Taken'), nodes: [] },
    ids: ['SVC-EXTERNAL-IP-CONFLICT'],
  },
  {
    name: 'an external address that others have on other ports',
    facts: { desired: external('Shared'), nodes: [] },
    ids: ['SVC-EXTERNAL-IP-SHARED'],
  },
  {
    name: 'one external address too many',
    facts: { desired: external('Beyond'), nodes: [] },
    ids: ['SVC-EXTERNAL-IP-MANY'],
  },
  { name: "an external address of the Service's own", facts: { desired: external('Own'), nodes: [] }, ids: [] },
  {
    name: 'an external address of which nobody knows whose it is',
    facts: {
      desired: external('Unlisted'),
      nodes: [],
      cluster: cluster({
        unread: [
          {
            part: 'addressHolders',
            what: 'services and pods of all namespaces',
            reason: 'services is forbidden: User "jo" cannot list it',
            forbidden: { verb: 'list', resource: 'services,pods', namespace: '' },
          },
        ],
      }),
    },
    ids: ['DATA-API-UNREAD'],
  },

  {
    name: 'a load balancer without an address',
    facts: { desired: service({ type: 'LoadBalancer' }), nodes: [], cluster: cluster() },
    ids: ['SVC-LB-PENDING'],
  },
  {
    name: 'a load balancer with a host name',
    facts: {
      desired: service({ type: 'LoadBalancer' }),
      nodes: [],
      cluster: cluster({ service: { loadBalancerIngress: ['lb.example'] } }),
    },
    ids: [],
  },
  {
    name: 'a load balancer of a new Service',
    facts: {
      desired: service({ type: 'LoadBalancer' }),
      nodes: [],
      cluster: cluster({ service: { createdAt: '2026-11-24T09:59:40Z', loadBalancerIngress: [] } }),
    },
    ids: [],
  },

  {
    name: 'a client outside of the source ranges',
    facts: { desired: service(balancer), nodes: [], cluster: ingress, from: { addresses: ['198.51.100.9'] } },
    ids: ['SVC-LB-RANGES'],
  },
  {
    name: 'a client within the source ranges',
    facts: { desired: service(balancer), nodes: [], cluster: ingress, from: { addresses: ['192.0.2.9'] } },
    ids: [],
  },
  {
    name: 'a client of the other family',
    facts: { desired: service(balancer), nodes: [], cluster: ingress, from: { addresses: ['2001:db8::9'] } },
    ids: [],
  },
  {
    name: 'a pod outside of the source ranges',
    facts: {
      desired: service(balancer),
      nodes: [],
      cluster: ingress,
      from: { pod: 'client-a', addresses: ['10.244.1.9'] },
    },
    ids: [],
  },
  {
    name: 'a range that cannot be read',
    facts: {
      desired: service({ ...balancer, loadBalancerSourceRanges: ['anywhere'] }),
      nodes: [],
      cluster: ingress,
      from: { addresses: ['198.51.100.9'] },
    },
    ids: [],
  },

  {
    name: 'a Service that was made a load balancer a moment ago',
    facts: {
      desired: { ...service({ type: 'LoadBalancer' }), serviceChange: '2026-11-24T09:59:50Z' },
      nodes: [],
      cluster: cluster(),
    },
    ids: [],
  },
  {
    name: 'a cluster IP of a family that the Service got a moment ago',
    facts: { desired: { ...service(dual), serviceChange: '2026-11-24T09:59:55Z' }, nodes: [] },
    ids: [],
  },
  {
    name: 'a cluster IP of a family that no pod has',
    facts: { desired: service(dual), nodes: [], cluster: cluster() },
    ids: ['SVC-FAMILY'],
  },
  {
    name: 'the same, known from the EndpointSlices alone',
    facts: { desired: service(dual), nodes: [] },
    ids: ['SVC-FAMILY'],
  },
  {
    name: 'a headless Service of two families',
    facts: {
      desired: service({ ...dual, clusterIPs: [], notProxied: 'it is headless' }),
      nodes: [],
      cluster: cluster(),
    },
    ids: ['SVC-NOT-PROXIED'],
  },
  {
    name: 'two families and no endpoint',
    facts: {
      desired: service({ ...dual, selector: { app: 'auth' } }, []),
      nodes: [],
      cluster: cluster({ pods: [pod('10.244.1.2', { phase: 'Failed', ready: false })], ...noEndpoints }),
    },
    ids: ['EPS-EMPTY'],
  },
  {
    name: 'nodes of one family',
    facts: {
      desired: service({ clusterIPs: ['fd00:10:96::7'], ipFamilies: ['IPv6'], ipFamilyPolicy: 'SingleStack' }, []),
      nodes: [],
      cluster: cluster({ ...noEndpoints, nodes: [clusterNode('node-a'), clusterNode('node-b')] }),
    },
    ids: ['EPS-EMPTY', 'SVC-FAMILY'],
  },
];

function desiredWithoutSelector(endpoints: Parameters<typeof desiredService>[0]): DesiredService {
  return desiredService(endpoints, { selector: {} });
}

function withoutPods(): ReturnType<typeof cluster> {
  const reason =
    'pods is forbidden: User "system:serviceaccount:svctrace-system:svctrace-operator" cannot list resource "pods"';
  return cluster({
    ...noEndpoints,
    pods: undefined,
    unread: [
      {
        part: 'pods',
        what: 'pods of namespace default',
        reason,
        forbidden: { verb: 'get,list', resource: 'pods', namespace: 'default' },
      },
    ],
  });
}
