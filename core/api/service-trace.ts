// Generated from crds/servicetraces.yaml by `npm run generate`; change that file, not this one.

export const serviceTraceGroup = 'svctrace.io';
export const serviceTraceVersion = 'v1alpha1';
export const serviceTracePlural = 'servicetraces';

export interface ServiceTrace {
  apiVersion: 'svctrace.io/v1alpha1';
  kind: 'ServiceTrace';
  metadata: ServiceTraceMetadata;
  spec: ServiceTraceSpec;
  status?: ServiceTraceStatus;
}
/**
 * The part of ObjectMeta that this project reads.
 */
export interface ServiceTraceMetadata {
  name?: string;
  generateName?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: {
    [k: string]: string;
  };
  annotations?: {
    [k: string]: string;
  };
}
/**
 * What to trace. A trace never reads a Service of another namespace than its own, and shows of an external address of it (externalIPs, load balancer) only what is the Service's own: none that another Service, a pod or a node has is asked for.
 */
export interface ServiceTraceSpec {
  /**
   * The Service to trace, in the namespace of the trace.
   */
  serviceRef: {
    /**
     * The name of the Service.
     */
    name: string;
  };
  /**
   * Once collects one time for each change of the spec; Watch collects again at every interval and when the EndpointSlices change.
   */
  mode?: 'Once' | 'Watch';
  /**
   * The time between two collections in mode Watch, such as 5s or 1m; 10s where it is left out. The operator may admit a longer one as the shortest (OnSchedule says so).
   */
  interval?: string;
  nodes?: NodesSpec;
  collect?: CollectSpec;
  from?: FromSpec;
  /**
   * Collect nothing while this is true; the status stays as it is.
   */
  suspend?: boolean;
  /**
   * In mode Once, delete the trace this many seconds after it finished.
   */
  ttlSecondsAfterFinished?: number;
}
/**
 * The nodes to ask; all nodes where it is left out.
 */
export interface NodesSpec {
  /**
   * Node names.
   *
   * @minItems 1
   * @maxItems 5000
   */
  names?: string[];
  /**
   * A label selector for nodes.
   */
  selector?: {
    /**
     * Labels that a node must have, with these values.
     */
    matchLabels?: {
      [k: string]: string;
    };
    /**
     * Conditions of a label, all of which a node must meet.
     *
     * @maxItems 64
     */
    matchExpressions?: {
      /**
       * The name of the label.
       */
      key: string;
      /**
       * In and NotIn compare the value with values; Exists and DoesNotExist take none.
       */
      operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
      /**
       * Values of the label, for In and NotIn.
       *
       * @maxItems 128
       */
      values?: string[];
    }[];
  };
  /**
   * Ask at most this many of the chosen nodes, in the order of their names.
   */
  max?: number;
}
/**
 * What to collect on each node.
 */
export interface CollectSpec {
  /**
   * Read the Service's chains, maps and counters.
   */
  rules?: boolean;
  /**
   * None reads no conntrack entry; Summary counts the Service's entries by backend; Entries lists them, with the addresses of clients. The operator may let traces show less (finding DATA-LIMITED).
   */
  conntrack?: 'None' | 'Summary' | 'Entries';
  /**
   * Ask kube-proxy on 127.0.0.1 for its mode, health and last sync.
   */
  kubeProxy?: boolean;
  /**
   * Ask the cluster's DNS for the Service's name from each node, and compare the answer with the Service.
   */
  dns?: boolean;
  /**
   * Transport connects from each node to the Service's cluster IPs, node ports, load balancer addresses that nobody else has, and ready endpoints (TCP; a datagram for UDP), HTTP sends a GET over TCP, too. Never to externalIPs, and only where every endpoint is a running pod of the namespace. The programs behind the Service see it, and it leaves conntrack entries.
   */
  connect?: 'None' | 'Transport' | 'HTTP';
}
/**
 * The client whose packet is walked through the rules of its node. One of pod, node and ip.
 */
export interface FromSpec {
  /**
   * A pod of the trace's namespace.
   */
  pod?: string;
  /**
   * A node; its packet enters at OUTPUT.
   */
  node?: string;
  /**
   * An address; its packet enters at PREROUTING of every chosen node, at OUTPUT where it is the node's own.
   */
  ip?: string;
}
/**
 * What was found.
 */
export interface ServiceTraceStatus {
  /**
   * The metadata.generation that the status belongs to.
   */
  observedGeneration?: number;
  /**
   * Where the Service is not there, the names of Services of the namespace near its name, the nearest first.
   *
   * @maxItems 5
   */
  similarServices?: string[];
  /**
   * Ready (the trace did its work), Collected (every chosen node answered), Converged (every node's rules equal the EndpointSlices), Healthy (no finding of severity error), OnSchedule (mode Watch: results come at their interval).
   *
   * @maxItems 16
   */
  conditions?: Condition[];
  /**
   * When the newest collection ended, by the collector's clock.
   */
  collectedAt?: string;
  service?: ServiceStatus;
  /**
   * Its EndpointSlices.
   */
  endpointSlices?: EndpointSliceStatus[];
  endpoints?: EndpointsCostStatus;
  /**
   * Each different program of rules once, with the nodes that have it.
   */
  programs?: ProgramStatus[];
  /**
   * One for each node that is asked.
   */
  nodes?: NodeStatus[];
  /**
   * The pod of spec.from, and the results of its own connections, which the plugin makes in it with its user's rights (--connect --from POD); an operator makes none.
   */
  client?: {
    /**
     * Name of the pod.
     */
    pod: string;
    /**
     * The node that it runs on.
     */
    node?: string;
    /**
     * The program of the pod that made them, such as bash in container server.
     */
    by?: string;
    /**
     * Why none was made.
     */
    untried?: string;
    /**
     * Connections that a program of the pod made.
     */
    connections: {
      /**
       * What was connected to: the Service's cluster IP, node port or load balancer, or an endpoint.
       */
      hop: 'ClusterIP' | 'NodePort' | 'ExternalIP' | 'LoadBalancerIP' | 'Endpoint';
      /**
       * Address that was connected to.
       */
      address: string;
      /**
       * Port that was connected to.
       */
      port: number;
      /**
       * TCP or UDP.
       */
      protocol: 'TCP' | 'UDP' | 'SCTP';
      /**
       * noReply is a datagram that nobody answered or refused.
       */
      outcome: 'connected' | 'answered' | 'refused' | 'timeout' | 'unreachable' | 'failed' | 'noReply' | 'untried';
      /**
       * How long it took until there was an answer.
       */
      milliseconds: number;
    }[];
  };
  /**
   * The walk of the packet of spec.from through the rules of its node.
   */
  walks?: WalkStatus[];
  /**
   * What is wrong, the worst first.
   */
  findings?: FindingStatus[];
  comparison?: ComparisonStatus;
  convergence?: ConvergenceStatus;
  connectionEvents?: ConnectionEventsStatus;
  summary?: SummaryStatus;
  /**
   * What was cut so that the object stays below 512 KiB; empty where nothing was.
   */
  truncated?: string[];
}
export interface Condition {
  /**
   * What it is about.
   */
  type: 'Ready' | 'Collected' | 'Converged' | 'Healthy' | 'OnSchedule';
  /**
   * True, False, or Unknown where it could not be found out.
   */
  status: 'True' | 'False' | 'Unknown';
  /**
   * One word that programs may decide by.
   */
  reason: string;
  /**
   * A sentence for people.
   */
  message: string;
  /**
   * When the status became what it is.
   */
  lastTransitionTime: string;
  /**
   * The generation of the spec that it is of.
   */
  observedGeneration?: number;
}
/**
 * The Service as the API server has it.
 */
export interface ServiceStatus {
  /**
   * spec.type of the Service.
   */
  type: string;
  /**
   * Its cluster IPs; empty where it is headless.
   */
  clusterIPs: string[];
  /**
   * spec.externalIPs.
   */
  externalIPs: string[];
  /**
   * Addresses that its load balancer has, by its status.
   */
  loadBalancerIPs: string[];
  /**
   * spec.ports.
   */
  ports: ServicePortStatus[];
  /**
   * Labels of the pods behind it.
   */
  selector?: {
    [k: string]: string;
  };
  /**
   * Local where packets from inside the cluster stay on their node.
   */
  internalTrafficPolicy?: string;
  /**
   * Local where packets from outside stay on the node that they reach.
   */
  externalTrafficPolicy?: string;
  /**
   * ClientIP where a client keeps its endpoint.
   */
  sessionAffinity?: string;
  /**
   * For how long a client keeps it after its last connection.
   */
  sessionAffinityTimeoutSeconds?: number;
  /**
   * Networks whose clients may come by the load balancer; all where there is none.
   */
  loadBalancerSourceRanges?: string[];
  /**
   * Where a node says whether it has endpoints of its own.
   */
  healthCheckNodePort?: number;
  /**
   * Families of its cluster IPs, the first one first.
   */
  ipFamilies?: string[];
  /**
   * Whether it asks for one family or two.
   */
  ipFamilyPolicy?: string;
  /**
   * Which endpoints are preferred, such as PreferSameZone.
   */
  trafficDistribution?: string;
  /**
   * Whether endpoints that are not ready count as ready.
   */
  publishNotReadyAddresses?: boolean;
  /**
   * Of type ExternalName, the DNS name that it stands for.
   */
  externalName?: string;
  /**
   * Why kube-proxy writes no rules for this Service (headless, ExternalName, service-proxy-name); absent where it does.
   */
  notProxied?: string;
}
export interface ServicePortStatus {
  /**
   * Absent where the port has no name.
   */
  name?: string;
  /**
   * TCP, UDP or SCTP.
   */
  protocol: 'TCP' | 'UDP' | 'SCTP';
  /**
   * The port at the cluster IP.
   */
  port: number;
  /**
   * A number or a name of a container port, as text.
   */
  targetPort?: string;
  /**
   * The port at the addresses of nodes; absent where it has none.
   */
  nodePort?: number;
}
export interface EndpointSliceStatus {
  /**
   * Name of the EndpointSlice.
   */
  name: string;
  /**
   * Family of the addresses in it.
   */
  addressType: 'IPv4' | 'IPv6' | 'FQDN';
  /**
   * Ports of each endpoint in it.
   */
  ports: {
    /**
     * The name of the Service port that it is for; absent where that has none.
     */
    name?: string;
    /**
     * TCP, UDP or SCTP.
     */
    protocol?: 'TCP' | 'UDP' | 'SCTP';
    /**
     * Port of the endpoints.
     */
    port?: number;
  }[];
  /**
   * The endpoints, most often a pod each.
   */
  endpoints: EndpointStatus[];
}
export interface EndpointStatus {
  /**
   * Addresses of one endpoint; the first one is used.
   */
  addresses: string[];
  /**
   * Whether it gets new connections.
   */
  ready: boolean;
  /**
   * Whether it answers, also while it terminates.
   */
  serving: boolean;
  /**
   * Whether it is being deleted.
   */
  terminating: boolean;
  /**
   * The node that it runs on.
   */
  nodeName?: string;
  /**
   * The pod's host name in DNS; absent where it has none.
   */
  hostname?: string;
  /**
   * Its node's zone.
   */
  zone?: string;
  /**
   * The zones that the endpoint is meant for.
   */
  hints?: string[];
  /**
   * The nodes that the endpoint is meant for.
   */
  nodeHints?: string[];
  /**
   * The object that it stands for.
   */
  targetRef?: {
    /**
     * Pod, most often.
     */
    kind?: string;
    /**
     * The object's name.
     */
    name?: string;
    /**
     * The object's UID.
     */
    uid?: string;
  };
}
/**
 * The legacy Endpoints object beside the EndpointSlices, by what both cost; absent where the API server was not asked.
 */
