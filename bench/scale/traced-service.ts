/**
 * A Service that is traced: the one of test/fixtures/auth-service.svctrace under another name and with other addresses, its
 * objects as the API server has them, and what a node's probe recorded of it.
 */
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { parseBundle } from '../../core/wire/bundle.ts';
import type { DesiredService } from '../../core/api/service.ts';
import { defaultClusterDomain, expectedAnswers, serviceDomain } from '../../core/dns/names.ts';
import {
  iptablesChainNames,
  iptablesEndpointChainName,
  type ServicePortId,
} from '../../core/kube-proxy/chain-names.ts';
import { nodeReportRecordSchema, type NodeReportRecord } from '../../core/wire/node-report.ts';
import type { FakeObject } from '../../test/support/fake-collections.ts';
import { createdAt, nodeName, podCIDRs } from '../cluster-objects.ts';

const recorded = parseBundle(
  readFileSync(new URL('../../test/fixtures/auth-service.svctrace', import.meta.url), 'utf8'),
);
/** Of kube-proxy's mode iptables, on nf_tables. */
const recordedNode = 'node-a';
/** Where kube-proxy says that its cluster's pods are; the recording has other ranges. */
export const clusterCIDR = '10.128.0.0/9,fd00:10:244::/48';
const [recordedIPv4 = '', recordedIPv6 = ''] = recorded.desired.service.clusterIPs;
/** One of each family, by their nodes. */
const recordedEndpoints = ['node-a', 'node-b', 'node-c'].map((node) =>
  (['IPv4', 'IPv6'] as const).map(
    (family) =>
      recorded.desired.endpointSlices
        .find(({ addressType }) => addressType === family)
        ?.endpoints.find(({ nodeName: of }) => of === node)?.addresses[0] ?? '',
  ),
);
/** Traced Services in so many namespaces: an operator admits 50 watched traces in each. */
const namespaces = 10;
export const mostTraced = 250;

export interface TracedService {
  readonly desired: DesiredService;
  /** By collection, such as `/api/v1/services`. */
  readonly objects: readonly { readonly collection: string; readonly object: FakeObject }[];
  /** Of its node, with the Service's own names and addresses, and without what a node has of its own (node-reports.ts). */
  readonly records: readonly NodeReportRecord[];
}

