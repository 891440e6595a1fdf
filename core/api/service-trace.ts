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
   * The time between two collections in mode Watch, such as 5s or 1m; 10s where it is left out.
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
    matchLabels?: {
      [k: string]: string;
    };
    /**
     * @maxItems 64
     */
    matchExpressions?: {
      key: string;
      operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
      /**
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
  endpointSlices?: EndpointSliceStatus[];
  endpoints?: EndpointsCostStatus;
  /**
   * Each different program of rules once, with the nodes that have it.
   */
  programs?: ProgramStatus[];
  nodes?: NodeStatus[];
  /**
   * The pod of spec.from, and the results of its own connections, which the plugin makes in it with its user's rights (--connect --from POD); an operator makes none.
   */
  client?: {
    pod: string;
    node?: string;
    /**
     * The program of the pod that made them, such as bash in container server.
     */
    by?: string;
    /**
     * Why none was made.
     */
    untried?: string;
    connections: {
      hop: 'ClusterIP' | 'NodePort' | 'ExternalIP' | 'LoadBalancerIP' | 'Endpoint';
      address: string;
      port: number;
      protocol: 'TCP' | 'UDP' | 'SCTP';
      /**
       * noReply is a datagram that nobody answered or refused.
       */
      outcome: 'connected' | 'answered' | 'refused' | 'timeout' | 'unreachable' | 'failed' | 'noReply' | 'untried';
      milliseconds: number;
    }[];
  };
  /**
   * The walk of the packet of spec.from through the rules of its node.
   */
  walks?: WalkStatus[];
  findings?: FindingStatus[];
  comparison?: ComparisonStatus;
  convergence?: ConvergenceStatus;
  summary?: SummaryStatus;
  /**
   * What was cut so that the object stays below 512 KiB; empty where nothing was.
   */
  truncated?: string[];
}
export interface Condition {
  type: 'Ready' | 'Collected' | 'Converged' | 'Healthy' | 'OnSchedule';
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
  lastTransitionTime: string;
  observedGeneration?: number;
}
/**
 * The Service as the API server has it.
 */