export interface EndpointsCostStatus {
  /**
   * Absent where there is no Endpoints object, or it was not read.
   */
  legacy?: {
    /**
     * Ready or not.
     */
    addresses: number;
    /**
     * Of the object as JSON.
     */
    bytes: number;
    /**
     * More than 1000 addresses were left out.
     */
    truncated: boolean;
    /**
     * What one changed endpoint sends to each watcher: the whole object.
     */
    changeBytes: number;
  };
  /**
   * How many EndpointSlices there are.
   */
  endpointSlices: {
    /**
     * Ready or not, of both families.
     */
    addresses: number;
    /**
     * Of all shards as JSON.
     */
    bytes: number;
    /**
     * EndpointSlices of the Service.
     */
    shards: number;
    /**
     * Of the largest shard.
     */
    largestBytes: number;
    /**
     * What one changed endpoint sends to each watcher: its shard, on average over the endpoints.
     */
    changeBytes: number;
  };
}
export interface ProgramStatus {
  /**
   * A hash of the rules without their counters.
   */
  fingerprint: string;
  /**
   * kube-proxy's mode on these nodes.
   */
  proxyMode: 'iptables' | 'nftables' | 'ipvs' | 'unknown';
  /**
   * The iptables backend.
   */
  backend?: 'nf_tables' | 'legacy';
  /**
   * Nodes whose rules are these.
   */
  nodes: string[];
  /**
   * Chains that packets to the Service reach, in the order of a packet.
   */
  chains: ChainStatus[];
}
export interface ChainStatus {
  /**
   * IPv4 or IPv6.
   */
  family: 'IPv4' | 'IPv6';
  /**
   * The table that the chain is in.
   */
  table: string;
  /**
   * A chain; or `map NAME`, a map of nftables; or `TCP 10.96.0.7:80`, a virtual server of IPVS (table ipvs).
   */
  name: string;
  /**
   * Its rules, in their order.
   */
  rules: RuleStatus[];
}
export interface RuleStatus {
  /**
   * The rule as the kernel's tool printed it, without counters.
   */
  text: string;
  /**
   * Summed over the nodes; absent where the rule has no counter.
   */
  packets?: number;
  /**
   * Bytes that it has counted; absent where nothing counts.
   */
  bytes?: number;
}
export interface NodeStatus {
  /**
   * Name of the node.
   */
  name: string;
  probe: ProbeStatus;
  /**
   * kube-proxy's mode; unknown where the node did not answer.
   */
  proxyMode: 'iptables' | 'nftables' | 'ipvs' | 'unknown';
  /**
   * How the mode is known.
   */
  proxyModeSource?: string;
  /**
   * How the rules of iptables are kept: legacy tables or nf_tables.
   */
  backend?: 'nf_tables' | 'legacy';
  kubeProxy?: KubeProxyStatus;
  /**
   * The fingerprint of the node's program.
   */
  program?: string;
  /**
   * What the node does with a packet to each frontend of the Service.
   */
  ports: NodePortStatus[];
  conntrack?: ConntrackStatus;
  /**
   * What the kernel counted since it started, by the names of conntrack -S: drop, early_drop, error, insert_failed, invalid.
   */
  conntrackStatistics?: {
    [k: string]: number;
  };
  /**
   * What serves Services on the node in kube-proxy's place, such as Cilium; absent where kube-proxy does.
   */
  datapath?: string;
  dns?: DnsStatus;
  /**
   * Results of the connections of spec.collect.connect.
   */
  connections?: {
    /**
     * What was connected to: the Service's cluster IP, node port or load balancer, or an endpoint.
     */
    hop: 'ClusterIP' | 'NodePort' | 'ExternalIP' | 'LoadBalancerIP' | 'Endpoint';
    /**
     * Address that was connected to.
     */
    address: string;
    /**
     * Port that was connected to.
     */
    port: number;
    /**
     * TCP or UDP.
     */
    protocol: 'TCP' | 'UDP' | 'SCTP';
    /**
     * noReply is a datagram that nobody answered or refused.
     */
    outcome: 'connected' | 'answered' | 'refused' | 'timeout' | 'unreachable' | 'failed' | 'noReply' | 'untried';
    /**
     * Of an HTTP answer.
     */
    status?: number;
    /**
     * How long it took until there was an answer.
     */
    milliseconds: number;
  }[];
}
/**
 * Whether its probe answered, and with what times.
 */
export interface ProbeStatus {
  /**
   * Waiting: no probe runs there yet; Failed: the node did not answer; Skipped: no probe can run there.
   */
  state: 'Waiting' | 'Collected' | 'Failed' | 'Skipped';
  /**
   * A word such as ImagePullBackOff.
   */
  reason?: string;
  /**
   * A sentence with what to do.
   */
  message?: string;
  /**
   * When its answer was whole.
   */
  collectedAt?: string;
  /**
   * When the rules and their counters were read, where that was before the rest: they are watched, and have not changed since.
   */
  rulesReadAt?: string;
  /**
   * How long the probe took to read.
   */
  durationMilliseconds?: number;
  /**
   * How far the node's clock is ahead of the collector's.
   */
  clock?: {
    /**
     * How far the node's clock is ahead.
     */
    offsetMilliseconds: number;
    /**
     * The offset may be this much more or less.
     */
    uncertaintyMilliseconds: number;
  };
  /**
   * What the probe could not read, each with the reason.
   */
  unread?: {
    /**
     * What could not be read.
     */
    what: string;
    /**
     * Why not.
     */
    reason: string;
  }[];
}
/**
 * What kube-proxy says of itself.
 */
export interface KubeProxyStatus {
  /**
   * Its healthz; absent where it did not answer.
   */
  healthy?: boolean;
  /**
   * What its healthz says besides, or why it is not known.
   */
  message?: string;
  /**
   * When kube-proxy last wrote its rules.
   */
  lastSync?: string;
  /**
   * When writing was last asked for.
   */
  lastQueued?: string;
  /**
   * Such as v1.37.2.
   */
  version?: string;
  /**
   * Where its configuration was read.
   */
  configSource?: 'configz' | 'ConfigMap';
  /**
   * Changes of Services and endpoints that are not written yet.
   */
  pendingChanges?: number;
  /**
   * Writes of all rules since it started.
   */
  fullSyncs?: number;
  /**
   * Writes of the changed Services' rules since it started.
   */
  partialSyncs?: number;
  /**
   * Writes that failed since it started, each family counted.
   */
  failures?: number;
  /**
   * Requests to the API server without an answer, or refused, since it started.
   */
  apiErrors?: number;
  /**
   * Packets of no connection that its rule dropped since it started.
   */
  invalidPackets?: number;
}
export interface NodePortStatus {
  /**
   * IPv4 or IPv6.
   */
  family: 'IPv4' | 'IPv6';
  /**
   * Where packets come in: ClusterIP, NodePort, LoadBalancer or ExternalIP.
   */
  frontend: 'ClusterIP' | 'ExternalIP' | 'LoadBalancerIP' | 'NodePort';
  /**
   * The frontend's address; empty for a NodePort.
   */
  address: string;
  /**
   * Name of the Service port; absent where it has none.
   */
  portName?: string;
  /**
   * TCP, UDP or SCTP.
   */
  protocol: 'TCP' | 'UDP' | 'SCTP';
  /**
   * The port of the frontend.
   */
  port: number;
  /**
   * DNAT, REJECT, DROP, None (no rule matches) or Unknown (not read).
   */
  verdict: 'DNAT' | 'REJECT' | 'DROP' | 'None' | 'Unknown';
  /**
   * First packets of connections that met the entry rule.
   */
  packets?: number;
  /**
   * Bytes that the rules to its targets have counted; absent where nothing counts.
   */
  bytes?: number;
  /**
   * As the rules have it: internal of a ClusterIP, external of the others; absent where no rule says it.
   */
  trafficPolicy?: 'Cluster' | 'Local';
  /**
   * loadBalancerSourceRanges as the rules have them; absent where all may come in.
   */
  sourceRanges?: string[];
  /**
   * For how long a client stays with its endpoint; absent without session affinity.
   */
  sessionAffinitySeconds?: number;
  /**
   * Who gets another source address on the packet path to an endpoint; absent where not known.
   */
  masquerade?: {
    /**
     * Clients outside of the cluster.
     */
    outside: boolean;
    /**
     * The node itself.
     */
    node: boolean;
  };
  /**
   * Where packets are sent, with their shares.
   */
  dnatTargets: DnatTargetStatus[];
  drift?: DriftStatus;
}
export interface DnatTargetStatus {
  /**
   * Address of the endpoint.
   */
  address: string;
  /**
   * Port of the endpoint.
   */
  port: number;
  /**
   * Name of the pod with this address; absent where none of the Service has it.
   */
  pod?: string;
  /**
   * From 0 to 1; absent where not known.
   */
  probability?: number;
  /**
   * Of IPVS: what its scheduler chooses by, where probability is absent, for no share is known then.
   */
  chosenBy?: 'ClientHash' | 'DestinationHash' | 'LeastConnections' | 'Unknown';
  /**
   * Of IPVS: the real server's weight; 0 drains.
   */
  weight?: number;
  /**
   * Whether the target reaches itself by way of the Service; absent where not known.
   */
  hairpinMasquerade?: boolean;
  /**
   * Connections that this node's rule sent there; absent where kube-proxy writes no counter.
   */
  packets?: number;
  /**
   * Bytes that its rule has counted; absent where nothing counts.
   */
  bytes?: number;
  /**
   * Entries of the node's conntrack table that this target answers.
   */
  connections?: number;
}
/**
 * How dnatTargets differ from the DNAT targets that this node should have by the EndpointSlices, the traffic policy, topology hints and the node's zone; absent where its rules were not read, where kube-proxy leaves the Service alone, and in a status of an earlier version.
 */
export interface DriftStatus {
  /**
   * DNAT targets that the node should have.
   */
  desired: number;
  /**
   * Of these, those that its rules do not have.
   */
  missing: number;
  /**
   * DNAT targets that its rules have and should not have.
   */
  extra: number;
  /**
   * Those that are missing; fewer than counted where the status was truncated.
   */
  missingTargets?: MissingTargetStatus[];
  /**
   * Those that should not be there; fewer than counted where the status was truncated.
   */
  extraTargets?: {
    /**
     * Address of the endpoint.
     */
    address: string;
    /**
     * Port of the endpoint.
     */
    port: number;
  }[];
}
export interface MissingTargetStatus {
  /**
   * Address of the endpoint.
   */
  address: string;
  /**
   * Port of the endpoint.
   */
  port: number;
  /**
   * Name of the pod with this address.
   */
  pod?: string;
  /**
   * The node that the endpoint is on.
   */
  nodeName?: string;
}
/**
 * Connections of the Service that the node tracks.
 */
export interface ConntrackStatus {
  /**
   * Entries of this Service.
   */
  matched: number;
  /**
   * Those without an answer.
   */
  unreplied?: number;
  /**
   * Entries of the whole table.
   */
  count?: number;
  /**
   * Room of the whole table.
   */
  max?: number;
  /**
   * The Service's entries by protocol and state, such as "TCP ESTABLISHED".
   */
  states?: {
    [k: string]: number;
  };
  /**
   * Entries that are not listed below.
   */
  omitted?: number;
  /**
   * The connections themselves, where they are collected.
   */
  entries?: ConntrackEntryStatus[];
}
export interface ConntrackEntryStatus {
  /**
   * TCP, UDP or SCTP.
   */
  protocol: string;
  /**
   * State of a TCP or SCTP connection.
   */
  state?: string;
  /**
   * Present where no answer came.
   */
  unreplied?: boolean;
  original: OriginalTuple;
  reply: ReplyTuple;
  /**
   * The pod that answers.
   */
  pod?: string;
}
/**
 * The packet as the client sent it.
 */
export interface OriginalTuple {
  /**
   * Source address.
   */
  source: string;
  /**
   * Source port.
   */
  sourcePort: number;
  /**
   * Destination address.
   */
  destination: string;
  /**
   * Destination port.
   */
  destinationPort: number;
}
/**
 * The packet that the answer is expected to be.
 */
export interface ReplyTuple {
  /**
   * Source address.
   */
  source: string;
  /**
   * Source port.
   */
  sourcePort: number;
  /**
   * Destination address.
   */
  destination: string;
  /**
   * Destination port.
   */
  destinationPort: number;
}
/**
 * What the node's question for the Service's name was answered with.
 */
export interface DnsStatus {
  /**
   * The name that was asked for.
   */
  name: string;
  /**
   * The server that was asked.
   */
  server: string;
  /**
   * Addresses that it answered with.
   */
  answers: string[];
  /**
   * Why there is no answer, or what is wrong with it.
   */
  error?: string;
}
export interface WalkStatus {
  /**
   * The node that the packet enters.
   */
  node: string;
  /**
   * The client's address.
   */
  source: string;
  /**
   * The address that the client sends to.
   */
  destination: string;
  /**
   * The port that the client sends to.
   */
  destinationPort: number;
  /**
   * TCP, UDP or SCTP.
   */
  protocol: 'TCP' | 'UDP' | 'SCTP';
  /**
   * Whether and how the packet is delivered.
   */
  verdict: 'DNAT' | 'ACCEPT' | 'DROP' | 'REJECT' | 'NONE' | 'UNKNOWN';
  /**
   * Whether its source address becomes the node's.
   */
  masquerade: boolean;
  /**
   * Where it may be sent, with the share of each.
   */
  destinations: WalkDestination[];
  /**
   * The rules that it meets, in their order.
   */
  path: WalkStep[];
  /**
   * Matches and targets that the evaluator does not know; the walk says nothing beyond them.
   */
  unknown: string[];
}
export interface WalkDestination {
  /**
   * Address of the endpoint.
   */
  address: string;
  /**
   * Port of the endpoint.
   */
  port: number;
  /**
   * From 0 to 1; absent where not known.
   */
  probability?: number;
  /**
   * Of IPVS: what its scheduler chooses by, where probability is absent, for no share is known then.
   */
  chosenBy?: 'ClientHash' | 'DestinationHash' | 'LeastConnections' | 'Unknown';
}
export interface WalkStep {
  /**
   * The table that the chain is in.
   */
  table: string;
  /**
   * The chain that the rule is in.
   */
  chain: string;
  /**
   * The rule, as the tool of its mode prints it.
   */
  rule: string;
  /**
   * What the rule does with the packet.
   */
  effect: string;
}
export interface FindingStatus {
  /**
   * Such as RULE-EP-MISSING.
   */
  id: string;
  /**
   * error where connections fail, warning where some may, info otherwise.
   */
  severity: 'error' | 'warning' | 'info';
  /**
   * The object or node that it is about, such as node/node-a.
   */
  where: string;
  /**
   * The node, where the finding is about one.
   */
  node?: string;
  /**
   * What is wrong, in one sentence.
   */
  message: string;
  /**
   * What was read that shows it.
   */
  evidence: string[];
  /**
   * The third-party rule that it is about, as its tool prints it.
   */
  rule?: {
    /**
     * The table that its chain is in.
     */
    table: string;
    /**
     * The chain that it is in.
     */
    chain: string;
    /**
     * The rule, as the tool of its mode prints it.
     */
    rule: string;
  };
  /**
   * What to do, in sentences without a command.
   */
  advice: string;
  /**
   * Commands for it, each one line that can be pasted; those that only look come first. Absent where there is none.
   */
  commands?: CommandStatus[];
}
export interface CommandStatus {
  /**
   * The node to run it on, as root; absent where it runs where kubectl does.
   */
  node?: string;
  /**
   * The command, to be pasted.
   */
  run: string;
}
/**
 * Where the Service's EndpointSlices, its pods, the rules of the nodes and conntrack say different things of one address, and the nodes that differ from their peers.
 */
