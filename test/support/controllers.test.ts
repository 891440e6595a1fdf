/** Whatever the pods of a Service are like, what the controllers make of them is not a contradiction. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PodFacts } from '../../core/api/cluster-facts.ts';
import { diagnose } from '../../core/diagnose/diagnose.ts';
import type { ServiceStatus } from '../../core/api/service-trace.ts';
import { cluster, clusterNode, pod } from './cluster-facts.ts';
import { controllersSay } from './controllers.ts';
import { collectedAt } from './node-facts.ts';

const nodes = ['node-a', 'node-b'];
const contradictions = [
  'EPS-STALE',
  'EPS-MISSING',
  'EPS-READY-DIFFERS',
  'EPS-DUPLICATE',
  'EPS-MIRROR-LEFTOVER',
  'EPS-LEGACY-DIFFERS',
  'EPS-OVERSIZE',
  'NODE-GONE',
];

interface PodState {
  readonly phase: string;
  readonly isReady: boolean;
  readonly isEnding: boolean;
  readonly isOnHost: boolean;
  readonly node: string;
  readonly families: readonly ('IPv4' | 'IPv6')[];
  readonly port: string | undefined;
}

const podState: fc.Arbitrary<PodState> = fc.record({
  phase: fc.constantFrom('Running', 'Running', 'Running', 'Pending', 'Succeeded', 'Failed', 'Unknown'),
  isReady: fc.boolean(),
  isEnding: fc.boolean(),
  isOnHost: fc.boolean(),
  node: fc.constantFrom(...nodes),
  families: fc.constantFrom<readonly ('IPv4' | 'IPv6')[]>(['IPv4'], ['IPv6'], ['IPv4', 'IPv6'], []),
  port: fc.constantFrom('web', 'http', undefined),
});

const services = fc.record({
  ipFamilies: fc.constantFrom<string[]>(['IPv4'], ['IPv6'], ['IPv4', 'IPv6'], ['IPv6', 'IPv4']),
  publishNotReadyAddresses: fc.boolean(),
  targetPorts: fc.uniqueArray(fc.constantFrom('web', 'http', '8080'), { minLength: 1, maxLength: 3 }),
  isHeadless: fc.boolean(),
});

function podOf(state: PodState, index: number): PodFacts {
  const onHost = nodes.indexOf(state.node) + 11;
  const number = index + 2;
  const addresses = state.families.map((family) =>
    family === 'IPv4'
      ? state.isOnHost
        ? `172.30.0.${onHost}`
        : `10.244.1.${number}`
      : state.isOnHost
        ? `fd00:172:30::${onHost}`
        : `fd00:10:244::${number}`,
  );
  return pod(`10.244.1.${number}`, {
    name: `auth-${index}`,
    phase: state.phase,
    ready: state.isReady && state.phase === 'Running',
    node: state.node,
    addresses,
    hostNetwork: state.isOnHost,
    containers: [
      {
        name: 'server',
        restarts: 0,
        ports: state.port === undefined ? [] : [{ name: state.port, port: 8080, protocol: 'TCP' }],
      },
    ],
    ...(state.isEnding ? { deletionTimestamp: '2026-11-24T10:05:00Z', terminationGracePeriodSeconds: 600 } : {}),
  });
}

function serviceOf({
  ipFamilies,
  publishNotReadyAddresses,
  targetPorts,
  isHeadless,
}: typeof services extends fc.Arbitrary<infer State> ? State : never): ServiceStatus {
  return {
    type: 'ClusterIP',
    clusterIPs: isHeadless ? [] : ipFamilies.map((family) => (family === 'IPv4' ? '10.96.0.7' : 'fd00:10:96::7')),
    externalIPs: [],
    loadBalancerIPs: [],
    selector: { app: 'auth' },
    ipFamilies,
    publishNotReadyAddresses,
    ports: targetPorts.map((targetPort, index) => ({
      name: `p${index}`,
      protocol: 'TCP',
      port: 80 + index,
      targetPort,
    })),
    ...(isHeadless ? { notProxied: 'it is headless' } : {}),
  };
}

function found(
  service: ServiceStatus,
  pods: readonly PodFacts[],
  change: (objects: ReturnType<typeof controllersSay>) => void = () => undefined,
): string[] {
  const objects = controllersSay(service, pods, nodes);
  change(objects);
  const { desired, endpoints, endpointSlices } = objects;
  return diagnose({
    desired,
    nodes: [],
    now: collectedAt,
    cluster: cluster({ pods: [...pods], endpoints, endpointSlices, nodes: nodes.map((name) => clusterNode(name)) }),
  })
    .map(({ id }) => id)
    .filter((id) => contradictions.includes(id));
}

describe('what the controllers make', () => {
  it('is not a contradiction', () => {
    fc.assert(
      fc.property(services, fc.array(podState, { maxLength: 8 }), (service, states) => {
        expect(found(serviceOf(service), states.map(podOf))).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });

  it('is one where a ready pod is taken out of it', () => {
    const ready = podState.map((state): PodState => ({
      ...state,
      phase: 'Running',
      isReady: true,
      isEnding: false,
      isOnHost: false,
      families: ['IPv4', 'IPv6'],
    }));
    fc.assert(
      fc.property(services, ready, fc.array(podState, { maxLength: 4 }), (service, first, others) => {
        const pods = [first, ...others].map(podOf);
        const ids = found(serviceOf(service), pods, ({ desired }) => {
          for (const slice of desired.endpointSlices)
            slice.endpoints = slice.endpoints.filter(({ targetRef }) => targetRef?.uid !== pods[0]?.uid);
        });
        expect(ids).toContain('EPS-MISSING');
      }),
      { numRuns: 300 },
    );
  });

  it('is one where the pod of a ready endpoint is gone', () => {
    const ready = podState.map((state): PodState => ({
      ...state,
      phase: 'Running',
      isReady: true,
      isEnding: false,
      families: ['IPv4', 'IPv6'],
    }));
    fc.assert(
      fc.property(services, ready, fc.array(podState, { maxLength: 4 }), (service, first, others) => {
        const pods = [first, ...others].map(podOf);
        const objects = controllersSay(serviceOf(service), pods, nodes);
        const ids = diagnose({
          desired: objects.desired,
          nodes: [],
          now: collectedAt,
          cluster: cluster({
            pods: pods.slice(1),
            endpoints: null,
            endpointSlices: objects.endpointSlices,
            nodes: nodes.map((name) => clusterNode(name)),
          }),
        }).map(({ id }) => id);
        expect(ids).toContain('EPS-STALE');
      }),
      { numRuns: 300 },
    );
  });
});
