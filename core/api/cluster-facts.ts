/**
 * What the API server reports around a Service and its EndpointSlices: pods, legacy Endpoints, policies, nodes, and how
 * the cluster's DNS and kube-proxy are set up. Findings compare it with the nodes; a bundle keeps it as it was read.
 */
import * as z from 'zod';
import { connectionResult } from '../net/connection-result.ts';

const protocol = z.enum(['TCP', 'UDP', 'SCTP']);

/** A pod that the Service's selector matches, that one of its EndpointSlices names, or whose labels are near the selector. */
const pod = z.object({
  name: z.string(),
  uid: z.string(),
  /** The Service's selector matches it. */
  selected: z.boolean(),
  labels: z.record(z.string(), z.string()),
  /** The owner that controls it, such as its ReplicaSet; absent where there is none, and in traces that were recorded without it. */
  owner: z.object({ kind: z.string(), name: z.string() }).optional(),
  node: z.string().optional(),
  phase: z.string(),
  /** Condition Ready; the reason and message where it is not true. */
  ready: z.boolean(),
  notReady: z.string().optional(),
  /** RFC 3339. */
  createdAt: z.string().optional(),
  readySince: z.string().optional(),
  /** When it ceased to be ready, or was made without being so. */
  notReadySince: z.string().optional(),
  /** When it is to be gone, where it is being deleted. */
  deletionTimestamp: z.string().optional(),
  terminationGracePeriodSeconds: z.number().optional(),
  /** Whether every container with a port (where none declares one: every container) waits in a preStop hook before it ends. */
  hasPreStop: z.boolean(),
  addresses: z.array(z.string()),
  hostNetwork: z.boolean(),
  containers: z.array(
    z.object({
      name: z.string(),
      /** Ports of init containers that go on running (sidecars) count too. */
      ports: z.array(z.object({ name: z.string().optional(), port: z.number(), protocol })),
      restarts: z.number(),
      /** Why it waits, such as CrashLoopBackOff. */
      waiting: z.string().optional(),
      /** When it was started, RFC 3339; absent where it does not run, and in bundles of earlier versions. */
      startedAt: z.string().optional(),
      /** The end before this run. */
      lastEnd: z.object({ reason: z.string(), exitCode: z.number(), finishedAt: z.string().optional() }).optional(),
    }),
  ),
  dnsPolicy: z.string().optional(),
  dnsConfig: z
    .object({ nameservers: z.array(z.string()), searches: z.array(z.string()), options: z.array(z.string()) })
    .optional(),
});

/** What an EndpointSlice's own fields do not show. */
const endpointSlice = z.object({
  name: z.string(),
  /** Label endpointslice.kubernetes.io/managed-by. */
  managedBy: z.string().optional(),
  createdAt: z.string().optional(),
  resourceVersion: z.string().optional(),
  /** Of the object as JSON: what one change of it sends to every watcher. */
  bytes: z.number(),
});

/** The legacy Endpoints object of the same name. */
const endpoints = z.object({
  bytes: z.number(),
  resourceVersion: z.string().optional(),
  /** Annotation endpoints.kubernetes.io/over-capacity. */
  overCapacity: z.string().optional(),
  subsets: z.array(
    z.object({
      addresses: z.array(z.string()),
      notReadyAddresses: z.array(z.string()),
      ports: z.array(z.object({ name: z.string().optional(), port: z.number(), protocol })),
    }),
  ),
});

/** A port of a rule: a number, or a name of a container port; without one, all of the protocol. */
const policyPorts = z.array(
  z.object({ protocol, port: z.union([z.number(), z.string()]).optional(), endPort: z.number().optional() }),
);

/** A NetworkPolicy of the namespace that isolates ingress of some selected pod; peers and ports as the API has them. */
const networkPolicy = z.object({
  name: z.string(),
  /** Selected pods of the Service that it isolates. */
  pods: z.array(z.string()),
  ingress: z.array(
    z.object({
      /** Empty: from everywhere. */
      from: z.array(z.unknown()),
      /** Empty: all ports. */
      ports: policyPorts,
    }),
  ),
});

const node = z.object({
  name: z.string(),
  ready: z.boolean(),
  /** Of the condition Ready, where it is not true. */
  notReady: z.string().optional(),
  zone: z.string().optional(),
  internalIPs: z.array(z.string()),
  podCIDRs: z.array(z.string()),
  kubeletVersion: z.string().optional(),
  kernel: z.string().optional(),
});

/** An endpoint of the DNS Service: a server that can be asked without the Service's rules. */
const dnsServer = z.object({
  address: z.string(),
  port: z.number(),
  ready: z.boolean(),
  pod: z.string().optional(),
  node: z.string().optional(),
});