export interface ServiceStatus {
  type: string;
  clusterIPs: string[];
  externalIPs: string[];
  loadBalancerIPs: string[];
  ports: ServicePortStatus[];
  selector?: {
    [k: string]: string;
  };
  internalTrafficPolicy?: string;
  externalTrafficPolicy?: string;
  sessionAffinity?: string;
  sessionAffinityTimeoutSeconds?: number;
  loadBalancerSourceRanges?: string[];
  healthCheckNodePort?: number;
  ipFamilies?: string[];
  ipFamilyPolicy?: string;
  trafficDistribution?: string;
  publishNotReadyAddresses?: boolean;
  externalName?: string;
  /**
   * Why kube-proxy writes no rules for this Service (headless, ExternalName, service-proxy-name); absent where it does.
   */
  notProxied?: string;
}
export interface ServicePortStatus {
  name?: string;
  protocol: 'TCP' | 'UDP' | 'SCTP';
  port: number;
  /**
   * A number or a name of a container port
   */
  targetPort?: string;
  nodePort?: number;
}
export interface EndpointSliceStatus {
  name: string;
  addressType: 'IPv4' | 'IPv6' | 'FQDN';
  ports: {
    name?: string;
    protocol?: 'TCP' | 'UDP' | 'SCTP';
    port?: number;
  }[];
  endpoints: EndpointStatus[];
}
export interface EndpointStatus {
  addresses: string[];
  ready: boolean;
  serving: boolean;
  terminating: boolean;
  nodeName?: string;
  /**
   * The pod's host name in DNS; absent where it has none.
   */
  hostname?: string;
  zone?: string;
  /**
   * The zones that the endpoint is meant for.
   */
  hints?: string[];
  /**
   * The nodes that the endpoint is meant for.
   */
  nodeHints?: string[];
  targetRef?: {
    kind?: string;
    name?: string;
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
  proxyMode: 'iptables' | 'nftables' | 'ipvs' | 'unknown';
  /**
   * The iptables backend.
   */
  backend?: 'nf_tables' | 'legacy';
  nodes: string[];
  chains: ChainStatus[];
}
export interface ChainStatus {
  family: 'IPv4' | 'IPv6';
  table: string;
  /**
   * A chain; or `map NAME`, a map of nftables; or `TCP 10.96.0.7:80`, a virtual server of IPVS (table ipvs).
   */
  name: string;
  rules: RuleStatus[];
}
export interface RuleStatus {
  /**
   * The rule as the kernel's tool printed it
   */
  text: string;
  /**
   * Summed over the nodes; absent where the rule has no counter.
   */
  packets?: number;
  bytes?: number;
}
export interface NodeStatus {
  name: string;
  probe: ProbeStatus;
  proxyMode: 'iptables' | 'nftables' | 'ipvs' | 'unknown';
  /**
   * How the mode is known.
   */
  proxyModeSource?: string;
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
    hop: 'ClusterIP' | 'NodePort' | 'ExternalIP' | 'LoadBalancerIP' | 'Endpoint';
    address: string;
    port: number;
    protocol: 'TCP' | 'UDP' | 'SCTP';
    /**
     * noReply is a datagram that nobody answered or refused.
     */
    outcome: 'connected' | 'answered' | 'refused' | 'timeout' | 'unreachable' | 'failed' | 'noReply' | 'untried';
    /**
     * Of an HTTP answer.
     */
    status?: number;
    milliseconds: number;
  }[];
}
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
  collectedAt?: string;
  /**
   * When the rules and their counters were read, where that was before the rest: they are watched, and have not changed since.
   */
  rulesReadAt?: string;
  durationMilliseconds?: number;
  /**
   * How far the node's clock is ahead of the collector's.
   */
  clock?: {
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
    what: string;
    reason: string;
  }[];
}
export interface KubeProxyStatus {
  healthy?: boolean;
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
  family: 'IPv4' | 'IPv6';
  frontend: 'ClusterIP' | 'ExternalIP' | 'LoadBalancerIP' | 'NodePort';
  /**
   * The frontend's address; empty for a NodePort.
   */
  address: string;
  portName?: string;
  protocol: 'TCP' | 'UDP' | 'SCTP';
  port: number;
  /**
   * DNAT, REJECT, DROP, None (no rule matches) or Unknown (not read).
   */
  verdict: 'DNAT' | 'REJECT' | 'DROP' | 'None' | 'Unknown';
  /**
   * First packets of connections that met the entry rule.
   */
  packets?: number;
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
  dnatTargets: DnatTargetStatus[];
  drift?: DriftStatus;
}
export interface DnatTargetStatus {
  address: string;
  port: number;
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
    address: string;
    port: number;
  }[];
}
export interface MissingTargetStatus {
  address: string;
  port: number;
  pod?: string;
  /**
   * The node that the endpoint is on.
   */
  nodeName?: string;
}
export interface ConntrackStatus {
  /**
   * Entries of this Service.
   */
  matched: number;
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
  entries?: ConntrackEntryStatus[];
}
export interface ConntrackEntryStatus {
  protocol: string;
  state?: string;
  unreplied?: boolean;
  original: OriginalTuple;
  reply: ReplyTuple;
  /**
   * The pod that answers.
   */
  pod?: string;
}
export interface OriginalTuple {
  source: string;
  sourcePort: number;
  destination: string;
  destinationPort: number;
}
export interface ReplyTuple {
  source: string;
  sourcePort: number;
  destination: string;
  destinationPort: number;
}
export interface DnsStatus {
  name: string;
  server: string;
  answers: string[];
  error?: string;
}
export interface WalkStatus {
  node: string;
  source: string;
  destination: string;
  destinationPort: number;
  protocol: 'TCP' | 'UDP' | 'SCTP';
  verdict: 'DNAT' | 'ACCEPT' | 'DROP' | 'REJECT' | 'NONE' | 'UNKNOWN';
  masquerade: boolean;
  destinations: WalkDestination[];
  path: WalkStep[];
  /**
   * Matches and targets that the evaluator does not know; the walk says nothing beyond them.
   */
  unknown: string[];
}
export interface WalkDestination {
  address: string;
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
  table: string;
  chain: string;
  rule: string;
  effect: string;
}
export interface FindingStatus {
  /**
   * Such as RULE-EP-MISSING.
   */
  id: string;
  severity: 'error' | 'warning' | 'info';
  /**
   * The object or node that it is about
   */
  where: string;
  /**
   * The node
   */
  node?: string;
  message: string;
  evidence: string[];
  /**
   * The third-party rule that it is about, as its tool prints it.
   */
  rule?: {
    table: string;
    chain: string;
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
  family: 'IPv4' | 'IPv6';
  /**
   * Of the Service's port.
   */
  portName?: string;
  protocol: 'TCP' | 'UDP' | 'SCTP';
  servicePort: number;
  address: string;
  /**
   * Where packets go.
   */
  port: number;
  /**
   * What the EndpointSlices say; absent where none has the address.
   */
  endpoint?: {
    ready: boolean;
    serving: boolean;
    terminating: boolean;
    endpointSlice: string;
    nodeName?: string;
  };
  /**
   * The pod with the address; absent where there is none, or pods were not read.
   */
  pod?: {
    name: string;
    ready: boolean;
    phase: string;
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
    present: number;
    absent: number;
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
  node: string;
  /**
   * What the node does and most others do otherwise.
   */
  differences: string[];
}
export interface ConvergenceStatus {
  /**
   * When an EndpointSlice of the Service last changed for a pod or Service change.
   */
  lastChange?: string;
  convergedNodes?: number;
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
    p50Seconds?: number;
    p99Seconds?: number;
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
  endpointSlice: string;
  /**
   * Of the EndpointSlice with the change; where it is gone
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
   * Nodes that are counted in lag and not in nodes; where there are some
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
}
export interface EndpointChangeStatus {
  address: string;
  change: 'Added' | 'Removed' | 'Changed';
  pod?: string;
  nodeName?: string;
  /**
   * Absent where it was not there.
   */
  was?: {
    ready: boolean;
    serving: boolean;
    terminating: boolean;
  };
  /**
   * Absent where it is no longer there.
   */
  is?: {
    ready: boolean;
    serving: boolean;
    terminating: boolean;
  };
}
export interface ExpectedTargetsStatus {
  /**
   * Absent where it is asked of all nodes.
   */
  nodes?: string[];
  targets: ExpectedTargetStatus[];
}
export interface ExpectedTargetStatus {
  /**
   * Internal of a ClusterIP, external of other frontends; absent where it is of both.
   */
  traffic?: 'internal' | 'external';
  portName?: string;
  protocol: 'TCP' | 'UDP' | 'SCTP';
  address: string;
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
  p90?: {
    minMilliseconds: number;
    maxMilliseconds: number;
  };
  p99?: {
    minMilliseconds: number;
    maxMilliseconds: number;
  };
  max?: {
    minMilliseconds: number;
    maxMilliseconds: number;
  };
  /**
   * The node whose rules had it last.
   */
  lastNode?: string;
}
export interface LagBounds {
  minMilliseconds: number;
  maxMilliseconds: number;
}
export interface NodeLagStatus {
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
  addedChains: string[];
  removedChains: string[];
  rewrittenChains: string[];
  /**
   * Elements of maps and real servers.
   */
  addedElements: number;
  removedElements: number;
  /**
   * Rules and elements of the Service that are as they were.
   */
  untouchedRules: number;
}
export interface KeptConnectionsStatus {
  address: string;
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
export interface SummaryStatus {
  /**
   * Nodes that answered of the nodes that were asked
   */
  nodes: string;
  /**
   * Ready endpoints of all endpoints
   */
  endpoints: string;
  findings: number;
  errors?: number;
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
     "description": "The time between two collections in mode Watch, such as 5s or 1m; 10s where it is left out.",
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
         "type": "object",
         "maxProperties": 64,
         "additionalProperties": {
          "type": "string",
          "maxLength": 63
         }
        },
        "matchExpressions": {
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
            "type": "string",
            "maxLength": 317
           },
           "operator": {
            "type": "string",
            "enum": [
             "In",
             "NotIn",
             "Exists",
             "DoesNotExist"
            ]
           },
           "values": {
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
        "type": "string",
        "enum": [
         "True",
         "False",
         "Unknown"
        ]
       },
       "reason": {
        "type": "string",
        "maxLength": 1024
       },
       "message": {
        "type": "string",
        "maxLength": 32768
       },
       "lastTransitionTime": {
        "type": "string",
        "format": "date-time"
       },
       "observedGeneration": {
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
       "type": "string"
      },
      "clusterIPs": {
       "type": "array",
       "items": {
        "type": "string"
       }
      },
      "externalIPs": {
       "type": "array",
       "items": {
        "type": "string"
       }
      },
      "loadBalancerIPs": {
       "type": "array",
       "items": {
        "type": "string"
       }
      },
      "ports": {
       "type": "array",
       "items": {
        "type": "object",
        "required": [
         "protocol",
         "port"
        ],
        "properties": {
         "name": {
          "type": "string"
         },
         "protocol": {
          "type": "string",
          "enum": [
           "TCP",
           "UDP",
           "SCTP"
          ]
         },
         "port": {
          "type": "integer"
         },
         "targetPort": {
          "description": "A number or a name of a container port",
          "as text.": null,
          "type": "string"
         },
         "nodePort": {
          "type": "integer"
         }
        },
        "title": "ServicePortStatus"
       }
      },
      "selector": {
       "type": "object",
       "additionalProperties": {
        "type": "string"
       }
      },
      "internalTrafficPolicy": {
       "type": "string"
      },
      "externalTrafficPolicy": {
       "type": "string"
      },
      "sessionAffinity": {
       "type": "string"
      },
      "sessionAffinityTimeoutSeconds": {
       "type": "integer"
      },
      "loadBalancerSourceRanges": {
       "type": "array",
       "items": {
        "type": "string"
       }
      },
      "healthCheckNodePort": {
       "type": "integer"
      },
      "ipFamilies": {
       "type": "array",
       "items": {
        "type": "string"
       }
      },
      "ipFamilyPolicy": {
       "type": "string"
      },
      "trafficDistribution": {
       "type": "string"
      },
      "publishNotReadyAddresses": {
       "type": "boolean"
      },
      "externalName": {
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
        "type": "string"
       },
       "addressType": {
        "type": "string",
        "enum": [
         "IPv4",
         "IPv6",
         "FQDN"
        ]
       },
       "ports": {
        "type": "array",
        "items": {
         "type": "object",
         "properties": {
          "name": {
           "type": "string"
          },
          "protocol": {
           "type": "string",
           "enum": [
            "TCP",
            "UDP",
            "SCTP"
           ]
          },
          "port": {
           "type": "integer"
          }
         }
        }
       },
       "endpoints": {
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
           "type": "array",
           "items": {
            "type": "string"
           }
          },
          "ready": {
           "type": "boolean"
          },
          "serving": {
           "type": "boolean"
          },
          "terminating": {
           "type": "boolean"
          },
          "nodeName": {
           "type": "string"
          },
          "hostname": {
           "description": "The pod's host name in DNS; absent where it has none.",
           "type": "string"
          },
          "zone": {
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
           "type": "object",
           "properties": {
            "kind": {
             "type": "string"
            },
            "name": {
             "type": "string"
            },
            "uid": {
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
        "type": "array",
        "items": {
         "type": "string"
        }
       },
       "chains": {
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
           "type": "string",
           "enum": [
            "IPv4",
            "IPv6"
           ]
          },
          "table": {
           "type": "string"
          },
          "name": {
           "description": "A chain; or `map NAME`, a map of nftables; or `TCP 10.96.0.7:80`, a virtual server of IPVS (table ipvs).",
           "type": "string"
          },
          "rules": {
           "type": "array",
           "items": {
            "type": "object",
            "required": [
             "text"
            ],
            "properties": {
             "text": {
              "description": "The rule as the kernel's tool printed it",
              "without counters.": null,
              "type": "string"
             },
             "packets": {
              "description": "Summed over the nodes; absent where the rule has no counter.",
              "type": "integer",
              "format": "int64"
             },
             "bytes": {
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
        "type": "string"
       },
       "probe": {
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
          "type": "string",
          "format": "date-time"
         },
         "rulesReadAt": {
          "description": "When the rules and their counters were read, where that was before the rest: they are watched, and have not changed since.",
          "type": "string",
          "format": "date-time"
         },
         "durationMilliseconds": {
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
             "type": "string"
            },
            "reason": {
             "type": "string"
            }
           }
          }
         }
        },
        "title": "ProbeStatus"
       },
       "proxyMode": {
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
        "type": "string",
        "enum": [
         "nf_tables",
         "legacy"
        ]
       },
       "kubeProxy": {
        "type": "object",
        "properties": {
         "healthy": {
          "type": "boolean"
         },
         "message": {
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
           "type": "string",
           "enum": [
            "IPv4",
            "IPv6"
           ]
          },
          "frontend": {
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
           "type": "string"
          },
          "protocol": {
           "type": "string",
           "enum": [
            "TCP",
            "UDP",
            "SCTP"
           ]
          },
          "port": {
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
           "type": "array",
           "items": {
            "type": "object",
            "required": [
             "address",
             "port"
            ],
            "properties": {
             "address": {
              "type": "string"
             },
             "port": {
              "type": "integer"
             },
             "pod": {
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
                "type": "string"
               },
               "port": {
                "type": "integer"
               },
               "pod": {
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
                "type": "string"
               },
               "port": {
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
             "type": "string"
            },
            "state": {
             "type": "string"
            },
            "unreplied": {
             "type": "boolean"
            },
            "original": {
             "type": "object",
             "required": [
              "source",
              "sourcePort",
              "destination",
              "destinationPort"
             ],
             "properties": {
              "source": {
               "type": "string"
              },
              "sourcePort": {
               "type": "integer"
              },
              "destination": {
               "type": "string"
              },
              "destinationPort": {
               "type": "integer"
              }
             },
             "title": "OriginalTuple"
            },
            "reply": {
             "type": "object",
             "required": [
              "source",
              "sourcePort",
              "destination",
              "destinationPort"
             ],
             "properties": {
              "source": {
               "type": "string"
              },
              "sourcePort": {
               "type": "integer"
              },
              "destination": {
               "type": "string"
              },
              "destinationPort": {
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
        "type": "object",
        "required": [
         "name",
         "server",
         "answers"
        ],
        "properties": {
         "name": {
          "type": "string"
         },
         "server": {
          "type": "string"
         },
         "answers": {
          "type": "array",
          "items": {
           "type": "string"
          }
         },
         "error": {
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
           "type": "string"
          },
          "port": {
           "type": "integer"
          },
          "protocol": {
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
       "type": "string"
      },
      "node": {
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
          "type": "string"
         },
         "port": {
          "type": "integer"
         },
         "protocol": {
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
        "type": "string"
       },
       "source": {
        "type": "string"
       },
       "destination": {
        "type": "string"
       },
       "destinationPort": {
        "type": "integer"
       },
       "protocol": {
        "type": "string",
        "enum": [
         "TCP",
         "UDP",
         "SCTP"
        ]
       },
       "verdict": {
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
        "type": "boolean"
       },
       "destinations": {
        "type": "array",
        "items": {
         "type": "object",
         "required": [
          "address",
          "port"
         ],
         "properties": {
          "address": {
           "type": "string"
          },
          "port": {
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
           "type": "string"
          },
          "chain": {
           "type": "string"
          },
          "rule": {
           "type": "string"
          },
          "effect": {
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
        "type": "string",
        "enum": [
         "error",
         "warning",
         "info"
        ]
       },
       "where": {
        "description": "The object or node that it is about",
        "such as node/node-a.": null,
        "type": "string"
       },
       "node": {
        "description": "The node",
        "where the finding is about one.": null,
        "type": "string"
       },
       "message": {
        "type": "string"
       },
       "evidence": {
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
          "type": "string"
         },
         "chain": {
          "type": "string"
         },
         "rule": {
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
          "type": "string",
          "enum": [
           "TCP",
           "UDP",
           "SCTP"
          ]
         },
         "servicePort": {
          "type": "integer"
         },
         "address": {
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
            "type": "boolean"
           },
           "serving": {
            "type": "boolean"
           },
           "terminating": {
            "type": "boolean"
           },
           "endpointSlice": {
            "type": "string"
           },
           "nodeName": {
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
            "type": "string"
           },
           "ready": {
            "type": "boolean"
           },
           "phase": {
            "type": "string"
           },
           "isDeleting": {
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
            "type": "integer"
           },
           "absent": {
            "type": "integer"
           },
           "unknown": {
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
     "type": "object",
     "properties": {
      "lastChange": {
       "description": "When an EndpointSlice of the Service last changed for a pod or Service change.",
       "type": "string",
       "format": "date-time"
      },
      "convergedNodes": {
       "type": "integer"
      },
      "totalNodes": {
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
         "type": "number"
        },
        "p99Seconds": {
         "type": "number"
        },
        "maxSeconds": {
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
          "type": "string"
         },
         "resourceVersion": {
          "description": "Of the EndpointSlice with the change; where it is gone",
          "of the list without it.": null,
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
          "type": "array",
          "items": {
           "type": "object",
           "required": [
            "address",
            "change"
           ],
           "properties": {
            "address": {
             "type": "string"
            },
            "change": {
             "type": "string",
             "enum": [
              "Added",
              "Removed",
              "Changed"
             ]
            },
            "pod": {
             "type": "string"
            },
            "nodeName": {
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
               "type": "boolean"
              },
              "serving": {
               "type": "boolean"
              },
              "terminating": {
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
               "type": "boolean"
              },
              "serving": {
               "type": "boolean"
              },
              "terminating": {
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
                "type": "string"
               },
               "protocol": {
                "type": "string",
                "enum": [
                 "TCP",
                 "UDP",
                 "SCTP"
                ]
               },
               "address": {
                "type": "string"
               },
               "port": {
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
            "type": "object",
            "required": [
             "minMilliseconds",
             "maxMilliseconds"
            ],
            "properties": {
             "minMilliseconds": {
              "type": "integer",
              "format": "int64"
             },
             "maxMilliseconds": {
              "type": "integer",
              "format": "int64"
             }
            },
            "title": "LagBounds"
           },
           "p90": {
            "type": "object",
            "required": [
             "minMilliseconds",
             "maxMilliseconds"
            ],
            "properties": {
             "minMilliseconds": {
              "type": "integer",
              "format": "int64"
             },
             "maxMilliseconds": {
              "type": "integer",
              "format": "int64"
             }
            }
           },
           "p99": {
            "type": "object",
            "required": [
             "minMilliseconds",
             "maxMilliseconds"
            ],
            "properties": {
             "minMilliseconds": {
              "type": "integer",
              "format": "int64"
             },
             "maxMilliseconds": {
              "type": "integer",
              "format": "int64"
             }
            }
           },
           "max": {
            "type": "object",
            "required": [
             "minMilliseconds",
             "maxMilliseconds"
            ],
            "properties": {
             "minMilliseconds": {
              "type": "integer",
              "format": "int64"
             },
             "maxMilliseconds": {
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
            }
           },
           "title": "NodeLagStatus"
          }
         },
         "omittedNodes": {
          "description": "Nodes that are counted in lag and not in nodes; where there are some",
          "the change is not followed any longer.": null,
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
             "type": "array",
             "items": {
              "type": "string"
             }
            },
            "removedChains": {
             "type": "array",
             "items": {
              "type": "string"
             }
            },
            "rewrittenChains": {
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
             "type": "string"
            },
            "port": {
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
         }
        },
        "title": "SliceChangeStatus"
       }
      }
     },
     "title": "ConvergenceStatus"
    },
    "summary": {
     "type": "object",
     "required": [
      "nodes",
      "endpoints",
      "findings"
     ],
     "properties": {
      "nodes": {
       "description": "Nodes that answered of the nodes that were asked",
       "type": "string"
      },
      "endpoints": {
       "description": "Ready endpoints of all endpoints",
       "type": "string"
      },
      "findings": {
       "type": "integer"
      },
      "errors": {
       "type": "integer"
      },
      "warnings": {
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
