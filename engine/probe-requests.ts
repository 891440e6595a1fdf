/** What a probe is asked for, of a Service and of the cluster's DNS. */
import type { ClusterFacts } from '../core/api/cluster-facts.ts';
import { isAddressChecked, ownExternalAddresses } from '../core/api/external-addresses.ts';
import type { DesiredService } from '../core/api/service.ts';
import type { ServiceTraceSpec } from '../core/api/service-trace.ts';
import { defaultClusterDomain, expectedAnswers, healthQuestion } from '../core/dns/names.ts';
import type { ConntrackDetail } from '../core/status/conntrack-limit.ts';
import type { ProbeRequest } from '../core/wire/probe-request.ts';
import type { Dispatch } from './dispatch-reading.ts';
import type { TracedNode } from './observe.ts';

/** Listed by a probe for one Service at most, so that a status stays within its bounds. */
const maxConntrackEntries = 200;

/** The cluster's DNS servers, as far as probes ask them. */
export type DnsServers = Pick<NonNullable<ClusterFacts['dns']>, 'clusterIPs' | 'servers'>;

export function probeRequest(
  node: TracedNode,
  desired: DesiredService,
  spec: ServiceTraceSpec,
  { dns, dispatch, conntrack }: { dns: DnsServers | undefined; dispatch: Dispatch; conntrack: ConntrackDetail },
): ProbeRequest {
  return {
    version: 1,
    node: node.name,
    services: [probeRequestService(desired)],
    collect: {
      rules: spec.collect?.rules ?? true,
      dispatch,
      conntrack,
      kubeProxy: spec.collect?.kubeProxy ?? true,
      system: true,
      ...(dns === undefined || dns.clusterIPs.length === 0 ? {} : { dns: dnsRequest(desired, dns) }),
    },
    maxConntrackEntries,
  };
}

/**
 * What a probe's request has of the Service. Of one that kube-proxy leaves out, neither the node ports nor the external addresses:
 * no rule of it says that what comes there is its own.
 */
export function probeRequestService(desired: DesiredService): ProbeRequest['services'][number] {
  const { service, namespace, name } = desired;
  const isProxied = service.notProxied === undefined;
  const asked = (addresses: readonly string[]): string[] =>
    isProxied ? addresses.filter((address) => isAddressChecked(desired, address)) : [];
  return {
    namespace,
    name,
    clusterIPs: service.clusterIPs,
    externalIPs: asked(service.externalIPs),
    loadBalancerIPs: asked(service.loadBalancerIPs),
    ownIPs: ownExternalAddresses(desired),
    ports: service.ports.map(({ name: portName, protocol, port, nodePort }) => ({
      ...(portName === undefined ? {} : { name: portName }),
      protocol,
      port,
      ...(nodePort === undefined || !isProxied ? {} : { nodePort }),
    })),
    ...(service.healthCheckNodePort === undefined || !isProxied
      ? {}
      : { healthCheckNodePort: service.healthCheckNodePort }),
  };
}

/** CoreDNS runs with two replicas, or with a few more; past so many, the first speak for the rest. */
const maxDnsEndpoints = 10;

function dnsRequest(
  desired: DesiredService,
  { clusterIPs, servers }: DnsServers,
): NonNullable<ProbeRequest['collect']['dns']> {
  const service = `${desired.namespace}/${desired.name}`;
  return {
    servers: clusterIPs.slice(0, 2),
    endpoints: (servers ?? [])
      .filter(({ ready }) => ready)
      .slice(0, maxDnsEndpoints)
      .map(({ address, port }) => ({ address, port })),
    health: healthQuestion(defaultClusterDomain),
    questions: expectedAnswers(desired, defaultClusterDomain).map(({ name, type }) => ({ service, name, type })),
  };
}
