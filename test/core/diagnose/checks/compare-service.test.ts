import { describe, expect, it } from 'vitest';
import type { ClusterFacts, PodFacts } from '../../../../core/api/cluster-facts.ts';
import { compareService, disagreeingRows, type Compared } from '../../../../core/diagnose/checks/compare-service.ts';
import { sliceController } from '../../../../core/diagnose/checks/pod-endpoints.ts';
import { releases } from '../../../proxy/kube-proxy-releases.ts';
import { readNodeFacts } from '../../../../core/program/node-facts.ts';
import type { RecordOf } from '../../../../core/wire/node-report.ts';
import { probe } from '../../../support/dumped-node.ts';
import {
  collectedAt,
  desiredService,
  endpoint,
  frontend,
  nodeFacts,
  nodeProgram,
  waitingKubeProxy,
} from '../../../support/node-facts.ts';
import { recordedNode, recordedServices, requestOf } from '../../../support/recorded-proxy.ts';

type Group = RecordOf<'conntrack'>['groups'][number];

const compared = (extra: Partial<Compared> = {}): Compared => ({
  desired: desiredService(),
  nodes: [nodeFacts()],
  now: collectedAt,
  ...extra,
});
const withRules = (node: string, addresses: readonly string[]): ReturnType<typeof nodeFacts> =>
  nodeFacts(node, { program: nodeProgram([frontend(addresses)]) });
const pod = (address: string, extra: Partial<PodFacts> = {}): PodFacts => ({
  name: `auth-${address.split('.').at(-1) ?? ''}`,
  uid: `uid-${address}`,
  selected: true,
  labels: {},
  phase: 'Running',
  ready: true,
  hasPreStop: false,
  addresses: [address],
  hostNetwork: false,
  containers: [],
  ...extra,
});
const cluster = (pods: PodFacts[], extra: Partial<ClusterFacts> = {}): ClusterFacts => ({
  pods,
  endpointSlices: [{ name: 'auth-service-1', managedBy: sliceController, bytes: 900 }],
  unread: [],
  ...extra,
});
const entries = (group: Partial<Group>): ReturnType<typeof nodeFacts> => {
  const whole: Group = {
    family: 'IPv4',
    protocol: 'tcp',
    state: 'ESTABLISHED',
    unreplied: false,
    destination: '10.96.0.7',
    destinationPort: 80,
    replySource: '10.244.9.9',
    replySourcePort: 8080,
    entries: 3,
    ...group,
  };
  return nodeFacts('node-a', {
    conntrack: {
      kind: 'conntrack',
      service: 'default/auth-service',
      matched: whole.entries,
      groups: [whole],
      lines: [],
    },
  });
};
const rowsOf = (input: Compared): (readonly [string, readonly string[]])[] =>
  disagreeingRows(input).rows.map(({ address, disagreements }) => [address, disagreements] as const);

