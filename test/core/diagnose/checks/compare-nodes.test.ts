import { describe, expect, it } from 'vitest';
import { kubeProxyOutliers, nodeOutliers } from '../../../../core/diagnose/checks/compare-nodes.ts';
import { readNodeFacts } from '../../../../core/program/node-facts.ts';
import { parseKubeProxyConfigz } from '../../../../core/kube-proxy/config.ts';
import { releases } from '../../../proxy/kube-proxy-releases.ts';
import { probe } from '../../../support/dumped-node.ts';
import {
  collectedAt,
  desiredService,
  endpoint,
  frontend,
  nodeFacts,
  nodeProgram,
} from '../../../support/node-facts.ts';
import {
  recordedCluster,
  recordedNode,
  recordedServices,
  requestOf,
  written,
} from '../../../support/recorded-proxy.ts';

const right = ['10.244.1.2', '10.244.2.2'];
const node = (
  name: string,
  addresses: readonly string[] = right,
  extra: Parameters<typeof frontend>[1] = {},
): ReturnType<typeof nodeFacts> => nodeFacts(name, { program: nodeProgram([frontend(addresses, extra)]) });
const masquerading = (name: string, outside: boolean): ReturnType<typeof nodeFacts> =>
  node(name, right, { masquerade: { outside: { value: outside }, node: { value: true } } });

describe('nodeOutliers', () => {
  it('names the node that differs from most others, and how', () => {
    expect(
      nodeOutliers(desiredService(), [node('a'), node('b'), node('c', ['10.244.1.2', '10.244.9.9'])], undefined),
    ).toEqual([
      {
        node: 'c',
        differences: [
          'ClusterIP 10.96.0.7:80/TCP does not send packets to 10.244.2.2:8080 and sends packets to 10.244.9.9:8080, which is not asked for; on 2 other nodes: ClusterIP 10.96.0.7:80/TCP has the targets that the EndpointSlices ask for',
        ],
      },
    ]);
    expect(
      nodeOutliers(
        desiredService(),
        [masquerading('a', true), masquerading('b', true), masquerading('c', false)],
        undefined,
      ).map(({ node: name, differences }) => [name, differences]),
    ).toEqual([
      [
        'c',
        [
          "packets of clients outside to ClusterIP 10.96.0.7:80/TCP keep their source; on 2 other nodes: packets of clients outside to ClusterIP 10.96.0.7:80/TCP get the node's address as their source",
        ],
      ],
    ]);
  });

  it.each<[string, Parameters<typeof nodeOutliers>[0], ReturnType<typeof nodeFacts>[]]>([
    [
      'nodes that all lack the same',
      desiredService(),
      [node('a', ['10.244.1.2']), node('b', ['10.244.1.2']), node('c', ['10.244.1.2'])],
    ],
    ['one node of two', desiredService(), [node('a'), node('b', ['10.244.1.2'])]],
    [
      'nodes of which no more than half are alike',
      desiredService(),
      [node('a'), node('b'), node('c', ['10.244.1.2']), node('d', ['10.244.2.2'])],
    ],
    [
      'nodes that may still be writing',
      { ...desiredService(), lastChange: collectedAt },
      [node('a'), node('b'), node('c', ['10.244.1.2'])],
    ],
    [
      'EndpointSlices that changed meanwhile',
      { ...desiredService(), changedWhileCollecting: ['auth-service-1'] },
      [node('a'), node('b'), node('c', ['10.244.1.2'])],
    ],
    [
      'a node without an endpoint under the policy Local',
      desiredService([endpoint('10.244.1.2')], { internalTrafficPolicy: 'Local' }),
      [
        node('node-a', ['10.244.1.2']),
        node('node-b', [], { verdict: 'DROP' }),
        node('node-c', [], { verdict: 'DROP' }),
      ],
    ],
    [
      'a node that hints lead elsewhere',
      desiredService([
        endpoint('10.244.1.2', { nodeHints: ['node-a', 'node-b'] }),
        endpoint('10.244.2.2', { nodeHints: ['node-c'] }),
      ]),
      [node('node-a', ['10.244.1.2']), node('node-b', ['10.244.1.2']), node('node-c', ['10.244.2.2'])],
    ],
    [
      'a node that is asked to serve node ports on other addresses',
      desiredService(undefined, {
        type: 'NodePort',
        ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 }],
      }),
      ['a', 'b', 'c'].map((name) => {
        const served = frontend(name === 'c' ? [] : right, { frontend: 'NodePort', address: '', port: 30080 });
        return nodeFacts(name, {
          program: nodeProgram([served]),
          kubeProxy: {
            config: parseKubeProxyConfigz(
              JSON.stringify({
                'kubeproxy.config.k8s.io': { nodePortAddresses: name === 'c' ? ['192.0.2.0/24'] : [] },
              }),
            ),
          },
        });
      }),
    ],
    ['a node that was not read', desiredService(), [node('a'), node('b'), node('c', [], { verdict: 'Unknown' })]],
  ])('names no node for %s', (_name, desired, nodes) => {
    expect(nodeOutliers(desired, nodes, undefined)).toEqual([]);
  });

  it('reports settings of kube-proxy that one node alone has', () => {
    const configured = (name: string, clusterCIDR: string): ReturnType<typeof nodeFacts> =>
      nodeFacts(name, {
        kubeProxy: { config: parseKubeProxyConfigz(JSON.stringify({ 'kubeproxy.config.k8s.io': { clusterCIDR } })) },
      });
    expect(
      kubeProxyOutliers(
        [configured('a', '10.244.0.0/16'), configured('b', ''), configured('c', '10.244.0.0/16')],
        undefined,
      ),
    ).toEqual([
      { node: 'b', differences: ['clusterCIDR is not set; on 2 other nodes: clusterCIDR ["10.244.0.0/16"]'] },
    ]);
  });

  it('finds no difference between what the modes and backends of kube-proxy write', { timeout: 120_000 }, async () => {
    const version = releases.at(-1)?.version ?? '';
    const services = recordedServices(version);
    const reports = await Promise.all(
      written.map((kind) => probe(recordedNode(version, kind), services.map(requestOf))),
    );
    const found = services.flatMap((desired) =>
      nodeOutliers(
        desired,
        reports.map((report) =>
          readNodeFacts(
            { node: report.node, report, collectedAt: '2026-11-24T10:00:01Z' },
            desired,
            `zone-${report.node.slice(-1)}`,
          ),
        ),
        recordedCluster,
      ).map((each) => [desired.name, each]),
    );
    expect(found).toEqual([]);
  });
});
