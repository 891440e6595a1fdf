/**
 * What the cluster's DNS is asked about a Service, and what it should answer: Kubernetes DNS-Based Service Discovery
 * 1.1.0 (kubernetes/dns, docs/specification.md), with the names that CoreDNS gives to endpoints (plugin/kubernetes,
 * endpointHostname, 1.14).
 */
import { canBeAsked } from '../net/domain-name.ts';
import type { EndpointSliceStatus, EndpointStatus } from '../api/service-trace.ts';
import type { DesiredService } from '../api/service.ts';
import { familyOf, type Family } from '../net/family.ts';

/** What kubelets are set up with unless somebody says otherwise. */
export const defaultClusterDomain = 'cluster.local';

export interface DnsQuestion {
  /** Full, without the final dot. */
  readonly name: string;
  readonly type: 'A' | 'AAAA' | 'SRV';
}

/** Addresses in any order; or SRV records, each with the names that its target may have; or an alias alone. */
export type ExpectedAnswer = DnsQuestion &
  (
    | { readonly kind: 'addresses'; readonly addresses: readonly string[] }
    | {
        readonly kind: 'services';
        readonly services: readonly { readonly port: number; readonly targets: readonly string[] }[];
      }
    | { readonly kind: 'alias'; readonly target: string }
  );

/** A Service has up to hundreds of ports and pods; this many of each are asked for by name. */
const maxPorts = 10;
const maxPodNames = 10;

/** `auth-service.default.svc.cluster.local` */
export function serviceDomain(
  { namespace, name }: Pick<DesiredService, 'namespace' | 'name'>,
  clusterDomain: string,
): string {
  return `${name}.${namespace}.svc.${clusterDomain}`;
}

/** Of a name that every cluster has: where it is not known, DNS does not follow this API server, or the domain is another. */
export function healthQuestion(clusterDomain: string): DnsQuestion {
  return { name: `kubernetes.default.svc.${clusterDomain}`, type: 'A' };
}

/**
 * Every question about the Service with what should be answered, the Service's own name first. A name that DNS cannot
 * have is none: a port's name of 63 letters makes a label of 64 with its underscore.
 */
export function expectedAnswers(desired: DesiredService, clusterDomain: string): ExpectedAnswer[] {
  return allAnswers(desired, clusterDomain).filter(({ name }) => canBeAsked(name));
}

function allAnswers(desired: DesiredService, clusterDomain: string): ExpectedAnswer[] {
  const { service } = desired;
  const name = serviceDomain(desired, clusterDomain);
  if (service.type === 'ExternalName') {
    // CoreDNS gives an alias for a host's name alone; for an address it has no answer.
    return service.externalName === undefined || isAddress(service.externalName)
      ? []
      : [{ name, type: 'A', kind: 'alias', target: service.externalName.replace(/\.$/, '').toLowerCase() }];
  }
  const own = (['A', 'AAAA'] as const).map((type): ExpectedAnswer => ({
    name,
    type,
    kind: 'addresses',
    addresses: addressesOf(desired, familyOfType(type)),
  }));
  const ports = service.ports.filter((port) => port.name !== undefined && port.name !== '').slice(0, maxPorts);
  const portAnswers = ports.map((port): ExpectedAnswer => ({
    name: `_${port.name ?? ''}._${port.protocol.toLowerCase()}.${name}`,
    type: 'SRV',
    kind: 'services',
    services: isHeadless(desired) ? endpointServices(desired, port, name) : [{ port: port.port, targets: [name] }],
  }));
  return [...own, ...portAnswers, ...podNames(desired, name)];
}

/** No cluster IP: its name has the addresses of its ready endpoints. */
export function isHeadless({ service }: Pick<DesiredService, 'service'>): boolean {
  return service.clusterIPs.length === 0 || service.clusterIPs[0] === 'None';
}

function familyOfType(type: 'A' | 'AAAA'): Family {
  return type === 'A' ? 'IPv4' : 'IPv6';
}

function isAddress(text: string): boolean {
  return text.includes(':') || /^\d+\.\d+\.\d+\.\d+$/.test(text);
}

function addressesOf(desired: DesiredService, family: Family): string[] {
  const addresses = isHeadless(desired)
    ? readyEndpoints(desired).flatMap(({ endpoint }) => endpoint.addresses)
    : desired.service.clusterIPs;
  return [...new Set(addresses.filter((address) => familyOf(address) === family))].sort();
}

/** Of slices with a port: CoreDNS has no record of an endpoint that serves none. */
function readyEndpoints({
  endpointSlices,
}: DesiredService): { readonly endpoint: EndpointStatus; readonly slice: EndpointSliceStatus }[] {
  return endpointSlices
    .filter(({ addressType }) => addressType !== 'FQDN')
    .flatMap((slice) => slice.endpoints.filter(({ ready }) => ready).map((endpoint) => ({ endpoint, slice })));
}

/** One for each ready endpoint; its target is its host name, its pod's name (endpoint_pod_names) or its address with dashes. */
function endpointServices(
  desired: DesiredService,
  port: DesiredService['service']['ports'][number],
  name: string,
): { port: number; targets: string[] }[] {
  return readyEndpoints(desired).flatMap(({ endpoint, slice }) => {
    const own = slice.ports.find(
      (candidate) => candidate.name === port.name && (candidate.protocol ?? 'TCP') === port.protocol,
    );
    if (own?.port === undefined) return [];
    const number = own.port;
    return endpoint.addresses.map((address) => ({
      port: number,
      targets: [endpoint.hostname, endpoint.targetRef?.name, dashed(address)].flatMap((label) =>
        label === undefined ? [] : [`${label}.${name}`],
      ),
    }));
  });
}

function dashed(address: string): string {
  const text = address.replaceAll(/[.:]/g, '-');
  return text.endsWith('-') ? `${text}0` : text;
}

/** A pod with a host name and this Service as its subdomain has a name of its own. */
function podNames(desired: DesiredService, name: string): ExpectedAnswer[] {
  const byHost = new Map<string, string[]>();
  for (const { endpoint } of readyEndpoints(desired)) {
    if (endpoint.hostname === undefined) continue;
    const known = byHost.get(endpoint.hostname);
    if (known === undefined) byHost.set(endpoint.hostname, [...endpoint.addresses]);
    else known.push(...endpoint.addresses);
  }
  return [...byHost].slice(0, maxPodNames).flatMap(([host, addresses]) =>
    (['A', 'AAAA'] as const).flatMap((type): ExpectedAnswer[] => {
      const own = [...new Set(addresses.filter((address) => familyOf(address) === familyOfType(type)))].sort();
      return own.length === 0 ? [] : [{ name: `${host}.${name}`, type, kind: 'addresses', addresses: own }];
    }),
  );
}