describe('compareService', () => {
  it('puts EndpointSlices and the rules of each node side by side', () => {
    const input = compared({ nodes: [nodeFacts('node-a'), withRules('node-b', ['10.244.1.2', '10.244.9.9'])] });
    const [port] = compareService(input);
    expect(port).toMatchObject({ family: 'IPv4', portName: 'http', protocol: 'TCP', port: 80 });
    expect(
      port?.rows.map(({ address, nodes: each, disagreements }) => [
        address,
        each.map(({ rules, share }) => [rules, share]),
        disagreements,
      ]),
    ).toEqual([
      [
        '10.244.1.2',
        [
          ['present', 0.5],
          ['present', 0.5],
        ],
        [],
      ],
      [
        '10.244.2.2',
        [
          ['present', 0.5],
          ['absent', undefined],
        ],
        ['node-b should send packets there, and does not'],
      ],
      [
        '10.244.9.9',
        [
          ['absent', undefined],
          ['present', 0.5],
        ],
        ['no EndpointSlice has it', 'node-b sends packets there, and should not'],
      ],
    ]);
    expect(disagreeingRows(input, 1)).toEqual({
      rows: [
        expect.objectContaining({
          address: '10.244.2.2',
          servicePort: 80,
          port: 8080,
          nodes: { present: 1, absent: 1, unknown: 0 },
          disagreements: ['node-b should send packets there, and does not'],
        }),
      ],
      omitted: 1,
    });
  });

  it('reports many nodes that are alike at once, and which frontend alone they lack', () => {
    const both = desiredService(undefined, {
      type: 'NodePort',
      ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 }],
    });
    const right = ['10.244.1.2', '10.244.2.2'];
    const node = (name: string, addresses: readonly string[]): ReturnType<typeof nodeFacts> =>
      nodeFacts(name, {
        program: nodeProgram([
          frontend(right),
          frontend(addresses, { frontend: 'NodePort', address: '', port: 30080, verdict: 'DNAT' }),
        ]),
      });
    expect(
      rowsOf(
        compared({
          desired: both,
          nodes: ['a', 'b', 'c', 'd', 'e'].map((name) => node(name, name === 'e' ? right : ['10.244.1.2'])),
        }),
      ),
    ).toEqual([
      ['10.244.2.2', ['a, b, c and 1 more should send packets of NodePort 30080/TCP (IPv4) there, and do not']],
    ]);
  });

  it('reports a pod that is not there, one that is not ready, and one that no EndpointSlice has', () => {
    const old = {
      readySince: '2026-11-24T09:00:00Z',
      notReadySince: '2026-11-24T09:00:00Z',
      createdAt: '2026-11-24T08:00:00Z',
    };
    const input = compared({
      cluster: cluster([pod('10.244.1.2', { ready: false, ...old }), pod('10.244.3.3', old)]),
      desired: desiredService(undefined, {
        ipFamilies: ['IPv4'],
        ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: '8080' }],
      }),
    });
    expect(rowsOf(input)).toEqual([
      ['10.244.1.2', ['its endpoint is ready, and pod auth-2 is not']],
      [
        '10.244.2.2',
        [
          'an EndpointSlice has it for pod auth-2, which is another pod of the same name now (uid uid-10.244.1.2, the EndpointSlice says uid-10.244.2.2)',
        ],
      ],
      ['10.244.3.3', ['the selector matches pod auth-3, which is ready, and no EndpointSlice has it']],
    ]);
    expect(compareService(input)[0]?.rows[0]?.pod).toEqual({
      name: 'auth-2',
      ready: false,
      phase: 'Running',
      isDeleting: false,
      selected: true,
    });
    expect(rowsOf({ ...input, desired: { ...input.desired, lastChange: '2026-11-24T09:59:55Z' } })).toEqual([]);
  });

  it('reports an address that the legacy Endpoints object lacks', () => {
    const endpoints = {
      bytes: 300,
      subsets: [
        {
          addresses: ['10.244.1.2'],
          notReadyAddresses: [],
          ports: [{ name: 'http', port: 8080, protocol: 'TCP' as const }],
        },
      ],
    };
    expect(
      rowsOf(
        compared({
          cluster: cluster([pod('10.244.1.2', { name: 'auth-2' }), pod('10.244.2.2', { name: 'auth-2b' })], {
            endpoints,
          }),
          desired: desiredService([
            endpoint('10.244.1.2'),
            endpoint('10.244.2.2', { targetRef: { kind: 'Pod', name: 'auth-2b', uid: 'uid-10.244.2.2' } }),
          ]),
        }),
      ),
    ).toEqual([['10.244.2.2', ['the legacy Endpoints object does not have it']]]);
  });

  it('reports connections that are held to what is not an endpoint, and leaves out those that end by themselves', () => {
    expect(disagreeingRows(compared({ nodes: [entries({})] })).rows).toEqual([
      expect.objectContaining({
        address: '10.244.9.9',
        connections: 3,
        disagreements: ['no EndpointSlice has it', 'conntrack of node-a still sends 3 TCP connections there'],
      }),
    ]);
    expect(rowsOf(compared({ nodes: [entries({ state: 'TIME_WAIT' })] }))).toEqual([]);
    expect(rowsOf(compared({ nodes: [entries({ replySource: '10.244.1.2' })] }))).toEqual([]);
  });

  it('says nothing against nodes whose kube-proxy may still be writing', () => {
    const input = compared({
      desired: { ...desiredService(), lastChange: '2026-11-24T09:59:40Z' },
      nodes: [withRules('node-a', ['10.244.1.2'])],
    });
    expect(rowsOf(input)).toEqual([['10.244.2.2', ['node-a should send packets there, and does not']]]);
    expect(rowsOf({ ...input, cluster: { kubeProxy: waitingKubeProxy('20s'), unread: [] } })).toEqual([]);
    expect(rowsOf({ ...input, desired: { ...input.desired, changedWhileCollecting: ['auth-service-1'] } })).toEqual([]);
  });

  it('says unknown of a node whose rules were not read', () => {
    const [port] = compareService(
      compared({ nodes: [nodeFacts('node-a', { program: nodeProgram([frontend([], { verdict: 'Unknown' })]) })] }),
    );
    expect(port?.rows.map(({ nodes, disagreements }) => [nodes[0]?.rules, disagreements])).toEqual([
      ['unknown', []],
      ['unknown', []],
    ]);
  });

  it.each(['iptables', 'nftables'] as const)(
    'finds no disagreement in what kube-proxy wrote, %s',
    { timeout: 120_000 },
    async (kind) => {
      const version = releases.at(-1)?.version ?? '';
      const services = recordedServices(version);
      const report = await probe(recordedNode(version, kind), services.map(requestOf));
      const zone = `zone-${report.node.slice(-1)}`;
      const rows = services.flatMap(
        (desired) =>
          disagreeingRows({
            desired,
            nodes: [readNodeFacts({ node: report.node, report, collectedAt: '2026-11-24T10:00:01Z' }, desired, zone)],
            now: '2026-11-24T10:00:02Z',
          }).rows,
      );
      expect(rows).toEqual([]);
    },
  );
});