export interface ComparisonStatus {
  /**
   * The addresses of which they disagree, 50 at most.
   */
  rows: ComparisonRowStatus[];
  /**
   * Addresses of which they disagree and that are not in rows.
   */
  omitted: number;
  /**
   * The nodes that differ from most of at least two others in what each node should do alike, 50 at most.
   */
  outliers: NodeOutlierStatus[];
}
export interface ComparisonRowStatus {
  /**
   * IPv4 or IPv6.
   */
  family: 'IPv4' | 'IPv6';
  /**
   * Of the Service's port.
   */
  portName?: string;
  /**
   * TCP, UDP or SCTP.
   */
  protocol: 'TCP' | 'UDP' | 'SCTP';
  /**
   * The port of the Service.
   */
  servicePort: number;
  /**
   * Address of the endpoint.
   */
  address: string;
  /**
   * Where packets go.
   */
  port: number;
  /**
   * What the EndpointSlices say; absent where none has the address.
   */
  endpoint?: {
    /**
     * Whether it gets new connections.
     */
    ready: boolean;
    /**
     * Whether it answers, also while it terminates.
     */
    serving: boolean;
    /**
     * Whether it is being deleted.
     */
    terminating: boolean;
    /**
     * The EndpointSlice that it is in.
     */
    endpointSlice: string;
    /**
     * The node that it runs on.
     */
    nodeName?: string;
  };
  /**
   * The pod with the address; absent where there is none, or pods were not read.
   */
  pod?: {
    /**
     * Name of the pod.
     */
    name: string;
    /**
     * The pod's condition Ready.
     */
    ready: boolean;
    /**
     * The pod's phase.
     */
    phase: string;
    /**
     * Whether it is being deleted.
     */
    isDeleting: boolean;
    /**
     * Whether the Service's selector matches it.
     */
    selected: boolean;
  };
  /**
   * How many nodes have rules that send packets there; unknown of those whose rules were not read or not understood.
   */
  nodes: {
    /**
     * Nodes whose rules send there.
     */
    present: number;
    /**
     * Nodes whose rules do not.
     */
    absent: number;
    /**
     * Nodes of which it is not known.
     */
    unknown: number;
  };
  /**
   * Conntrack entries of all nodes that lead there; absent where none was read.
   */
  connections?: number;
  /**
   * What contradicts what.
   */
  disagreements: string[];
}
export interface NodeOutlierStatus {
  /**
   * The node.
   */
  node: string;
  /**
   * What the node does and most others do otherwise.
   */
  differences: string[];
}
/**
 * How the rules of the nodes follow the EndpointSlices.
 */
export interface ConvergenceStatus {
  /**
   * When an EndpointSlice of the Service last changed for a pod or Service change.
   */
  lastChange?: string;
  /**
   * Nodes whose rules are as the EndpointSlices ask.
   */
  convergedNodes?: number;
  /**
   * All nodes that are asked.
   */
  totalNodes?: number;
  /**
   * How long it took from a change of any Service or endpoint to the rules, as the nodes' kube-proxies measured since they started; bounds in seconds, of which the last is absent where it lies past 300 s.
   */
  networkProgramming?: {
    /**
     * How many were measured.
     */
    changes: number;
    /**
     * How many nodes measured.
     */
    nodes: number;
    /**
     * Of 100 changes, 50 took at most so long; absent where the histogram has no such bound.
     */
    p50Seconds?: number;
    /**
     * Of 100 changes, 99 took at most so long; absent likewise.
     */
    p99Seconds?: number;
    /**
     * All took at most so long; absent likewise.
     */
    maxSeconds?: number;
  };
  /**
   * The changes of the EndpointSlices up to this one are in changes.
   */
  resourceVersion?: string;
  /**
   * Older changes that are no longer kept.
   */
  omittedChanges?: number;
  /**
   * The last 20 changes of the Service's EndpointSlices that the trace saw, the oldest first, and when the rules of each node had them.
   */
  changes?: SliceChangeStatus[];
}
export interface SliceChangeStatus {
  /**
   * The EndpointSlice that changed.
   */
  endpointSlice: string;
  /**
   * Of the EndpointSlice with the change; where it is gone, of the list without it.
   */
  resourceVersion: string;
  /**
   * The API server had the change at or after this time.
   */
  earliest: string;
  /**
   * The API server had the change at or before this time.
   */
  latest: string;
  /**
   * When the pod or Service changed that it is for, where the EndpointSlice has the annotation endpoints.kubernetes.io/last-change-trigger-time.
   */
  triggered?: string;
  /**
   * The endpoints of it that changed.
   */
  endpoints: EndpointChangeStatus[];
  /**
   * Endpoints that changed and are not in endpoints; absent where all are.
   */
  omittedEndpoints?: number;
  /**
   * What the change asks of the nodes' rules; empty where it asks for nothing, and of older changes of many endpoints.
   */
  expected: ExpectedTargetsStatus[];
  lag: LagStatus;
  /**
   * Of each node; of many, those that have not got it, and the slowest.
   */
  nodes: NodeLagStatus[];
  /**
   * Nodes that are counted in lag and not in nodes; where there are some, the change is not followed any longer.
   */
  omittedNodes: number;
  /**
   * What changed in the rules of nodes when they got it, each different change once.
   */
  rules?: RuleDeltaStatus[];
  /**
   * Connections that conntrack keeps to targets that the change took away.
   */
  conntrack?: KeptConnectionsStatus[];
  /**
   * What connections to endpoints that the change took away did, of each node that reports its connections and where there is something to say; those with the most opened ones first. A connection counts where it is certain that it came after the change.
   */
  connections?: EndpointConnectionsStatus[];
  /**
   * Nodes and endpoints that connections has no room for; absent where it has.
   */
  omittedConnections?: number;
}
export interface EndpointChangeStatus {
  /**
   * Address of the endpoint.
   */
  address: string;
  /**
   * Whether it came, went or changed.
   */
  change: 'Added' | 'Removed' | 'Changed';
  /**
   * Name of its pod.
   */
  pod?: string;
  /**
   * The node that it runs on.
   */
  nodeName?: string;
  /**
   * Absent where it was not there.
   */
  was?: {
    /**
     * Whether it got new connections.
     */
    ready: boolean;
    /**
     * Whether it answered.
     */
    serving: boolean;
    /**
     * Whether it was being deleted.
     */
    terminating: boolean;
  };
  /**
   * Absent where it is no longer there.
   */
  is?: {
    /**
     * Whether it gets new connections.
     */
    ready: boolean;
    /**
     * Whether it answers.
     */
    serving: boolean;
    /**
     * Whether it is being deleted.
     */
    terminating: boolean;
  };
}
export interface ExpectedTargetsStatus {
  /**
   * Absent where it is asked of all nodes.
   */
  nodes?: string[];
  /**
   * Endpoints to which packets are to be sent, or no more.
   */
  targets: ExpectedTargetStatus[];
}
export interface ExpectedTargetStatus {
  /**
   * Internal of a ClusterIP, external of other frontends; absent where it is of both.
   */
  traffic?: 'internal' | 'external';
  /**
   * Name of the Service port; absent where it has none.
   */
  portName?: string;
  /**
   * TCP, UDP or SCTP.
   */
  protocol: 'TCP' | 'UDP' | 'SCTP';
  /**
   * Address of the endpoint.
   */
  address: string;
  /**
   * Port of the endpoint.
   */
  port: number;
  /**
   * Whether packets are to be sent there.
   */
  present: boolean;
}
/**
 * How long it took from the change to the nodes' rules. Each is known by two bounds: of a time that was not watched, nobody knows more.
 */
export interface LagStatus {
  /**
   * Nodes that have something to change.
   */
  nodes: number;
  /**
   * Nodes whose rules had it.
   */
  arrived: number;
  /**
   * Nodes whose rules are not known to have it.
   */
  pending: number;
  /**
   * Nodes whose rules never had it before it was undone.
   */
  neverArrived: number;
  /**
   * Nodes on which it was undone before a reading showed it.
   */
  unseen: number;
  p50?: LagBounds;
  /**
   * Of 100 nodes that have it, 90 had it within this time.
   */
  p90?: {
    /**
     * It is at least so much.
     */
    minMilliseconds: number;
    /**
     * It is at most so much.
     */
    maxMilliseconds: number;
  };
  /**
   * Of 100 nodes that have it, 99 had it within this time.
   */
  p99?: {
    /**
     * It is at least so much.
     */
    minMilliseconds: number;
    /**
     * It is at most so much.
     */
    maxMilliseconds: number;
  };
  /**
   * All nodes that have it had it within this time.
   */
  max?: {
    /**
     * It is at least so much.
     */
    minMilliseconds: number;
    /**
     * It is at most so much.
     */
    maxMilliseconds: number;
  };
  /**
   * The node whose rules had it last.
   */
  lastNode?: string;
}
/**
 * Of 100 nodes that have it, 50 had it within this time.
 */
export interface LagBounds {
  /**
   * It is at least so much.
   */
  minMilliseconds: number;
  /**
   * It is at most so much.
   */
  maxMilliseconds: number;
}
export interface NodeLagStatus {
  /**
   * The node.
   */
  node: string;
  /**
   * Arrived (its rules had it), Pending (not known to have it), NeverArrived (undone before its rules had it), Unseen (undone before a reading showed it).
   */
  state: 'Arrived' | 'Pending' | 'NeverArrived' | 'Unseen';
  /**
   * It took at least so long.
   */
  minMilliseconds: number;
  /**
   * It took at most so long, where it arrived.
   */
  maxMilliseconds?: number;
  /**
   * When it arrived: between so long and maxMilliseconds after the `earliest` of the change. Absent where only the end is known.
   */
  fromMilliseconds?: number;
}
export interface RuleDeltaStatus {
  /**
   * At most 50 of them.
   */
  nodes: string[];
  /**
   * Changes of EndpointSlices that the rules got together.
   */
  changes: number;
  /**
   * Whether kube-proxy wrote all of its rules or a part, by its counters; absent where they do not say it.
   */
  restore?: 'Full' | 'Partial';
  /**
   * Chains that are new.
   */
  addedChains: string[];
  /**
   * Chains that are gone.
   */
  removedChains: string[];
  /**
   * Chains that were there and whose rules changed.
   */
  rewrittenChains: string[];
  /**
   * Elements of maps and real servers.
   */
  addedElements: number;
  /**
   * Elements of maps and sets that are gone.
   */
  removedElements: number;
  /**
   * Rules and elements of the Service that are as they were.
   */
  untouchedRules: number;
}
export interface KeptConnectionsStatus {
  /**
   * Address of the endpoint.
   */
  address: string;
  /**
   * Port of the endpoint.
   */
  port: number;
  /**
   * At the last collection.
   */
  entries: number;
  /**
   * At any collection after the change.
   */
  most: number;
  /**
   * Nodes with entries at the last collection that had any, 50 at most.
   */
  nodes: string[];
  /**
   * When there were some the last time.
   */
  seen: string;
  /**
   * When a collection first found none.
   */
  goneBy?: string;
}
export interface EndpointConnectionsStatus {
  /**
   * The node whose conntrack table it is.
   */
  node: string;
  /**
   * TCP, UDP or SCTP.
   */
  protocol: 'TCP' | 'UDP' | 'SCTP';
  /**
   * Of the endpoint.
   */
  address: string;
  /**
   * Of the endpoint.
   */
  port: number;
  /**
   * New connections that this node sent there after the change.
   */
  opened: number;
  /**
   * Of these, those without an answer so far; of UDP, those that ended without one.
   */
  unanswered: number;
  /**
   * Connections there that a RST ended after the change, whenever they were opened and whoever sent it; a refused one is one of them.
   */
  reset: number;
  /**
   * When the last of the opened ones came, at the latest.
   */
  lastOpened?: string;
  /**
   * Entries that conntrack still had at the last collection; absent until there is one.
   */
  kept?: number;
  /**
   * When the last entry went; absent while there are some.
   */
  keptUntil?: string;
  /**
   * False where events were dropped or not followed since before the change. Then all counts are of what is known.
   */
  isComplete: boolean;
}
/**
 * What the nodes' kernels reported of the Service's connections while the trace is watched; absent where nobody follows them (spec.mode Once, spec.collect.conntrack None).
 */
