/** Objects of a cluster as an API server gives them, with the fields that nobody here reads, for what has to hold many of them. */
import type { FakeObject } from '../test/support/fake-collections.ts';

export const endpointsOfSlice = 4;
export const nodeName = (index: number): string => `node-${String(index)}.example.internal`;
/** One of each family. */
export const nodeAddresses = (index: number): readonly [string, string] => [
  `172.${String(16 + (index >> 16))}.${String((index >> 8) & 255)}.${String(index & 255)}`,
  `fd00:172:30::${(index + 1).toString(16)}`,
];
/** One range of each family, without a group of zeros; at most 32,768 nodes. */
export const podCIDRs = (index: number): readonly [string, string] => [
  `10.${String(128 + (index >> 8))}.${String(index & 255)}.0/24`,
  `fd00:10:244:${(index + 1).toString(16)}::/64`,
];

export const managed = (manager: string, fields: readonly string[]): object => ({
  manager,
  operation: 'Update',
  apiVersion: 'v1',
  time: '2026-11-30T12:00:00Z',
  fieldsType: 'FieldsV1',
  fieldsV1: {
    'f:metadata': { 'f:annotations': { '.': {}, 'f:meta.helm.sh/release-name': {} }, 'f:labels': { '.': {} } },
    'f:spec': Object.fromEntries(fields.map((field) => [`f:${field}`, {}])),
  },
});
export const createdAt = '2026-11-30T12:00:00Z';
export const uid = (index: number): string => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
const labelsOf = (index: number): Record<string, string> => ({
  'app.kubernetes.io/name': `service-${String(index)}`,
  'app.kubernetes.io/managed-by': 'Helm',
  'helm.sh/chart': 'service-1.2.3',
});

export const serviceObject = (index: number): FakeObject => ({
  metadata: {
    name: `service-${String(index)}`,
    namespace: `team-${String(index % 100)}`,
    uid: uid(index),
    resourceVersion: String(1000 + index),
    creationTimestamp: createdAt,
    labels: labelsOf(index),
    annotations: { 'meta.helm.sh/release-name': `service-${String(index)}`, description: 'x'.repeat(300) },
    managedFields: [managed('helm', ['internalTrafficPolicy', 'ports', 'selector', 'sessionAffinity', 'type'])],
  },
  spec: {
    type: 'ClusterIP',
    clusterIP: `10.96.${String(index >> 8)}.${String(index & 255)}`,
    clusterIPs: [`10.96.${String(index >> 8)}.${String(index & 255)}`],
    internalTrafficPolicy: 'Cluster',
    ipFamilies: ['IPv4'],
    ipFamilyPolicy: 'SingleStack',
    ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }],
    selector: { 'app.kubernetes.io/name': `service-${String(index)}` },
    sessionAffinity: 'None',
  },
  status: { loadBalancer: {} },
});

/** @param nodes of the cluster: the endpoints are spread over them */
export const sliceObject = (index: number, nodes: number): FakeObject => ({
  metadata: {
    name: `service-${String(index)}-abcde`,
    generateName: `service-${String(index)}-`,
    namespace: `team-${String(index % 100)}`,
    uid: uid(index),
    resourceVersion: String(1000 + index),
    creationTimestamp: createdAt,
    labels: {
      ...labelsOf(index),
      'kubernetes.io/service-name': `service-${String(index)}`,
      'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
    },
    annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': createdAt },
    ownerReferences: [
      { apiVersion: 'v1', kind: 'Service', name: `service-${String(index)}`, uid: uid(index), controller: true },
    ],
    managedFields: [managed('kube-controller-manager', ['addressType', 'endpoints', 'ports'])],
  },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  endpoints: Array.from({ length: endpointsOfSlice }, (_, each) => ({
    addresses: [`10.${String(128 + (index >> 12))}.${String((index >> 4) & 255)}.${String((index & 15) * 16 + each)}`],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: nodeName((index * endpointsOfSlice + each) % nodes),
    zone: `region-1${'abc'.charAt(each % 3)}`,
    targetRef: {
      kind: 'Pod',
      name: `service-${String(index)}-5d4f8c7b9-x${String(each)}`,
      namespace: `team-${String(index % 100)}`,
      uid: uid(index * endpointsOfSlice + each),
    },
  })),
});

export const nodeObject = (index: number): FakeObject => ({
  metadata: {
    name: nodeName(index),
    uid: uid(index),
    resourceVersion: String(1000 + index),
    creationTimestamp: createdAt,
    labels: {
      'kubernetes.io/os': 'linux',
      'kubernetes.io/arch': 'amd64',
      'kubernetes.io/hostname': nodeName(index),
      'node.kubernetes.io/instance-type': 'm6i.2xlarge',
      'topology.kubernetes.io/region': 'region-1',
      'topology.kubernetes.io/zone': `region-1${'abc'.charAt(index % 3)}`,
      pool: 'general',
    },
    annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true', csi: 'x'.repeat(200) },
    managedFields: [managed('kubelet', ['podCIDR', 'podCIDRs', 'providerID'])],
  },
  spec: { podCIDR: podCIDRs(index)[0], podCIDRs: podCIDRs(index), providerID: `cloud:///${uid(index)}` },
  status: {
    addresses: [
      ...nodeAddresses(index).map((address) => ({ type: 'InternalIP', address })),
      { type: 'Hostname', address: nodeName(index) },
    ],
    capacity: { cpu: '8', memory: '32Gi', pods: '110', 'ephemeral-storage': '100Gi' },
    allocatable: { cpu: '7910m', memory: '31Gi', pods: '110', 'ephemeral-storage': '90Gi' },
    conditions: ['MemoryPressure', 'DiskPressure', 'PIDPressure', 'Ready'].map((type) => ({
      type,
      status: type === 'Ready' ? 'True' : 'False',
      reason: `Kubelet${type}`,
      message: `kubelet has what it needs of ${type}`,
      lastHeartbeatTime: createdAt,
      lastTransitionTime: createdAt,
    })),
    daemonEndpoints: { kubeletEndpoint: { Port: 10_250 } },
    nodeInfo: {
      architecture: 'amd64',
      bootID: uid(index),
      containerRuntimeVersion: 'containerd://2.1.0',
      kernelVersion: '6.12.0',
      kubeProxyVersion: '',
      kubeletVersion: 'v1.35.0',
      machineID: uid(index),
      operatingSystem: 'linux',
      osImage: 'Debian GNU/Linux 13',
      systemUUID: uid(index),
    },
    images: Array.from({ length: 50 }, (_, each) => ({
      names: [`registry.example/team/image-${String(each)}@sha256:${'0'.repeat(64)}`],
      sizeBytes: 100_000_000 + each,
    })),
  },
});