/** @param index below 250 @param nodes of the cluster: its three endpoints are on three of them */
export function tracedService(index: number, nodes: number): TracedService {
  const namespace = `traced-${String(index % namespaces)}`;
  const name = `service-${String(index)}`;
  const port: ServicePortId = { namespace, name, portName: 'http', protocol: 'TCP' };
  const before: ServicePortId = { ...port, namespace: recorded.desired.namespace, name: recorded.desired.name };
  const clusterIPs = [`10.97.0.${String(index + 1)}`, `fd00:10:96::a:${(index + 1).toString(16)}`];
  const places = recordedEndpoints.map((old, each) => {
    const node = (index * recordedEndpoints.length + each) % nodes;
    const [ipv4, ipv6] = podCIDRs(node);
    const addresses = [
      ipv4.replace('.0/24', `.${String(index + 3)}`),
      ipv6.replace('::/64', `::${(index + 3).toString(16)}`),
    ];
    return { node, old, addresses, pod: `${name}-5995955cd8-${String(each)}`, uid: `${name}-${String(each)}-uid` };
  });
  const written = (address: string): string => (address.includes(':') ? `[${address}]:8080` : `${address}:8080`);
  const renamed = new Map([
    [`${before.namespace}/${before.name}`, `${namespace}/${name}`],
    [iptablesChainNames(before).cluster, iptablesChainNames(port).cluster],
    [recordedIPv4, clusterIPs[0] ?? ''],
    [recordedIPv6, clusterIPs[1] ?? ''],
    ['10.244.0.0/16', clusterCIDR.split(',')[0] ?? ''],
    ...places.flatMap(({ old, addresses }) =>
      old.flatMap((address, family): [string, string][] => [
        [address, addresses[family] ?? ''],
        [
          iptablesEndpointChainName(before, written(address)),
          iptablesEndpointChainName(port, written(addresses[family] ?? '')),
        ],
      ]),
    ),
  ]);
  const service = { ...recorded.desired.service, clusterIPs, selector: { app: name } };
  const slices = (['IPv4', 'IPv6'] as const).map((addressType, family) => ({
    name: `${name}-${addressType.toLowerCase()}`,
    addressType,
    ports: [{ name: 'http', protocol: 'TCP' as const, port: 8080 }],
    endpoints: places.map(({ node, addresses, pod, uid }) => ({
      addresses: [addresses[family] ?? ''],
      ready: true,
      serving: true,
      terminating: false,
      nodeName: nodeName(node),
      targetRef: { kind: 'Pod', name: pod, uid },
    })),
  }));
  const meta = { namespace, creationTimestamp: createdAt };
  return {
    desired: { namespace, name, service, endpointSlices: slices },
    records: renameIn(recordedReport(), renamed),
    objects: [
      {
        collection: '/api/v1/services',
        object: {
          metadata: { ...meta, name, uid: `${name}-uid` },
          spec: {
            type: 'ClusterIP',
            clusterIP: clusterIPs[0],
            clusterIPs,
            internalTrafficPolicy: 'Cluster',
            ipFamilies: ['IPv4', 'IPv6'],
            ipFamilyPolicy: 'RequireDualStack',
            ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }],
            selector: { app: name },
            sessionAffinity: 'None',
          },
          status: { loadBalancer: {} },
        },
      },
      ...slices.map((slice) => ({
        collection: '/apis/discovery.k8s.io/v1/endpointslices',
        object: {
          metadata: {
            ...meta,
            name: slice.name,
            uid: `${slice.name}-uid`,
            labels: {
              'kubernetes.io/service-name': name,
              'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
            },
          },
          addressType: slice.addressType,
          ports: slice.ports,
          endpoints: slice.endpoints.map(({ ready, serving, terminating, ...endpoint }) => ({
            ...endpoint,
            conditions: { ready, serving, terminating },
          })),
        },
      })),
      ...places.map(({ node, addresses, pod, uid }) => ({
        collection: '/api/v1/pods',
        object: {
          metadata: { ...meta, name: pod, uid, labels: { app: name, 'pod-template-hash': '5995955cd8' } },
          spec: {
            nodeName: nodeName(node),
            containers: [
              {
                name: 'server',
                image: 'registry.example/team/server:1',
                ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
                lifecycle: { preStop: { sleep: { seconds: 5 } } },
              },
            ],
          },
          status: {
            phase: 'Running',
            podIP: addresses[0],
            podIPs: addresses.map((ip) => ({ ip })),
            conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: createdAt }],
            containerStatuses: [{ name: 'server', restartCount: 0, state: { running: { startedAt: createdAt } } }],
          },
        },
      })),
    ],
  };
}

/** What the cluster's DNS says of the Service, as a probe asks it; of a name that is not the Service's, of the API server's. */
export function dnsAnswers(
  { desired }: TracedService,
  { name, type }: { readonly name: string; readonly type: 'A' | 'AAAA' | 'SRV' },
): string[] {
  if (name !== serviceDomain(desired, defaultClusterDomain) && type !== 'SRV') return ['10.96.0.1'];
  return expectedAnswers(desired, defaultClusterDomain).flatMap((expected) => {
    if (expected.name !== name || expected.type !== type) return [];
    if (expected.kind === 'addresses') return [...expected.addresses].sort();
    if (expected.kind === 'alias') return [];
    return expected.services.map(({ port, targets }) => `0 100 ${String(port)} ${targets[0] ?? ''}`);
  });
}

function recordedReport(): readonly NodeReportRecord[] {
  const answer = recorded.answers.find(({ node }) => node === recordedNode);
  if (answer === undefined || !('report' in answer)) throw new Error(`the recording has no report of ${recordedNode}`);
  return answer.report.records;
}

/** Every text among the records, each old word once: what was put in is not looked through again. */
function renameIn(
  records: readonly NodeReportRecord[],
  words: ReadonlyMap<string, string>,
): readonly NodeReportRecord[] {
  const escaped = [...words.keys()]
    .sort((one, other) => other.length - one.length)
    .map((word) => word.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`));
  // An address is none within a longer one.
  const pattern = new RegExp(`(?<![\\d.])(?:${escaped.join('|')})(?![\\da-f]|\\.\\d)`, 'g');
  const text = JSON.stringify(records).replaceAll(pattern, (word) => words.get(word) ?? word);
  return z.array(nodeReportRecordSchema).parse(JSON.parse(text));
}