export interface ConnectionEventsStatus {
  /**
   * Nodes whose connections are followed.
   */
  followedNodes: number;
  /**
   * Nodes whose connections are not followed, and why.
   */
  notFollowed: {
    /**
     * Why they are not.
     */
    reason: string;
    /**
     * How many nodes.
     */
    count: number;
    /**
     * At most 50 of them.
     */
    nodes: string[];
  }[];
  /**
   * The last 20 times of which events are missing, the oldest first.
   */
  gaps: {
    /**
     * Its name.
     */
    node: string;
    /**
     * The first event that is missing came at or after this time.
     */
    from: string;
    /**
     * The last event that is missing came at or before this time.
     */
    to: string;
    /**
     * How many events; absent where nobody knows.
     */
    dropped?: number;
  }[];
  /**
   * The last 50 events, the oldest first.
   */
  recent: ConnectionEventStatus[];
}
export interface ConnectionEventStatus {
  /**
   * Its name.
   */
  node: string;
  /**
   * New (an entry was made), Answered (the endpoint answered the SYN), Reset (a RST ended it after an answer), Destroyed (the entry is no longer there).
   */
  kind: 'New' | 'Answered' | 'Reset' | 'Destroyed';
  /**
   * It happened at or after this time.
   */
  earliest: string;
  /**
   * It happened at or before this time.
   */
  latest: string;
  /**
   * Connections that are alike.
   */
  count: number;
  /**
   * Of the connections.
   */
  protocol: 'TCP' | 'UDP' | 'SCTP';
  /**
   * Where spec.collect.conntrack is Entries.
   */
  client?: string;
  /**
   * Beside the client.
   */
  clientPort?: number;
  /**
   * Where the client sent it.
   */
  address: string;
  /**
   * Beside the address.
   */
  port: number;
  /**
   * Where the node sent it.
   */
  endpoint: string;
  /**
   * Beside the endpoint.
   */
  endpointPort: number;
  /**
   * At the event; of Destroyed the last one.
   */
  tcpState?: string;
  /**
   * Whether a packet has come back.
   */
  isAnswered: boolean;
}
/**
 * Counts, for columns.
 */
export interface SummaryStatus {
  /**
   * Nodes that answered of the nodes that were asked.
   */
  nodes: string;
  /**
   * Ready endpoints of all endpoints.
   */
  endpoints: string;
  /**
   * How many findings there are.
   */
  findings: number;
  /**
   * Those of severity error.
   */
  errors?: number;
  /**
   * Those of severity warning.
   */
  warnings?: number;
}

