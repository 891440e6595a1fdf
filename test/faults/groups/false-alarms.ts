/** What looks like a fault and is none: each is traced at once, and no fault may be found. */
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../support/eventually.ts';
import type { Fault, FaultGroup, KubernetesObject } from '../fault.ts';
import type { Place } from '../place.ts';
import { namespace } from '../place.ts';
import { service } from '../workload.ts';

const renewed = service('false-renewed');
const switched = service('false-switched');

/** 100 endpoints in each EndpointSlice, as the controller writes them, with addresses that no pod has. */
const manyEndpoints: readonly KubernetesObject[] = [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'false-many', namespace },
    spec: { ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }] },
  },
  ...[0, 1, 2].map((part): KubernetesObject => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `false-many-${String(part)}`,
      namespace,
      labels: { 'kubernetes.io/service-name': 'false-many', 'endpointslice.kubernetes.io/managed-by': 'faults' },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: 100 }, (_, index) => ({
      addresses: [`10.244.${String(200 + part)}.${String(index + 1)}`],
      conditions: { ready: true },
    })),
  })),
];

/** The node whose kube-proxy writes to the legacy tables, which have one lock for all programs; and a file that it is held for. */
const locked = 'node-c';
const hold = '/run/svctrace/hold-lock';

/** How often kube-proxy failed to write, by its own count. */
async function failuresOf(place: Place): Promise<number> {
  const { stdout } = await place
    .node(locked)
    .exec(['curl', '--silent', '--max-time', '5', 'http://127.0.0.1:10249/metrics']);
  return [
    ...stdout.matchAll(/^kubeproxy_sync_proxy_rules_iptables_(?:partial_)?restore_failures_total\S* (\S+)$/gm),
  ].reduce((sum, [, count]) => sum + Number(count), 0);
}

const nothing = (fault: Omit<Fault, 'expected'>): Fault => ({ ...fault, expected: [] });

export const falseAlarms: FaultGroup = {
  name: 'false alarms',
  graceSeconds: 0,
  faults: [
    nothing({
      name: 'port-name-of-63-letters',
      does: "a port's name has 63 letters, so that its SRV label would have 64 octets with the underscore",
      service: 'false-long-port',
      objects: [
        service('false-long-port', { ports: [{ name: 'p'.repeat(63), port: 80, targetPort: 8080, protocol: 'TCP' }] }),
      ],
      inject: async () => async () => undefined,
    }),
    {
      name: 'three-hundred-endpoints',
      does: 'a Service has 300 endpoints: their rules do not fit into a status, which is reported, and nothing else is',
      service: 'false-many',
      objects: manyEndpoints,
      expected: ['DATA-TRUNCATED'],
      healthy: ['DATA-TRUNCATED'],
      inject: async () => async () => undefined,
    },
    nothing({
      name: 'service-made-again',
      does: 'a Service is deleted and made again, with another cluster IP, and traced at once: DNS may still have the address of before',
      service: 'false-renewed',
      objects: [renewed],
      inject: async (place) => {
        await place.kubectl(['-n', namespace, 'delete', 'service', 'false-renewed', '--wait=true']);
        await place.apply([renewed]);
        return async () => undefined;
      },
    }),
    nothing({
      name: 'service-type-changed',
      does: 'a Service was an alias (ExternalName) until a moment ago',
      service: 'false-switched',
      objects: [switched],
      inject: async (place) => {
        await place.patch(
          'service/false-switched',
          { spec: { type: 'ExternalName', externalName: 'auth.example.com', clusterIP: null, clusterIPs: null } },
          'merge',
        );
        await sleep(3000);
        await place.patch('service/false-switched', { spec: { type: 'ClusterIP', externalName: null } }, 'merge');
        return async () => undefined;
      },
    }),
    nothing({
      name: 'lock-of-iptables-held-once',
      does: `the lock of iptables is held until kube-proxy fails to write once, and then let go: it writes everything a moment later (${locked})`,
      service: 'false-locked',
      objects: [service('false-locked')],
      inject: async (place) => {
        const before = await failuresOf(place);
        await place.node(locked).exec(['touch', hold]);
        const holding = place
          .node(locked)
          .exec(['flock', '/run/xtables.lock', 'sh', '-c', `while [ -e ${hold} ]; do sleep 0.2; done`], {
            reject: false,
            timeout: 90_000,
          });
        try {
          await place.apply([service('false-lock-trigger')]);
          await eventually(async () => {
            if ((await failuresOf(place)) === before) throw new Error('kube-proxy has not failed to write yet');
          }, 45);
        } finally {
          await place.node(locked).exec(['rm', '-f', hold]);
          await holding;
        }
        await eventually(async () => {
          const { stdout } = await place.node(locked).exec(['iptables', '--wait', '-t', 'nat', '-S']);
          if (!stdout.includes(`${namespace}/false-lock-trigger`))
            throw new Error('kube-proxy has not written the new Service yet');
        }, 60);
        return async () => place.kubectl(['-n', namespace, 'delete', 'service', 'false-lock-trigger', '--wait=false']);
      },
    }),
  ],
};