/** The pod of spec.from, as NetworkPolicies see it and as it asks DNS. */
const client = z.object({
  pod: z.string(),
  labels: z.record(z.string(), z.string()),
  node: z.string().optional(),
  addresses: z.array(z.string()),
  hostNetwork: z.boolean(),
  dnsPolicy: z.string().optional(),
  dnsConfig: pod.shape.dnsConfig,
  /** Its /etc/resolv.conf, where somebody asked for it to be read in the pod. */
  resolvConf: z.string().optional(),
  /** The results of connections that the pod's own commands made, where somebody asked for them (--connect --from POD). */
  connected: z
    .object({
      connections: z.array(connectionResult),
      /** Such as `bash in container server`. */
      by: z.string().optional(),
      /** Why none was made. */
      untried: z.string().optional(),
    })
    .optional(),
  /** Policies that isolate its egress; absent where policies were not read. */
  egressPolicies: z
    .array(
      z.object({
        name: z.string(),
        egress: z.array(
          z.object({
            /** Empty: to everywhere. */
            to: z.array(z.unknown()),
            /** Empty: all ports. */
            ports: policyPorts,
          }),
        ),
      }),
    )
    .optional(),
});

/** The parts of what the API server reports around a Service; each is read by itself. */
const apiParts = [
  /** Services and pods of all namespaces, that may hold an external address. */
  'addressHolders',
  'pods',
  'endpoints',
  'networkPolicies',
  'clusterDns',
  'kubeProxyPods',
  'kubeProxyConfig',
  /** Of older versions alone. */
  'other',
] as const;
export type ApiPart = (typeof apiParts)[number];

/** Older versions named no part: with them, the first words of what was not read show it. */
function partOf(what: string): ApiPart {
  if (what.startsWith('pods of kube-proxy')) return 'kubeProxyPods';
  return partsByFirstWord.get(/^[a-z-]+/.exec(what)?.[0] ?? '') ?? 'other';
}

const partsByFirstWord: ReadonlyMap<string, ApiPart> = new Map([
  ['services', 'addressHolders'],
  ['pods', 'pods'],
  ['endpoints', 'endpoints'],
  ['networkpolicies', 'networkPolicies'],
  ['service', 'clusterDns'],
  ['kube-proxy', 'kubeProxyPods'],
  ['configmap', 'kubeProxyConfig'],
]);

/** What could not be read: unknown, never "nothing there". */
const unread = z
  .object({
    part: z.enum(apiParts).optional(),
    /** In words, such as "pods of namespace shop"; of one object, as "endpoints/auth-service". */
    what: z.string(),
    reason: z.string(),
    /** The right that is missing, where the API server refused. */
    forbidden: z
      .object({
        verb: z.string(),
        resource: z.string(),
        namespace: z.string(),
        names: z.array(z.string()).optional(),
      })
      .optional(),
  })
  .transform(({ part, ...rest }) => ({ part: part ?? partOf(rest.what), ...rest }));

export const clusterFactsSchema = z.object({
  /** What DesiredService does not hold of the Service itself. */
  service: z
    .object({
      createdAt: z.string().optional(),
      /** Every address and host name of status.loadBalancer, also those that kube-proxy does not serve. */
      loadBalancerIngress: z.array(z.string()),
      loadBalancerClass: z.string().optional(),
    })
    .optional(),
  /** Absent where spec.from names no pod. */
  client: client.optional(),
  /** Why nothing was connected to, though spec.collect.connect asked for it. */
  connectRefusal: z.string().optional(),
  /** What the trace asked for of conntrack, and as much as the operator let it show; absent where that is the same. */
  conntrackLimit: z
    .object({ asked: z.enum(['None', 'Summary', 'Entries']), shown: z.enum(['None', 'Summary', 'Entries']) })
    .optional(),
  /** Each part is absent where it was not read: `unread` says why. */
  pods: z.array(pod).optional(),
  endpointSlices: z.array(endpointSlice).optional(),
  /** null: there is none. */
  endpoints: endpoints.nullable().optional(),
  networkPolicies: z.array(networkPolicy).optional(),
  nodes: z.array(node).optional(),
  /** The cluster's DNS Service (kube-system/kube-dns); null: there is none. */
  dns: z
    .object({
      clusterIPs: z.array(z.string()),
      endpoints: z.number(),
      readyEndpoints: z.number(),
      servers: z.array(dnsServer).optional(),
    })
    .nullable()
    .optional(),
  kubeProxy: z
    .object({
      /** Data of kube-proxy's ConfigMap in kube-system; absent where there is none. */
      config: z.record(z.string(), z.string()).optional(),
      /** Its name; absent in traces that were recorded before there was a choice: kube-proxy. */
      configMap: z.string().optional(),
      pods: z.array(
        z.object({
          name: z.string(),
          node: z.string().optional(),
          ready: z.boolean(),
          restarts: z.number(),
          image: z.string(),
          /** Its controller; a static pod's mirror has the Node. */
          owner: z.object({ kind: z.string(), name: z.string() }).optional(),
        }),
      ),
    })
    .optional(),
  unread: z.array(unread),
});

export type ClusterFacts = z.infer<typeof clusterFactsSchema>;
export type PodFacts = NonNullable<ClusterFacts['pods']>[number];
export type DnsServerFacts = NonNullable<NonNullable<ClusterFacts['dns']>['servers']>[number];
export type ClusterNode = NonNullable<ClusterFacts['nodes']>[number];
export type NetworkPolicyFacts = NonNullable<ClusterFacts['networkPolicies']>[number];
export type UnreadFacts = ClusterFacts['unread'][number];
export type ClientFacts = NonNullable<ClusterFacts['client']>;
export type EndpointsFacts = NonNullable<ClusterFacts['endpoints']>;