/** JSON Schema of a ServiceTrace, for parsing one that came from the API or from a file. */
export const serviceTraceSchema = {
 "type": "object",
 "required": [
  "apiVersion",
  "kind",
  "metadata",
  "spec"
 ],
 "properties": {
  "apiVersion": {
   "type": "string",
   "enum": [
    "svctrace.io/v1alpha1"
   ]
  },
  "kind": {
   "type": "string",
   "enum": [
    "ServiceTrace"
   ]
  },
  "metadata": {
   "title": "ServiceTraceMetadata",
   "description": "The part of ObjectMeta that this project reads.",
   "type": "object",
   "properties": {
    "name": {
     "type": "string"
    },
    "generateName": {
     "type": "string"
    },
    "namespace": {
     "type": "string"
    },
    "uid": {
     "type": "string"
    },
    "resourceVersion": {
     "type": "string"
    },
    "generation": {
     "type": "integer"
    },
    "creationTimestamp": {
     "type": "string"
    },
    "deletionTimestamp": {
     "type": "string"
    },
    "labels": {
     "type": "object",
     "additionalProperties": {
      "type": "string"
     }
    },
    "annotations": {
     "type": "object",
     "additionalProperties": {
      "type": "string"
     }
    }
   }
  },
  "spec": {
   "description": "What to trace. A trace never reads a Service of another namespace than its own, and shows of an external address of it (externalIPs, load balancer) only what is the Service's own: none that another Service, a pod or a node has is asked for.",
   "type": "object",
   "required": [
    "serviceRef"
   ],
   "properties": {
    "serviceRef": {
     "description": "The Service to trace, in the namespace of the trace.",
     "type": "object",
     "required": [
      "name"
     ],
     "properties": {
      "name": {
       "description": "The name of the Service.",
       "type": "string",
       "minLength": 1,
       "maxLength": 63
      }
     }
    },
    "mode": {
     "description": "Once collects one time for each change of the spec; Watch collects again at every interval and when the EndpointSlices change.",
     "type": "string",
     "enum": [
      "Once",
      "Watch"
     ],
     "default": "Once"
    },
    "interval": {
     "description": "The time between two collections in mode Watch, such as 5s or 1m; 10s where it is left out. The operator may admit a longer one as the shortest (OnSchedule says so).",
     "type": "string",
     "maxLength": 16
    },
    "nodes": {
     "description": "The nodes to ask; all nodes where it is left out.",
     "type": "object",
     "properties": {
      "names": {
       "description": "Node names.",
       "type": "array",
       "minItems": 1,
       "maxItems": 5000,
       "items": {
        "type": "string",
        "minLength": 1,
        "maxLength": 253
       }
      },
      "selector": {
       "description": "A label selector for nodes.",
       "type": "object",
       "properties": {
        "matchLabels": {
         "description": "Labels that a node must have, with these values.",
         "type": "object",
         "maxProperties": 64,
         "additionalProperties": {
          "type": "string",
          "maxLength": 63
         }
        },
        "matchExpressions": {
         "description": "Conditions of a label, all of which a node must meet.",
         "type": "array",
         "maxItems": 64,
         "items": {
          "type": "object",
          "required": [
           "key",
           "operator"
          ],
          "properties": {
           "key": {
            "description": "The name of the label.",
            "type": "string",
            "maxLength": 317
           },
           "operator": {
            "description": "In and NotIn compare the value with values; Exists and DoesNotExist take none.",
            "type": "string",
            "enum": [
             "In",
             "NotIn",
             "Exists",
             "DoesNotExist"
            ]
           },
           "values": {
            "description": "Values of the label, for In and NotIn.",
            "type": "array",
            "maxItems": 128,
            "items": {
             "type": "string",
             "maxLength": 63
            }
           }
          }
         }
        }
       }
      },
      "max": {
       "description": "Ask at most this many of the chosen nodes, in the order of their names.",
       "type": "integer",
       "minimum": 1,
       "maximum": 5000
      }
     },
     "title": "NodesSpec"
    },
    "collect": {
     "description": "What to collect on each node.",
     "type": "object",
     "default": {},
     "properties": {
      "rules": {
       "description": "Read the Service's chains, maps and counters.",
       "type": "boolean",
       "default": true
      },
      "conntrack": {
       "description": "None reads no conntrack entry; Summary counts the Service's entries by backend; Entries lists them, with the addresses of clients. The operator may let traces show less (finding DATA-LIMITED).",
       "type": "string",
       "enum": [
        "None",
        "Summary",
        "Entries"
       ],
       "default": "Summary"
      },
      "kubeProxy": {
       "description": "Ask kube-proxy on 127.0.0.1 for its mode, health and last sync.",
       "type": "boolean",
       "default": true
      },
      "dns": {
       "description": "Ask the cluster's DNS for the Service's name from each node, and compare the answer with the Service.",
       "type": "boolean",
       "default": true
      },
      "connect": {
       "description": "Transport connects from each node to the Service's cluster IPs, node ports, load balancer addresses that nobody else has, and ready endpoints (TCP; a datagram for UDP), HTTP sends a GET over TCP, too. Never to externalIPs, and only where every endpoint is a running pod of the namespace. The programs behind the Service see it, and it leaves conntrack entries.",
       "type": "string",
       "enum": [
        "None",
        "Transport",
        "HTTP"
       ],
       "default": "None"
      }
     },
     "title": "CollectSpec"
    },
    "from": {
     "description": "The client whose packet is walked through the rules of its node. One of pod, node and ip.",
     "type": "object",
     "properties": {
      "pod": {
       "description": "A pod of the trace's namespace.",
       "type": "string",
       "minLength": 1,
       "maxLength": 253
      },
      "node": {
       "description": "A node; its packet enters at OUTPUT.",
       "type": "string",
       "minLength": 1,
       "maxLength": 253
      },
      "ip": {
       "description": "An address; its packet enters at PREROUTING of every chosen node, at OUTPUT where it is the node's own.",
       "type": "string",
       "maxLength": 45
      }
     },
     "title": "FromSpec"
    },
    "suspend": {
     "description": "Collect nothing while this is true; the status stays as it is.",
     "type": "boolean",
     "default": false
    },
    "ttlSecondsAfterFinished": {
     "description": "In mode Once, delete the trace this many seconds after it finished.",
     "type": "integer",
     "minimum": 0,
     "maximum": 31536000
    }
   },
   "title": "ServiceTraceSpec"
  },
  "status": {
   "description": "What was found.",
   "type": "object",
   "default": {
    "conditions": [
     {
      "type": "Ready",
      "status": "Unknown",
      "reason": "NotCollectedYet",
      "message": "no operator has collected this trace yet",
      "lastTransitionTime": "1970-01-01T00:00:00Z"
     }
    ]
   },
   "properties": {
    "observedGeneration": {
     "description": "The metadata.generation that the status belongs to.",
     "type": "integer",
     "format": "int64"
    },
    "similarServices": {
     "description": "Where the Service is not there, the names of Services of the namespace near its name, the nearest first.",
     "type": "array",
     "maxItems": 5,
     "items": {
      "type": "string"
     }
    },
    "conditions": {
     "description": "Ready (the trace did its work), Collected (every chosen node answered), Converged (every node's rules equal the EndpointSlices), Healthy (no finding of severity error), OnSchedule (mode Watch: results come at their interval).",
     "type": "array",
     "maxItems": 16,
     "items": {
      "type": "object",
      "required": [
       "type",
       "status",
       "reason",
       "message",
       "lastTransitionTime"
      ],
      "properties": {
       "type": {
        "description": "What it is about.",
        "type": "string",
        "enum": [
         "Ready",
         "Collected",
         "Converged",
         "Healthy",
         "OnSchedule"
        ]
       },
       "status": {
        "description": "True, False, or Unknown where it could not be found out.",
        "type": "string",
        "enum": [
         "True",
         "False",
         "Unknown"
        ]
       },
       "reason": {
        "description": "One word that programs may decide by.",
        "type": "string",
        "maxLength": 1024
       },
       "message": {
        "description": "A sentence for people.",
        "type": "string",
        "maxLength": 32768
       },
       "lastTransitionTime": {
        "description": "When the status became what it is.",
        "type": "string",
        "format": "date-time"
       },
       "observedGeneration": {
        "description": "The generation of the spec that it is of.",
        "type": "integer",
        "format": "int64"
       }
      },
      "title": "Condition"
     }
    },
    "collectedAt": {
     "description": "When the newest collection ended, by the collector's clock.",
     "type": "string",
     "format": "date-time"
    },
    "service": {
     "description": "The Service as the API server has it.",
     "type": "object",
     "required": [
      "type",
      "clusterIPs",
      "externalIPs",
      "loadBalancerIPs",
      "ports"
     ],
     "properties": {
      "type": {
       "description": "spec.type of the Service.",
       "type": "string"
      },
      "clusterIPs": {
       "description": "Its cluster IPs; empty where it is headless.",
       "type": "array",
       "items": {
        "type": "string"
       }
      },
      "externalIPs": {
       "description": "spec.externalIPs.",
       "type": "array",
       "items": {
        "type": "string"
       }
      },
      "loadBalancerIPs": {
       "description": "Addresses that its load balancer has, by its status.",
       "type": "array",
       "items": {
        "type": "string"
       }
      },
      "ports": {
       "description": "spec.ports.",
       "type": "array",
       "items": {
        "type": "object",
        "required": [
         "protocol",
         "port"
        ],
        "properties": {
         "name": {
          "description": "Absent where the port has no name.",
          "type": "string"
         },
         "protocol": {
          "description": "TCP, UDP or SCTP.",
          "type": "string",
          "enum": [
           "TCP",
           "UDP",
           "SCTP"
          ]
         },
         "port": {
          "description": "The port at the cluster IP.",
          "type": "integer"
         },
         "targetPort": {
          "description": "A number or a name of a container port, as text.",
          "type": "string"
         },
         "nodePort": {
          "description": "The port at the addresses of nodes; absent where it has none.",
          "type": "integer"
         }
        },
        "title": "ServicePortStatus"
       }
      },
      "selector": {
       "description": "Labels of the pods behind it.",
       "type": "object",
       "additionalProperties": {
        "type": "string"
       }
      },
      "internalTrafficPolicy": {
       "description": "Local where packets from inside the cluster stay on their node.",
       "type": "string"
      },
      "externalTrafficPolicy": {
       "description": "Local where packets from outside stay on the node that they reach.",
       "type": "string"
      },
      "sessionAffinity": {
       "description": "ClientIP where a client keeps its endpoint.",
       "type": "string"
      },
      "sessionAffinityTimeoutSeconds": {
       "description": "For how long a client keeps it after its last connection.",
       "type": "integer"
      },
      "loadBalancerSourceRanges": {
       "description": "Networks whose clients may come by the load balancer; all where there is none.",
       "type": "array",
       "items": {
        "type": "string"
       }
      },
      "healthCheckNodePort": {
       "description": "Where a node says whether it has endpoints of its own.",
       "type": "integer"
      },
      "ipFamilies": {
       "description": "Families of its cluster IPs, the first one first.",
       "type": "array",
       "items": {
        "type": "string"
       }
      },
      "ipFamilyPolicy": {
       "description": "Whether it asks for one family or two.",
       "type": "string"
      },
      "trafficDistribution": {
       "description": "Which endpoints are preferred, such as PreferSameZone.",
       "type": "string"
      },
      "publishNotReadyAddresses": {
       "description": "Whether endpoints that are not ready count as ready.",
       "type": "boolean"
      },
      "externalName": {
       "description": "Of type ExternalName, the DNS name that it stands for.",
       "type": "string"
      },
      "notProxied": {
       "description": "Why kube-proxy writes no rules for this Service (headless, ExternalName, service-proxy-name); absent where it does.",
       "type": "string"
      }
     },
     "title": "ServiceStatus"
    },
    "endpointSlices": {
     "description": "Its EndpointSlices.",
     "type": "array",
     "items": {
      "type": "object",
      "required": [
       "name",
       "addressType",
       "ports",
       "endpoints"
      ],
      "properties": {
       "name": {
        "description": "Name of the EndpointSlice.",
        "type": "string"
       },
       "addressType": {
        "description": "Family of the addresses in it.",
        "type": "string",
        "enum": [
         "IPv4",
         "IPv6",
         "FQDN"
        ]
       },
       "ports": {
        "description": "Ports of each endpoint in it.",
        "type": "array",
        "items": {
         "type": "object",
         "properties": {
          "name": {
           "description": "The name of the Service port that it is for; absent where that has none.",
           "type": "string"
          },
          "protocol": {
           "description": "TCP, UDP or SCTP.",
           "type": "string",
           "enum": [
            "TCP",
            "UDP",
            "SCTP"
           ]
          },
          "port": {
           "description": "Port of the endpoints.",
           "type": "integer"
          }
         }
        }
       },
       "endpoints": {
        "description": "The endpoints, most often a pod each.",
        "type": "array",
        "items": {
         "type": "object",
         "required": [
          "addresses",
          "ready",
          "serving",
          "terminating"
         ],
         "properties": {
          "addresses": {
           "description": "Addresses of one endpoint; the first one is used.",
           "type": "array",
           "items": {
            "type": "string"
           }
          },
          "ready": {
           "description": "Whether it gets new connections.",
           "type": "boolean"
          },
          "serving": {
           "description": "Whether it answers, also while it terminates.",
           "type": "boolean"
          },
          "terminating": {
           "description": "Whether it is being deleted.",
           "type": "boolean"
          },
          "nodeName": {
           "description": "The node that it runs on.",
           "type": "string"
          },
          "hostname": {
           "description": "The pod's host name in DNS; absent where it has none.",
           "type": "string"
          },
          "zone": {
           "description": "Its node's zone.",
           "type": "string"
          },
          "hints": {
           "description": "The zones that the endpoint is meant for.",
           "type": "array",
           "items": {
            "type": "string"
           }
          },
          "nodeHints": {
           "description": "The nodes that the endpoint is meant for.",
           "type": "array",
           "items": {
            "type": "string"
           }
          },
          "targetRef": {
           "description": "The object that it stands for.",
           "type": "object",
           "properties": {
            "kind": {
             "description": "Pod, most often.",
             "type": "string"
            },
            "name": {
             "description": "The object's name.",
             "type": "string"
            },
            "uid": {
             "description": "The object's UID.",
             "type": "string"
            }
           }
          }
         },
         "title": "EndpointStatus"
        }
       }
      },
      "title": "EndpointSliceStatus"
     }
    },
    "endpoints": {
     "description": "The legacy Endpoints object beside the EndpointSlices, by what both cost; absent where the API server was not asked.",
     "type": "object",
     "required": [
      "endpointSlices"
     ],
     "properties": {
      "legacy": {
       "description": "Absent where there is no Endpoints object, or it was not read.",
       "type": "object",
       "required": [
        "addresses",
        "bytes",
        "truncated",
        "changeBytes"
       ],
       "properties": {
        "addresses": {
         "description": "Ready or not.",
         "type": "integer"
        },
        "bytes": {
         "description": "Of the object as JSON.",
         "type": "integer"
        },
        "truncated": {
         "description": "More than 1000 addresses were left out.",
         "type": "boolean"
        },
        "changeBytes": {
         "description": "What one changed endpoint sends to each watcher: the whole object.",
         "type": "integer"
        }
       }
      },
      "endpointSlices": {
       "description": "How many EndpointSlices there are.",
       "type": "object",
       "required": [
        "addresses",
        "bytes",
        "shards",
        "largestBytes",
        "changeBytes"
       ],
       "properties": {
        "addresses": {
         "description": "Ready or not, of both families.",
         "type": "integer"
        },
        "bytes": {
         "description": "Of all shards as JSON.",
         "type": "integer"
        },
        "shards": {
         "description": "EndpointSlices of the Service.",
         "type": "integer"
        },
        "largestBytes": {
         "description": "Of the largest shard.",
         "type": "integer"
        },
        "changeBytes": {
         "description": "What one changed endpoint sends to each watcher: its shard, on average over the endpoints.",
         "type": "integer"
        }
       }
      }
     },
     "title": "EndpointsCostStatus"
    },
    "programs": {
     "description": "Each different program of rules once, with the nodes that have it.",
     "type": "array",
     "items": {
      "type": "object",
      "required": [
       "fingerprint",
       "proxyMode",
       "nodes",
       "chains"
      ],
      "properties": {
       "fingerprint": {
        "description": "A hash of the rules without their counters.",
        "type": "string"
       },
       "proxyMode": {
        "description": "kube-proxy's mode on these nodes.",
        "type": "string",
        "enum": [
         "iptables",
         "nftables",
         "ipvs",
         "unknown"
        ]
       },
       "backend": {
        "description": "The iptables backend.",
        "type": "string",
        "enum": [
         "nf_tables",
         "legacy"
        ]
       },
       "nodes": {
        "description": "Nodes whose rules are these.",
        "type": "array",
        "items": {
         "type": "string"
        }
       },
       "chains": {
        "description": "Chains that packets to the Service reach, in the order of a packet.",
        "type": "array",
        "items": {
         "type": "object",
         "required": [
          "family",
          "table",
          "name",
          "rules"
         ],
         "properties": {
          "family": {
           "description": "IPv4 or IPv6.",
           "type": "string",
           "enum": [
            "IPv4",
            "IPv6"
           ]
          },
          "table": {
           "description": "The table that the chain is in.",
           "type": "string"
          },
          "name": {
           "description": "A chain; or `map NAME`, a map of nftables; or `TCP 10.96.0.7:80`, a virtual server of IPVS (table ipvs).",
           "type": "string"
          },
          "rules": {
           "description": "Its rules, in their order.",
           "type": "array",
           "items": {
            "type": "object",
            "required": [
             "text"
            ],
            "properties": {
             "text": {
              "description": "The rule as the kernel's tool printed it, without counters.",
              "type": "string"
             },
             "packets": {
              "description": "Summed over the nodes; absent where the rule has no counter.",
              "type": "integer",
              "format": "int64"
             },
             "bytes": {
              "description": "Bytes that it has counted; absent where nothing counts.",
              "type": "integer",
              "format": "int64"
             }
            },
            "title": "RuleStatus"
           }
          }
         },
         "title": "ChainStatus"
        }
       }
      },
      "title": "ProgramStatus"
     }
    },
    "nodes": {
     "description": "One for each node that is asked.",
     "type": "array",
     "items": {
      "type": "object",
      "required": [
       "name",
       "probe",
       "proxyMode",
       "ports"
      ],
      "properties": {
       "name": {
        "description": "Name of the node.",
        "type": "string"
       },
       "probe": {
        "description": "Whether its probe answered, and with what times.",
        "type": "object",
        "required": [
         "state"
        ],
        "properties": {
         "state": {
          "description": "Waiting: no probe runs there yet; Failed: the node did not answer; Skipped: no probe can run there.",
          "type": "string",
          "enum": [
           "Waiting",
           "Collected",
           "Failed",
           "Skipped"
          ]
         },
         "reason": {
          "description": "A word such as ImagePullBackOff.",
          "type": "string"
         },
         "message": {
          "description": "A sentence with what to do.",
          "type": "string"
         },
         "collectedAt": {
          "description": "When its answer was whole.",
          "type": "string",
          "format": "date-time"
         },
         "rulesReadAt": {
          "description": "When the rules and their counters were read, where that was before the rest: they are watched, and have not changed since.",
          "type": "string",
          "format": "date-time"
         },
         "durationMilliseconds": {
          "description": "How long the probe took to read.",
          "type": "integer"
         },
         "clock": {
          "description": "How far the node's clock is ahead of the collector's.",
          "type": "object",
          "required": [
           "offsetMilliseconds",
           "uncertaintyMilliseconds"
          ],
          "properties": {
           "offsetMilliseconds": {
            "description": "How far the node's clock is ahead.",
            "type": "integer"
           },
           "uncertaintyMilliseconds": {
            "description": "The offset may be this much more or less.",
            "type": "integer"
           }
          }
         },
         "unread": {
          "description": "What the probe could not read, each with the reason.",
          "type": "array",
          "items": {
           "type": "object",
           "required": [
            "what",
            "reason"
           ],
           "properties": {
            "what": {
             "description": "What could not be read.",
             "type": "string"
            },
            "reason": {
             "description": "Why not.",
             "type": "string"
            }
           }
          }
         }
        },
        "title": "ProbeStatus"
       },
       "proxyMode": {
        "description": "kube-proxy's mode; unknown where the node did not answer.",
        "type": "string",
        "enum": [
         "iptables",
         "nftables",
         "ipvs",
         "unknown"
        ]
       },
       "proxyModeSource": {
        "description": "How the mode is known.",
        "type": "string"
       },
       "backend": {
        "description": "How the rules of iptables are kept: legacy tables or nf_tables.",
        "type": "string",
        "enum": [
         "nf_tables",
         "legacy"
        ]
       },
       "kubeProxy": {
        "description": "What kube-proxy says of itself.",
        "type": "object",
        "properties": {
         "healthy": {
          "description": "Its healthz; absent where it did not answer.",
          "type": "boolean"
         },
         "message": {
          "description": "What its healthz says besides, or why it is not known.",
          "type": "string"
         },
         "lastSync": {
          "description": "When kube-proxy last wrote its rules.",
          "type": "string",
          "format": "date-time"
         },
         "lastQueued": {
          "description": "When writing was last asked for.",
          "type": "string",
          "format": "date-time"
         },
         "version": {
          "description": "Such as v1.37.2.",
          "type": "string"
         },
         "configSource": {
          "description": "Where its configuration was read.",
          "type": "string",
          "enum": [
           "configz",
           "ConfigMap"
          ]
         },
         "pendingChanges": {
          "description": "Changes of Services and endpoints that are not written yet.",
          "type": "integer"
         },
         "fullSyncs": {
          "description": "Writes of all rules since it started.",
          "type": "integer",
          "format": "int64"
         },
         "partialSyncs": {
          "description": "Writes of the changed Services' rules since it started.",
          "type": "integer",
          "format": "int64"
         },
         "failures": {
          "description": "Writes that failed since it started, each family counted.",
          "type": "integer",
          "format": "int64"
         },
         "apiErrors": {
          "description": "Requests to the API server without an answer, or refused, since it started.",
          "type": "integer",
          "format": "int64"
         },
         "invalidPackets": {
          "description": "Packets of no connection that its rule dropped since it started.",
          "type": "integer",
          "format": "int64"
         }
        },
        "title": "KubeProxyStatus"
       },
       "program": {
        "description": "The fingerprint of the node's program.",
        "type": "string"
       },
       "ports": {
        "description": "What the node does with a packet to each frontend of the Service.",
        "type": "array",
        "items": {
         "type": "object",
         "required": [
          "family",
          "frontend",
          "address",
          "protocol",
          "port",
          "verdict",
          "dnatTargets"
         ],
         "properties": {
          "family": {
           "description": "IPv4 or IPv6.",
           "type": "string",
           "enum": [
            "IPv4",
            "IPv6"
           ]
          },
          "frontend": {
           "description": "Where packets come in: ClusterIP, NodePort, LoadBalancer or ExternalIP.",
           "type": "string",
           "enum": [
            "ClusterIP",
            "ExternalIP",
            "LoadBalancerIP",
            "NodePort"
           ]
          },
          "address": {
           "description": "The frontend's address; empty for a NodePort.",
           "type": "string"
          },
          "portName": {
           "description": "Name of the Service port; absent where it has none.",
           "type": "string"
          },
          "protocol": {
           "description": "TCP, UDP or SCTP.",
           "type": "string",
           "enum": [
            "TCP",
            "UDP",
            "SCTP"
           ]
          },
          "port": {
           "description": "The port of the frontend.",
           "type": "integer"
          },
          "verdict": {
           "description": "DNAT, REJECT, DROP, None (no rule matches) or Unknown (not read).",
           "type": "string",
           "enum": [
            "DNAT",
            "REJECT",
            "DROP",
            "None",
            "Unknown"
           ]
          },
          "packets": {
           "description": "First packets of connections that met the entry rule.",
           "type": "integer",
           "format": "int64"
          },
          "bytes": {
           "description": "Bytes that the rules to its targets have counted; absent where nothing counts.",
           "type": "integer",
           "format": "int64"
          },
          "trafficPolicy": {
           "description": "As the rules have it: internal of a ClusterIP, external of the others; absent where no rule says it.",
           "type": "string",
           "enum": [
            "Cluster",
            "Local"
           ]
          },
          "sourceRanges": {
           "description": "loadBalancerSourceRanges as the rules have them; absent where all may come in.",
           "type": "array",
           "items": {
            "type": "string"
           }
          },
          "sessionAffinitySeconds": {
           "description": "For how long a client stays with its endpoint; absent without session affinity.",
           "type": "integer"
          },
          "masquerade": {
           "description": "Who gets another source address on the packet path to an endpoint; absent where not known.",
           "type": "object",
           "required": [
            "outside",
            "node"
           ],
           "properties": {
            "outside": {
             "description": "Clients outside of the cluster.",
             "type": "boolean"
            },
            "node": {
             "description": "The node itself.",
             "type": "boolean"
            }
           }
          },
          "dnatTargets": {
           "description": "Where packets are sent, with their shares.",
           "type": "array",
           "items": {
            "type": "object",
            "required": [
             "address",
             "port"
            ],
            "properties": {
             "address": {
              "description": "Address of the endpoint.",
              "type": "string"
             },
             "port": {
              "description": "Port of the endpoint.",
              "type": "integer"
             },
             "pod": {
              "description": "Name of the pod with this address; absent where none of the Service has it.",
              "type": "string"
             },
             "probability": {
              "description": "From 0 to 1; absent where not known.",
              "type": "number"
             },
             "chosenBy": {
              "description": "Of IPVS: what its scheduler chooses by, where probability is absent, for no share is known then.",
              "type": "string",
              "enum": [
               "ClientHash",
               "DestinationHash",
               "LeastConnections",
               "Unknown"
              ]
             },
             "weight": {
              "description": "Of IPVS: the real server's weight; 0 drains.",
              "type": "integer"
             },
             "hairpinMasquerade": {
              "description": "Whether the target reaches itself by way of the Service; absent where not known.",
              "type": "boolean"
             },
             "packets": {
              "description": "Connections that this node's rule sent there; absent where kube-proxy writes no counter.",
              "type": "integer",
              "format": "int64"
             },
             "bytes": {
              "description": "Bytes that its rule has counted; absent where nothing counts.",
              "type": "integer",
              "format": "int64"
             },
             "connections": {
              "description": "Entries of the node's conntrack table that this target answers.",
              "type": "integer",
              "format": "int64"
             }
            },
            "title": "DnatTargetStatus"
           }
          },
          "drift": {
           "description": "How dnatTargets differ from the DNAT targets that this node should have by the EndpointSlices, the traffic policy, topology hints and the node's zone; absent where its rules were not read, where kube-proxy leaves the Service alone, and in a status of an earlier version.",
           "type": "object",
           "required": [
            "desired",
            "missing",
            "extra"
           ],
           "properties": {
            "desired": {
             "description": "DNAT targets that the node should have.",
             "type": "integer"
            },
            "missing": {
             "description": "Of these, those that its rules do not have.",
             "type": "integer"
            },
            "extra": {
             "description": "DNAT targets that its rules have and should not have.",
             "type": "integer"
            },
            "missingTargets": {
             "description": "Those that are missing; fewer than counted where the status was truncated.",
             "type": "array",
             "items": {
              "type": "object",
              "required": [
               "address",
               "port"
              ],
              "properties": {
               "address": {
                "description": "Address of the endpoint.",
                "type": "string"
               },
               "port": {
                "description": "Port of the endpoint.",
                "type": "integer"
               },
               "pod": {
                "description": "Name of the pod with this address.",
                "type": "string"
               },
               "nodeName": {
                "description": "The node that the endpoint is on.",
                "type": "string"
               }
              },
              "title": "MissingTargetStatus"
             }
            },
            "extraTargets": {
             "description": "Those that should not be there; fewer than counted where the status was truncated.",
             "type": "array",
             "items": {
              "type": "object",
              "required": [
               "address",
               "port"
              ],
              "properties": {
               "address": {
                "description": "Address of the endpoint.",
                "type": "string"
               },
               "port": {
                "description": "Port of the endpoint.",
                "type": "integer"
               }
              }
             }
            }
           },
           "title": "DriftStatus"
          }
         },
         "title": "NodePortStatus"
        }
       },
       "conntrack": {
        "description": "Connections of the Service that the node tracks.",
        "type": "object",
        "required": [
         "matched"
        ],
        "properties": {
         "matched": {
          "description": "Entries of this Service.",
          "type": "integer"
         },
         "unreplied": {
          "description": "Those without an answer.",
          "type": "integer"
         },
         "count": {
          "description": "Entries of the whole table.",
          "type": "integer"
         },
         "max": {
          "description": "Room of the whole table.",
          "type": "integer"
         },
         "states": {
          "description": "The Service's entries by protocol and state, such as \"TCP ESTABLISHED\".",
          "type": "object",
          "additionalProperties": {
           "type": "integer"
          }
         },
         "omitted": {
          "description": "Entries that are not listed below.",
          "type": "integer"
         },
         "entries": {
          "description": "The connections themselves, where they are collected.",
          "type": "array",
          "items": {
           "type": "object",
           "required": [
            "protocol",
            "original",
            "reply"
           ],
           "properties": {
            "protocol": {
             "description": "TCP, UDP or SCTP.",
             "type": "string"
            },
            "state": {
             "description": "State of a TCP or SCTP connection.",
             "type": "string"
            },
            "unreplied": {
             "description": "Present where no answer came.",
             "type": "boolean"
            },
            "original": {
             "description": "The packet as the client sent it.",
             "type": "object",
             "required": [
              "source",
              "sourcePort",
              "destination",
              "destinationPort"
             ],
             "properties": {
              "source": {
               "description": "Source address.",
               "type": "string"
              },
              "sourcePort": {
               "description": "Source port.",
               "type": "integer"
              },
              "destination": {
               "description": "Destination address.",
               "type": "string"
              },
              "destinationPort": {
               "description": "Destination port.",
               "type": "integer"
              }
             },
             "title": "OriginalTuple"
            },
            "reply": {
             "description": "The packet that the answer is expected to be.",
             "type": "object",
             "required": [
              "source",
              "sourcePort",
              "destination",
              "destinationPort"
             ],
             "properties": {
              "source": {
               "description": "Source address.",
               "type": "string"
              },
              "sourcePort": {
               "description": "Source port.",
               "type": "integer"
              },
              "destination": {
               "description": "Destination address.",
               "type": "string"
              },
              "destinationPort": {
               "description": "Destination port.",
               "type": "integer"
              }
             },
             "title": "ReplyTuple"
            },
            "pod": {
             "description": "The pod that answers.",
             "type": "string"
            }
           },
           "title": "ConntrackEntryStatus"
          }
         }
        },
        "title": "ConntrackStatus"
       },
       "conntrackStatistics": {
        "description": "What the kernel counted since it started, by the names of conntrack -S: drop, early_drop, error, insert_failed, invalid.",
        "type": "object",
        "additionalProperties": {
         "type": "integer",
         "format": "int64"
        }
       },
       "datapath": {
        "description": "What serves Services on the node in kube-proxy's place, such as Cilium; absent where kube-proxy does.",
        "type": "string"
       },
       "dns": {
        "description": "What the node's question for the Service's name was answered with.",
        "type": "object",
        "required": [
         "name",
         "server",
         "answers"
        ],
        "properties": {
         "name": {
          "description": "The name that was asked for.",
          "type": "string"
         },
         "server": {
          "description": "The server that was asked.",
          "type": "string"
         },
         "answers": {
          "description": "Addresses that it answered with.",
          "type": "array",
          "items": {
           "type": "string"
          }
         },
         "error": {
          "description": "Why there is no answer, or what is wrong with it.",
          "type": "string"
         }
        },
        "title": "DnsStatus"
       },
       "connections": {
        "description": "Results of the connections of spec.collect.connect.",
        "type": "array",
        "items": {
         "type": "object",
         "required": [
          "hop",
          "address",
          "port",
          "protocol",
          "outcome",
          "milliseconds"
         ],
         "properties": {
          "hop": {
           "description": "What was connected to: the Service's cluster IP, node port or load balancer, or an endpoint.",
           "type": "string",
           "enum": [
            "ClusterIP",
            "NodePort",
            "ExternalIP",
            "LoadBalancerIP",
            "Endpoint"
           ]
          },
          "address": {
           "description": "Address that was connected to.",
           "type": "string"
          },
          "port": {
           "description": "Port that was connected to.",
           "type": "integer"
          },
          "protocol": {
           "description": "TCP or UDP.",
           "type": "string",
           "enum": [
            "TCP",
            "UDP",
            "SCTP"
           ]
          },
          "outcome": {
           "description": "noReply is a datagram that nobody answered or refused.",
           "type": "string",
           "enum": [
            "connected",
            "answered",
            "refused",
            "timeout",
            "unreachable",
            "failed",
            "noReply",
            "untried"
           ]
          },
          "status": {
           "description": "Of an HTTP answer.",
           "type": "integer"
          },
          "milliseconds": {
           "description": "How long it took until there was an answer.",
           "type": "number"
          }
         }
        }
       }
      },
      "title": "NodeStatus"
     }
    },
    "client": {
     "description": "The pod of spec.from, and the results of its own connections, which the plugin makes in it with its user's rights (--connect --from POD); an operator makes none.",
     "type": "object",
     "required": [
      "pod",
      "connections"
     ],
     "properties": {
      "pod": {
       "description": "Name of the pod.",
       "type": "string"
      },
      "node": {
       "description": "The node that it runs on.",
       "type": "string"
      },
      "by": {
       "description": "The program of the pod that made them, such as bash in container server.",
       "type": "string"
      },
      "untried": {
       "description": "Why none was made.",
       "type": "string"
      },
      "connections": {
       "description": "Connections that a program of the pod made.",
       "type": "array",
       "items": {
        "type": "object",
        "required": [
         "hop",
         "address",
         "port",
         "protocol",
         "outcome",
         "milliseconds"
        ],
        "properties": {
         "hop": {
          "description": "What was connected to: the Service's cluster IP, node port or load balancer, or an endpoint.",
          "type": "string",
          "enum": [
           "ClusterIP",
           "NodePort",
           "ExternalIP",
           "LoadBalancerIP",
           "Endpoint"
          ]
         },
         "address": {
          "description": "Address that was connected to.",
          "type": "string"
         },
         "port": {
          "description": "Port that was connected to.",
          "type": "integer"
         },
         "protocol": {
          "description": "TCP or UDP.",
          "type": "string",
          "enum": [
           "TCP",
           "UDP",
           "SCTP"
          ]
         },
         "outcome": {
          "description": "noReply is a datagram that nobody answered or refused.",
          "type": "string",
          "enum": [
           "connected",
           "answered",
           "refused",
           "timeout",
           "unreachable",
           "failed",
           "noReply",
           "untried"
          ]
         },
         "milliseconds": {
          "description": "How long it took until there was an answer.",
          "type": "number"
         }
        }
       }
      }
     }
    },
    "walks": {
     "description": "The walk of the packet of spec.from through the rules of its node.",
     "type": "array",
     "items": {
      "type": "object",
      "required": [
       "node",
       "source",
       "destination",
       "destinationPort",
       "protocol",
       "verdict",
       "destinations",
       "masquerade",
       "path",
       "unknown"
      ],
      "properties": {
       "node": {
        "description": "The node that the packet enters.",
        "type": "string"
       },
       "source": {
        "description": "The client's address.",
        "type": "string"
       },
       "destination": {
        "description": "The address that the client sends to.",
        "type": "string"
       },
       "destinationPort": {
        "description": "The port that the client sends to.",
        "type": "integer"
       },
       "protocol": {
        "description": "TCP, UDP or SCTP.",
        "type": "string",
        "enum": [
         "TCP",
         "UDP",
         "SCTP"
        ]
       },
       "verdict": {
        "description": "Whether and how the packet is delivered.",
        "type": "string",
        "enum": [
         "DNAT",
         "ACCEPT",
         "DROP",
         "REJECT",
         "NONE",
         "UNKNOWN"
        ]
       },
       "masquerade": {
        "description": "Whether its source address becomes the node's.",
        "type": "boolean"
       },
       "destinations": {
        "description": "Where it may be sent, with the share of each.",
        "type": "array",
        "items": {
         "type": "object",
         "required": [
          "address",
          "port"
         ],
         "properties": {
          "address": {
           "description": "Address of the endpoint.",
           "type": "string"
          },
          "port": {
           "description": "Port of the endpoint.",
           "type": "integer"
          },
          "probability": {
           "description": "From 0 to 1; absent where not known.",
           "type": "number"
          },
          "chosenBy": {
           "description": "Of IPVS: what its scheduler chooses by, where probability is absent, for no share is known then.",
           "type": "string",
           "enum": [
            "ClientHash",
            "DestinationHash",
            "LeastConnections",
            "Unknown"
           ]
          }
         },
         "title": "WalkDestination"
        }
       },
       "path": {
        "description": "The rules that it meets, in their order.",
        "type": "array",
        "items": {
         "type": "object",
         "required": [
          "table",
          "chain",
          "rule",
          "effect"
         ],
         "properties": {
          "table": {
           "description": "The table that the chain is in.",
           "type": "string"
          },
          "chain": {
           "description": "The chain that the rule is in.",
           "type": "string"
          },
          "rule": {
           "description": "The rule, as the tool of its mode prints it.",
           "type": "string"
          },
          "effect": {
           "description": "What the rule does with the packet.",
           "type": "string"
          }
         },
         "title": "WalkStep"
        }
       },
       "unknown": {
        "description": "Matches and targets that the evaluator does not know; the walk says nothing beyond them.",
        "type": "array",
        "items": {
         "type": "string"
        }
       }
      },
      "title": "WalkStatus"
     }
    },
    "findings": {
     "description": "What is wrong, the worst first.",
     "type": "array",
     "items": {
      "type": "object",
      "required": [
       "id",
       "severity",
       "where",
       "message",
       "evidence",
       "advice"
      ],
      "properties": {
       "id": {
        "description": "Such as RULE-EP-MISSING.",
        "type": "string"
       },
       "severity": {
        "description": "error where connections fail, warning where some may, info otherwise.",
        "type": "string",
        "enum": [
         "error",
         "warning",
         "info"
        ]
       },
       "where": {
        "description": "The object or node that it is about, such as node/node-a.",
        "type": "string"
       },
       "node": {
        "description": "The node, where the finding is about one.",
        "type": "string"
       },
       "message": {
        "description": "What is wrong, in one sentence.",
        "type": "string"
       },
       "evidence": {
        "description": "What was read that shows it.",
        "type": "array",
        "items": {
         "type": "string"
        }
       },
       "rule": {
        "description": "The third-party rule that it is about, as its tool prints it.",
        "type": "object",
        "required": [
         "table",
         "chain",
         "rule"
        ],
        "properties": {
         "table": {
          "description": "The table that its chain is in.",
          "type": "string"
         },
         "chain": {
          "description": "The chain that it is in.",
          "type": "string"
         },
         "rule": {
          "description": "The rule, as the tool of its mode prints it.",
          "type": "string"
         }
        }
       },
       "advice": {
        "description": "What to do, in sentences without a command.",
        "type": "string"
       },
       "commands": {
        "description": "Commands for it, each one line that can be pasted; those that only look come first. Absent where there is none.",
        "type": "array",
        "items": {
         "type": "object",
         "required": [
          "run"
         ],
         "properties": {
          "node": {
           "description": "The node to run it on, as root; absent where it runs where kubectl does.",
           "type": "string"
          },
          "run": {
           "description": "The command, to be pasted.",
           "type": "string"
          }
         },
         "title": "CommandStatus"
        }
       }
      },
      "title": "FindingStatus"
     }
    },
    "comparison": {
     "description": "Where the Service's EndpointSlices, its pods, the rules of the nodes and conntrack say different things of one address, and the nodes that differ from their peers.",
     "type": "object",
     "required": [
      "rows",
      "omitted",
      "outliers"
     ],
     "properties": {
      "rows": {
       "description": "The addresses of which they disagree, 50 at most.",
       "type": "array",
       "items": {
        "type": "object",
        "required": [
         "family",
         "protocol",
         "servicePort",
         "address",
         "port",
         "nodes",
         "disagreements"
        ],
        "properties": {
         "family": {
          "description": "IPv4 or IPv6.",
          "type": "string",
          "enum": [
           "IPv4",
           "IPv6"
          ]
         },
         "portName": {
          "description": "Of the Service's port.",
          "type": "string"
         },
         "protocol": {
          "description": "TCP, UDP or SCTP.",
          "type": "string",
          "enum": [
           "TCP",
           "UDP",
           "SCTP"
          ]
         },
         "servicePort": {
          "description": "The port of the Service.",
          "type": "integer"
         },
         "address": {
          "description": "Address of the endpoint.",
          "type": "string"
         },
         "port": {
          "description": "Where packets go.",
          "type": "integer"
         },
         "endpoint": {
          "description": "What the EndpointSlices say; absent where none has the address.",
          "type": "object",
          "required": [
           "ready",
           "serving",
           "terminating",
           "endpointSlice"
          ],
          "properties": {
           "ready": {
            "description": "Whether it gets new connections.",
            "type": "boolean"
           },
           "serving": {
            "description": "Whether it answers, also while it terminates.",
            "type": "boolean"
           },
           "terminating": {
            "description": "Whether it is being deleted.",
            "type": "boolean"
           },
           "endpointSlice": {
            "description": "The EndpointSlice that it is in.",
            "type": "string"
           },
           "nodeName": {
            "description": "The node that it runs on.",
            "type": "string"
           }
          }
         },
         "pod": {
          "description": "The pod with the address; absent where there is none, or pods were not read.",
          "type": "object",
          "required": [
           "name",
           "ready",
           "phase",
           "isDeleting",
           "selected"
          ],
          "properties": {
           "name": {
            "description": "Name of the pod.",
            "type": "string"
           },
           "ready": {
            "description": "The pod's condition Ready.",
            "type": "boolean"
           },
           "phase": {
            "description": "The pod's phase.",
            "type": "string"
           },
           "isDeleting": {
            "description": "Whether it is being deleted.",
            "type": "boolean"
           },
           "selected": {
            "description": "Whether the Service's selector matches it.",
            "type": "boolean"
           }
          }
         },
         "nodes": {
          "description": "How many nodes have rules that send packets there; unknown of those whose rules were not read or not understood.",
          "type": "object",
          "required": [
           "present",
           "absent",
           "unknown"
          ],
          "properties": {
           "present": {
            "description": "Nodes whose rules send there.",
            "type": "integer"
           },
           "absent": {
            "description": "Nodes whose rules do not.",
            "type": "integer"
           },
           "unknown": {
            "description": "Nodes of which it is not known.",
            "type": "integer"
           }
          }
         },
         "connections": {
          "description": "Conntrack entries of all nodes that lead there; absent where none was read.",
          "type": "integer"
         },
         "disagreements": {
          "description": "What contradicts what.",
          "type": "array",
          "items": {
           "type": "string"
          }
         }
        },
        "title": "ComparisonRowStatus"
       }
      },
      "omitted": {
       "description": "Addresses of which they disagree and that are not in rows.",
       "type": "integer"
      },
      "outliers": {
       "description": "The nodes that differ from most of at least two others in what each node should do alike, 50 at most.",
       "type": "array",
       "items": {
        "type": "object",
        "required": [
         "node",
         "differences"
        ],
        "properties": {
         "node": {
          "description": "The node.",
          "type": "string"
         },
         "differences": {
          "description": "What the node does and most others do otherwise.",
          "type": "array",
          "items": {
           "type": "string"
          }
         }
        },
        "title": "NodeOutlierStatus"
       }
      }
     },
     "title": "ComparisonStatus"
    },
    "convergence": {
     "description": "How the rules of the nodes follow the EndpointSlices.",
     "type": "object",
     "properties": {
      "lastChange": {
       "description": "When an EndpointSlice of the Service last changed for a pod or Service change.",
       "type": "string",
       "format": "date-time"
      },
      "convergedNodes": {
       "description": "Nodes whose rules are as the EndpointSlices ask.",
       "type": "integer"
      },
      "totalNodes": {
       "description": "All nodes that are asked.",
       "type": "integer"
      },
      "networkProgramming": {
       "description": "How long it took from a change of any Service or endpoint to the rules, as the nodes' kube-proxies measured since they started; bounds in seconds, of which the last is absent where it lies past 300 s.",
       "type": "object",
       "required": [
        "changes",
        "nodes"
       ],
       "properties": {
        "changes": {
         "description": "How many were measured.",
         "type": "integer",
         "format": "int64"
        },
        "nodes": {
         "description": "How many nodes measured.",
         "type": "integer"
        },
        "p50Seconds": {
         "description": "Of 100 changes, 50 took at most so long; absent where the histogram has no such bound.",
         "type": "number"
        },
        "p99Seconds": {
         "description": "Of 100 changes, 99 took at most so long; absent likewise.",
         "type": "number"
        },
        "maxSeconds": {
         "description": "All took at most so long; absent likewise.",
         "type": "number"
        }
       }
      },
      "resourceVersion": {
       "description": "The changes of the EndpointSlices up to this one are in changes.",
       "type": "string"
      },
      "omittedChanges": {
       "description": "Older changes that are no longer kept.",
       "type": "integer"
      },
      "changes": {
       "description": "The last 20 changes of the Service's EndpointSlices that the trace saw, the oldest first, and when the rules of each node had them.",
       "type": "array",
       "items": {
        "type": "object",
        "required": [
         "endpointSlice",
         "resourceVersion",
         "earliest",
         "latest",
         "endpoints",
         "expected",
         "lag",
         "nodes",
         "omittedNodes"
        ],
        "properties": {
         "endpointSlice": {
          "description": "The EndpointSlice that changed.",
          "type": "string"
         },
         "resourceVersion": {
          "description": "Of the EndpointSlice with the change; where it is gone, of the list without it.",
          "type": "string"
         },
         "earliest": {
          "description": "The API server had the change at or after this time.",
          "type": "string",
          "format": "date-time"
         },
         "latest": {
          "description": "The API server had the change at or before this time.",
          "type": "string",
          "format": "date-time"
         },
         "triggered": {
          "description": "When the pod or Service changed that it is for, where the EndpointSlice has the annotation endpoints.kubernetes.io/last-change-trigger-time.",
          "type": "string",
          "format": "date-time"
         },
         "endpoints": {
          "description": "The endpoints of it that changed.",
          "type": "array",
          "items": {
           "type": "object",
           "required": [
            "address",
            "change"
           ],
           "properties": {
            "address": {
             "description": "Address of the endpoint.",
             "type": "string"
            },
            "change": {
             "description": "Whether it came, went or changed.",
             "type": "string",
             "enum": [
              "Added",
              "Removed",
              "Changed"
             ]
            },
            "pod": {
             "description": "Name of its pod.",
             "type": "string"
            },
            "nodeName": {
             "description": "The node that it runs on.",
             "type": "string"
            },
            "was": {
             "description": "Absent where it was not there.",
             "type": "object",
             "required": [
              "ready",
              "serving",
              "terminating"
             ],
             "properties": {
              "ready": {
               "description": "Whether it got new connections.",
               "type": "boolean"
              },
              "serving": {
               "description": "Whether it answered.",
               "type": "boolean"
              },
              "terminating": {
               "description": "Whether it was being deleted.",
               "type": "boolean"
              }
             }
            },
            "is": {
             "description": "Absent where it is no longer there.",
             "type": "object",
             "required": [
              "ready",
              "serving",
              "terminating"
             ],
             "properties": {
              "ready": {
               "description": "Whether it gets new connections.",
               "type": "boolean"
              },
              "serving": {
               "description": "Whether it answers.",
               "type": "boolean"
              },
              "terminating": {
               "description": "Whether it is being deleted.",
               "type": "boolean"
              }
             }
            }
           },
           "title": "EndpointChangeStatus"
          }
         },
         "omittedEndpoints": {
          "description": "Endpoints that changed and are not in endpoints; absent where all are.",
          "type": "integer"
         },
         "expected": {
          "description": "What the change asks of the nodes' rules; empty where it asks for nothing, and of older changes of many endpoints.",
          "type": "array",
          "items": {
           "type": "object",
           "required": [
            "targets"
           ],
           "properties": {
            "nodes": {
             "description": "Absent where it is asked of all nodes.",
             "type": "array",
             "items": {
              "type": "string"
             }
            },
            "targets": {
             "description": "Endpoints to which packets are to be sent, or no more.",
             "type": "array",
             "items": {
              "type": "object",
              "required": [
               "protocol",
               "address",
               "port",
               "present"
              ],
              "properties": {
               "traffic": {
                "description": "Internal of a ClusterIP, external of other frontends; absent where it is of both.",
                "type": "string",
                "enum": [
                 "internal",
                 "external"
                ]
               },
               "portName": {
                "description": "Name of the Service port; absent where it has none.",
                "type": "string"
               },
               "protocol": {
                "description": "TCP, UDP or SCTP.",
                "type": "string",
                "enum": [
                 "TCP",
                 "UDP",
                 "SCTP"
                ]
               },
               "address": {
                "description": "Address of the endpoint.",
                "type": "string"
               },
               "port": {
                "description": "Port of the endpoint.",
                "type": "integer"
               },
               "present": {
                "description": "Whether packets are to be sent there.",
                "type": "boolean"
               }
              },
              "title": "ExpectedTargetStatus"
             }
            }
           },
           "title": "ExpectedTargetsStatus"
          }
         },
         "lag": {
          "description": "How long it took from the change to the nodes' rules. Each is known by two bounds: of a time that was not watched, nobody knows more.",
          "type": "object",
          "required": [
           "nodes",
           "arrived",
           "pending",
           "neverArrived",
           "unseen"
          ],
          "properties": {
           "nodes": {
            "description": "Nodes that have something to change.",
            "type": "integer"
           },
           "arrived": {
            "description": "Nodes whose rules had it.",
            "type": "integer"
           },
           "pending": {
            "description": "Nodes whose rules are not known to have it.",
            "type": "integer"
           },
           "neverArrived": {
            "description": "Nodes whose rules never had it before it was undone.",
            "type": "integer"
           },
           "unseen": {
            "description": "Nodes on which it was undone before a reading showed it.",
            "type": "integer"
           },
           "p50": {
            "description": "Of 100 nodes that have it, 50 had it within this time.",
            "type": "object",
            "required": [
             "minMilliseconds",
             "maxMilliseconds"
            ],
            "properties": {
             "minMilliseconds": {
              "description": "It is at least so much.",
              "type": "integer",
              "format": "int64"
             },
             "maxMilliseconds": {
              "description": "It is at most so much.",
              "type": "integer",
              "format": "int64"
             }
            },
            "title": "LagBounds"
           },
           "p90": {
            "description": "Of 100 nodes that have it, 90 had it within this time.",
            "type": "object",
            "required": [
             "minMilliseconds",
             "maxMilliseconds"
            ],
            "properties": {
             "minMilliseconds": {
              "description": "It is at least so much.",
              "type": "integer",
              "format": "int64"
             },
             "maxMilliseconds": {
              "description": "It is at most so much.",
              "type": "integer",
              "format": "int64"
             }
            }
           },
           "p99": {
            "description": "Of 100 nodes that have it, 99 had it within this time.",
            "type": "object",
            "required": [
             "minMilliseconds",
             "maxMilliseconds"
            ],
            "properties": {
             "minMilliseconds": {
              "description": "It is at least so much.",
              "type": "integer",
              "format": "int64"
             },
             "maxMilliseconds": {
              "description": "It is at most so much.",
              "type": "integer",
              "format": "int64"
             }
            }
           },
           "max": {
            "description": "All nodes that have it had it within this time.",
            "type": "object",
            "required": [
             "minMilliseconds",
             "maxMilliseconds"
            ],
            "properties": {
             "minMilliseconds": {
              "description": "It is at least so much.",
              "type": "integer",
              "format": "int64"
             },
             "maxMilliseconds": {
              "description": "It is at most so much.",
              "type": "integer",
              "format": "int64"
             }
            }
           },
           "lastNode": {
            "description": "The node whose rules had it last.",
            "type": "string"
           }
          },
          "title": "LagStatus"
         },
         "nodes": {
          "description": "Of each node; of many, those that have not got it, and the slowest.",
          "type": "array",
          "items": {
           "type": "object",
           "required": [
            "node",
            "state",
            "minMilliseconds"
           ],
           "properties": {
            "node": {
             "description": "The node.",
             "type": "string"
            },
            "state": {
             "description": "Arrived (its rules had it), Pending (not known to have it), NeverArrived (undone before its rules had it), Unseen (undone before a reading showed it).",
             "type": "string",
             "enum": [
              "Arrived",
              "Pending",
              "NeverArrived",
              "Unseen"
             ]
            },
            "minMilliseconds": {
             "description": "It took at least so long.",
             "type": "integer",
             "format": "int64"
            },
            "maxMilliseconds": {
             "description": "It took at most so long, where it arrived.",
             "type": "integer",
             "format": "int64"
            },
            "fromMilliseconds": {
             "description": "When it arrived: between so long and maxMilliseconds after the `earliest` of the change. Absent where only the end is known.",
             "type": "integer",
             "format": "int64"
            }
           },
           "title": "NodeLagStatus"
          }
         },
         "omittedNodes": {
          "description": "Nodes that are counted in lag and not in nodes; where there are some, the change is not followed any longer.",
          "type": "integer"
         },
         "rules": {
          "description": "What changed in the rules of nodes when they got it, each different change once.",
          "type": "array",
          "items": {
           "type": "object",
           "required": [
            "nodes",
            "changes",
            "addedChains",
            "removedChains",
            "rewrittenChains",
            "addedElements",
            "removedElements",
            "untouchedRules"
           ],
           "properties": {
            "nodes": {
             "description": "At most 50 of them.",
             "type": "array",
             "items": {
              "type": "string"
             }
            },
            "changes": {
             "description": "Changes of EndpointSlices that the rules got together.",
             "type": "integer"
            },
            "restore": {
             "description": "Whether kube-proxy wrote all of its rules or a part, by its counters; absent where they do not say it.",
             "type": "string",
             "enum": [
              "Full",
              "Partial"
             ]
            },
            "addedChains": {
             "description": "Chains that are new.",
             "type": "array",
             "items": {
              "type": "string"
             }
            },
            "removedChains": {
             "description": "Chains that are gone.",
             "type": "array",
             "items": {
              "type": "string"
             }
            },
            "rewrittenChains": {
             "description": "Chains that were there and whose rules changed.",
             "type": "array",
             "items": {
              "type": "string"
             }
            },
            "addedElements": {
             "description": "Elements of maps and real servers.",
             "type": "integer"
            },
            "removedElements": {
             "description": "Elements of maps and sets that are gone.",
             "type": "integer"
            },
            "untouchedRules": {
             "description": "Rules and elements of the Service that are as they were.",
             "type": "integer"
            }
           },
           "title": "RuleDeltaStatus"
          }
         },
         "conntrack": {
          "description": "Connections that conntrack keeps to targets that the change took away.",
          "type": "array",
          "items": {
           "type": "object",
           "required": [
            "address",
            "port",
            "entries",
            "most",
            "nodes",
            "seen"
           ],
           "properties": {
            "address": {
             "description": "Address of the endpoint.",
             "type": "string"
            },
            "port": {
             "description": "Port of the endpoint.",
             "type": "integer"
            },
            "entries": {
             "description": "At the last collection.",
             "type": "integer"
            },
            "most": {
             "description": "At any collection after the change.",
             "type": "integer"
            },
            "nodes": {
             "description": "Nodes with entries at the last collection that had any, 50 at most.",
             "type": "array",
             "items": {
              "type": "string"
             }
            },
            "seen": {
             "description": "When there were some the last time.",
             "type": "string",
             "format": "date-time"
            },
            "goneBy": {
             "description": "When a collection first found none.",
             "type": "string",
             "format": "date-time"
            }
           },
           "title": "KeptConnectionsStatus"
          }
         },
         "connections": {
          "description": "What connections to endpoints that the change took away did, of each node that reports its connections and where there is something to say; those with the most opened ones first. A connection counts where it is certain that it came after the change.",
          "type": "array",
          "items": {
           "type": "object",
           "required": [
            "node",
            "protocol",
            "address",
            "port",
            "opened",
            "unanswered",
            "reset",
            "isComplete"
           ],
           "properties": {
            "node": {
             "description": "The node whose conntrack table it is.",
             "type": "string"
            },
            "protocol": {
             "description": "TCP, UDP or SCTP.",
             "type": "string",
             "enum": [
              "TCP",
              "UDP",
              "SCTP"
             ]
            },
            "address": {
             "description": "Of the endpoint.",
             "type": "string"
            },
            "port": {
             "description": "Of the endpoint.",
             "type": "integer"
            },
            "opened": {
             "description": "New connections that this node sent there after the change.",
             "type": "integer",
             "format": "int64"
            },
            "unanswered": {
             "description": "Of these, those without an answer so far; of UDP, those that ended without one.",
             "type": "integer",
             "format": "int64"
            },
            "reset": {
             "description": "Connections there that a RST ended after the change, whenever they were opened and whoever sent it; a refused one is one of them.",
             "type": "integer",
             "format": "int64"
            },
            "lastOpened": {
             "description": "When the last of the opened ones came, at the latest.",
             "type": "string",
             "format": "date-time"
            },
            "kept": {
             "description": "Entries that conntrack still had at the last collection; absent until there is one.",
             "type": "integer",
             "format": "int64"
            },
            "keptUntil": {
             "description": "When the last entry went; absent while there are some.",
             "type": "string",
             "format": "date-time"
            },
            "isComplete": {
             "description": "False where events were dropped or not followed since before the change. Then all counts are of what is known.",
             "type": "boolean"
            }
           },
           "title": "EndpointConnectionsStatus"
          }
         },
         "omittedConnections": {
          "description": "Nodes and endpoints that connections has no room for; absent where it has.",
          "type": "integer"
         }
        },
        "title": "SliceChangeStatus"
       }
      }
     },
     "title": "ConvergenceStatus"
    },
    "connectionEvents": {
     "description": "What the nodes' kernels reported of the Service's connections while the trace is watched; absent where nobody follows them (spec.mode Once, spec.collect.conntrack None).",
     "type": "object",
     "required": [
      "followedNodes",
      "notFollowed",
      "gaps",
      "recent"
     ],
     "properties": {
      "followedNodes": {
       "description": "Nodes whose connections are followed.",
       "type": "integer"
      },
      "notFollowed": {
       "description": "Nodes whose connections are not followed, and why.",
       "type": "array",
       "items": {
        "type": "object",
        "required": [
         "reason",
         "count",
         "nodes"
        ],
        "properties": {
         "reason": {
          "description": "Why they are not.",
          "type": "string"
         },
         "count": {
          "description": "How many nodes.",
          "type": "integer"
         },
         "nodes": {
          "description": "At most 50 of them.",
          "type": "array",
          "items": {
           "type": "string"
          }
         }
        }
       }
      },
      "gaps": {
       "description": "The last 20 times of which events are missing, the oldest first.",
       "type": "array",
       "items": {
        "type": "object",
        "required": [
         "node",
         "from",
         "to"
        ],
        "properties": {
         "node": {
          "description": "Its name.",
          "type": "string"
         },
         "from": {
          "description": "The first event that is missing came at or after this time.",
          "type": "string",
          "format": "date-time"
         },
         "to": {
          "description": "The last event that is missing came at or before this time.",
          "type": "string",
          "format": "date-time"
         },
         "dropped": {
          "description": "How many events; absent where nobody knows.",
          "type": "integer",
          "format": "int64"
         }
        }
       }
      },
      "recent": {
       "description": "The last 50 events, the oldest first.",
       "type": "array",
       "items": {
        "type": "object",
        "required": [
         "node",
         "kind",
         "earliest",
         "latest",
         "count",
         "protocol",
         "address",
         "port",
         "endpoint",
         "endpointPort",
         "isAnswered"
        ],
        "properties": {
         "node": {
          "description": "Its name.",
          "type": "string"
         },
         "kind": {
          "description": "New (an entry was made), Answered (the endpoint answered the SYN), Reset (a RST ended it after an answer), Destroyed (the entry is no longer there).",
          "type": "string",
          "enum": [
           "New",
           "Answered",
           "Reset",
           "Destroyed"
          ]
         },
         "earliest": {
          "description": "It happened at or after this time.",
          "type": "string",
          "format": "date-time"
         },
         "latest": {
          "description": "It happened at or before this time.",
          "type": "string",
          "format": "date-time"
         },
         "count": {
          "description": "Connections that are alike.",
          "type": "integer",
          "format": "int64"
         },
         "protocol": {
          "description": "Of the connections.",
          "type": "string",
          "enum": [
           "TCP",
           "UDP",
           "SCTP"
          ]
         },
         "client": {
          "description": "Where spec.collect.conntrack is Entries.",
          "type": "string"
         },
         "clientPort": {
          "description": "Beside the client.",
          "type": "integer"
         },
         "address": {
          "description": "Where the client sent it.",
          "type": "string"
         },
         "port": {
          "description": "Beside the address.",
          "type": "integer"
         },
         "endpoint": {
          "description": "Where the node sent it.",
          "type": "string"
         },
         "endpointPort": {
          "description": "Beside the endpoint.",
          "type": "integer"
         },
         "tcpState": {
          "description": "At the event; of Destroyed the last one.",
          "type": "string"
         },
         "isAnswered": {
          "description": "Whether a packet has come back.",
          "type": "boolean"
         }
        },
        "title": "ConnectionEventStatus"
       }
      }
     },
     "title": "ConnectionEventsStatus"
    },
    "summary": {
     "description": "Counts, for columns.",
     "type": "object",
     "required": [
      "nodes",
      "endpoints",
      "findings"
     ],
     "properties": {
      "nodes": {
       "description": "Nodes that answered of the nodes that were asked.",
       "type": "string"
      },
      "endpoints": {
       "description": "Ready endpoints of all endpoints.",
       "type": "string"
      },
      "findings": {
       "description": "How many findings there are.",
       "type": "integer"
      },
      "errors": {
       "description": "Those of severity error.",
       "type": "integer"
      },
      "warnings": {
       "description": "Those of severity warning.",
       "type": "integer"
      }
     },
     "title": "SummaryStatus"
    },
    "truncated": {
     "description": "What was cut so that the object stays below 512 KiB; empty where nothing was.",
     "type": "array",
     "items": {
      "type": "string"
     }
    }
   },
   "title": "ServiceTraceStatus"
  }
 }
};
