/**
 * `npm run bench:endpoints`: what a Service's endpoints cost as one Endpoints object and as EndpointSlices, by the number
 * of its pods: bytes as JSON, shards, and what one changed pod sends to every watcher. The objects are those that the two
 * controllers make (test/support/controllers.ts says from where): 100 endpoints a slice, 1,000 addresses at most in Endpoints.
 */
import type { V1Endpoints, V1EndpointSlice } from '@kubernetes/client-node';
import { endpointsCost } from '../core/api/endpoints-cost.ts';
import { bytesText } from '../cmd/tables/words.ts';
import type { DesiredService } from '../core/api/service.ts';

const endpointsPerSlice = 100;
const maxAddresses = 1000;

const sizes = process.argv.slice(2).map(Number);
const titles = [
  'pods',
  'Endpoints',
  'addresses',
  'EndpointSlices',
  'shards',
  'a change: Endpoints',
  'EndpointSlices',
  'times less',
];
process.stdout.write(`${titles.map((title, index) => title.padStart(index === 0 ? 6 : 15)).join('  ')}\n`);
for (const pods of sizes.length === 0 ? [3, 100, 250, 1000, 5000] : sizes) {
  const legacy = legacyEndpoints(Math.min(pods, maxAddresses));
  const slices = Array.from({ length: Math.ceil(pods / endpointsPerSlice) }, (_, index) =>
    endpointSlice(index, Math.min(endpointsPerSlice, pods - index * endpointsPerSlice)),
  );
  const desired: DesiredService = {
    namespace: 'default',
    name: 'auth-service',
    service: { type: 'ClusterIP', clusterIPs: ['10.96.0.7'], externalIPs: [], loadBalancerIPs: [], ports: [] },
    endpointSlices: slices.map((slice) => ({
      name: slice.metadata?.name ?? '',
      addressType: 'IPv4',
      ports: [],
      endpoints: (slice.endpoints ?? []).map(({ addresses }) => ({
        addresses,
        ready: true,
        serving: true,
        terminating: false,
      })),
    })),
  };
  const cost = endpointsCost(desired, {
    endpointSlices: slices.map((slice) => ({ name: slice.metadata?.name ?? '', bytes: bytesOf(slice) })),
    endpoints: {
      bytes: bytesOf(legacy),
      subsets: [
        { addresses: (legacy.subsets?.[0]?.addresses ?? []).map(({ ip }) => ip), notReadyAddresses: [], ports: [] },
      ],
    },
    unread: [],
  });
  if (cost?.legacy === undefined) throw new Error('both forms were given');
  const row = [
    String(pods),
    bytesText(cost.legacy.bytes),
    String(cost.legacy.addresses),
    bytesText(cost.endpointSlices.bytes),
    String(cost.endpointSlices.shards),
    bytesText(cost.legacy.changeBytes),
    bytesText(cost.endpointSlices.changeBytes),
    (cost.legacy.changeBytes / cost.endpointSlices.changeBytes).toFixed(1),
  ];
  process.stdout.write(
    `${row.map((text, index) => text.padStart(index === 0 ? 6 : Math.max(15, titles[index]?.length ?? 0))).join('  ')}\n`,
  );
}

function bytesOf(object: object): number {
  return Buffer.byteLength(JSON.stringify(object));
}

function address(index: number): string {
  return `10.244.${String(Math.floor(index / 250))}.${String((index % 250) + 2)}`;
}

function targetRef(index: number): { kind: string; namespace: string; name: string; uid: string } {
  return {
    kind: 'Pod',
    namespace: 'default',
    name: `auth-service-5995955cd8-${index.toString(36).padStart(5, '0')}`,
    uid: `fbce0c59-1b54-47ed-aa03-${String(index).padStart(12, '0')}`,
  };
}

function metadata(name: string, manager: string): NonNullable<V1Endpoints['metadata']> {
  return {
    name,
    namespace: 'default',
    uid: 'a79874d8-2789-4468-a08f-10c578d98150',
    resourceVersion: '11148354',
    creationTimestamp: new Date('2026-11-24T08:00:00Z'),
    annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-11-24T08:00:00Z' },
    labels: {
      app: 'auth-service',
      'kubernetes.io/service-name': 'auth-service',
      'endpointslice.kubernetes.io/managed-by': manager,
    },
  };
}

function legacyEndpoints(addresses: number): V1Endpoints {
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: metadata('auth-service', 'endpoint-controller'),
    subsets: [
      {
        addresses: Array.from({ length: addresses }, (_, index) => ({
          ip: address(index),
          nodeName: `node-${String(index % 100)}`,
          targetRef: targetRef(index),
        })),
        ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      },
    ],
  };
}

function endpointSlice(number: number, endpoints: number): V1EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      ...metadata(`auth-service-${number.toString(36).padStart(5, '0')}`, 'endpointslice-controller.k8s.io'),
      generateName: 'auth-service-',
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: endpoints }, (_, index) => ({
      addresses: [address(number * endpointsPerSlice + index)],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `node-${String(index % 100)}`,
      zone: 'zone-a',
      targetRef: targetRef(number * endpointsPerSlice + index),
    })),
  };
}
