/** The resolv.conf of the client of spec.from: as it was read in the pod, else as its spec makes it. */
import { askedDomain } from '../../dns/answers.ts';
import { defaultClusterDomain } from '../../dns/names.ts';
import { parseResolvConf, type ResolvConf } from '../../dns/resolv-conf.ts';
import { podResolvConf } from '../../dns/pod-resolv-conf.ts';
import type { ClientFacts } from '../../api/cluster-facts.ts';
import type { Facts } from './finding.ts';

export interface ClientResolvConf {
  readonly client: ClientFacts & { readonly namespace: string };
  readonly conf: ResolvConf;
  readonly base: 'cluster' | 'node' | 'none';
  /** Read in the pod, or made from its spec (sourceTexts). */
  readonly source: 'pod' | 'spec';
  /** A part of it comes from a file that is not known. */
  readonly isPartial: boolean;
  /** The cluster IPs of the DNS Service. */
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
}

export const sourceTexts = { pod: 'read in the pod', spec: 'made from its spec' } as const satisfies Readonly<
  Record<ClientResolvConf['source'], string>
>;

/** Undefined where there is no client, or the DNS Service is not known. */
export function clientResolvConf({ desired, nodes, cluster }: Facts): ClientResolvConf | undefined {
  const clusterDns = cluster?.dns?.clusterIPs;
  if (cluster?.client === undefined || clusterDns === undefined) return undefined;
  // A trace's client is of its own namespace.
  const client = { ...cluster.client, namespace: desired.namespace };
  const clusterDomain =
    nodes.flatMap(({ read }) => askedDomain(read?.dnsAnswers ?? [], desired) ?? [])[0] ?? defaultClusterDomain;
  const made = podResolvConf(
    client,
    clusterDns,
    clusterDomain,
    nodes.find(({ node }) => node === client.node)?.read?.resolvConf,
  );
  const rest = { client, base: made.base, clusterDns, clusterDomain };
  if (client.resolvConf === undefined) return { ...rest, conf: made, source: 'spec', isPartial: made.isPartial };
  return { ...rest, conf: parseResolvConf(client.resolvConf), source: 'pod', isPartial: false };
}

/** Whether it asks the cluster's DNS; a link-local address is a cache on the node, which asks it in turn. */
export function asksClusterDns({ conf, clusterDns }: ClientResolvConf): boolean {
  return conf.nameservers.some((server) => clusterDns.includes(server) || /^(169\.254\.|fe80:)/i.test(server));
}
