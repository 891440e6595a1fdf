import { beforeAll, expect, it } from 'vitest';
import { explainerOf, loadExplainers } from '../../../../cmd/views/state/explainers.ts';
import type { ChainStatus, NodeStatus, ProgramStatus, ServiceTrace } from '../../../../core/api/service-trace.ts';
import { exampleTrace, nodeA } from '../../../support/example-trace.ts';

const chain: ChainStatus = {
  family: 'IPv4',
  table: 'nat',
  name: 'KUBE-SEP-4TUYZPCVLJWJ2QJW',
  rules: [{ text: '-A KUBE-SEP-4TUYZPCVLJWJ2QJW -p tcp -m tcp -j DNAT --to-destination 10.244.1.3:8080' }],
};
const program: ProgramStatus = {
  fingerprint: 'aaaaaaaaaa',
  proxyMode: 'iptables',
  nodes: ['node-a', 'node-b'],
  chains: [chain],
};
const portsWith = (probability: number): NonNullable<NodeStatus['ports']> =>
  (nodeA.ports ?? []).map((port) => ({
    ...port,
    dnatTargets: port.dnatTargets.map((target) => ({ ...target, probability })),
  }));

beforeAll(loadExplainers);

it('has the shares of each of the nodes that have one program', () => {
  const [third, half] = [portsWith(1 / 3), portsWith(1 / 2)];
  const share = (ports: NonNullable<NodeStatus['ports']>): number | undefined =>
    explainerOf(program, { ports }, exampleTrace).rule(chain, 0).share;
  expect(share(third)).toBe(1 / 3);
  expect(share(half)).toBe(1 / 2);
  expect(share(third)).toBe(1 / 3);
});

it('names the pods as the trace has them that the rules are shown for', () => {
  const sentence = (trace: ServiceTrace): string => explainerOf(program, nodeA, trace).rule(chain, 0).sentence;
  const recreated: ServiceTrace = {
    ...exampleTrace,
    status: {
      ...exampleTrace.status,
      endpointSlices: exampleTrace.status?.endpointSlices?.map((slice) => ({
        ...slice,
        endpoints: slice.endpoints.map((endpoint) => ({
          ...endpoint,
          targetRef: { kind: 'Pod', name: `recreated-${endpoint.addresses[0] ?? ''}` },
        })),
      })),
    },
  } as ServiceTrace;
  expect(sentence(exampleTrace)).not.toContain('recreated');
  expect(sentence(recreated)).toContain('recreated-10.244.1.3');
});

it('is made once for a node in one trace', () => {
  expect(explainerOf(program, nodeA, exampleTrace)).toBe(explainerOf(program, nodeA, exampleTrace));
});
