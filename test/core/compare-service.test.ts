import { describe, expect, it } from 'vitest';
import { compareService, disagreeingRows } from '../../core/compare-service.ts';
import { releases } from '../proxy/kube-proxy-releases.ts';
import { readNodeFacts } from '../../core/node-facts.ts';
import { probe } from './dumped-node.ts';
import { desiredService, endpoint, frontend, nodeFacts, nodeProgram } from './facts.ts';
import { recordedNode, recordedServices, requestOf } from './recorded-proxy.ts';

describe('compareService', () => {
  it('puts EndpointSlices and the rules of each node side by side', () => {
    const nodes = [nodeFacts('node-a'), nodeFacts('node-b', { program: nodeProgram([frontend(['10.244.1.2', '10.244.9.9'])]) })];
    const [port] = compareService(desiredService(), nodes);
    expect(port).toMatchObject({ family: 'IPv4', portName: 'http', protocol: 'TCP', port: 80 });
    expect(port?.rows.map(({ address, nodes: each, disagreements }) => [address, each.map(({ rules, share }) => [rules, share]), disagreements])).toEqual([
      ['10.244.1.2', [['present', 0.5], ['present', 0.5]], []],
      ['10.244.2.2', [['present', 0.5], ['absent', undefined]], ['node-b should send packets there, and does not']],
      ['10.244.9.9', [['absent', undefined], ['present', 0.5]], ['no EndpointSlice has it', 'node-b sends packets there, and should not']],
    ]);
    expect(disagreeingRows(compareService(desiredService(), nodes), 1)[0]?.rows.map(({ address }) => address)).toEqual(['10.244.2.2']);
  });

  it('tells a pod that is not there, and one that is not ready', () => {
    const desired = desiredService([endpoint('10.244.1.2'), endpoint('10.244.2.2')]);
    const pod = { name: 'auth-2', uid: 'uid-10.244.1.2', selected: true, labels: {}, phase: 'Running', ready: false, hasPreStop: false, addresses: ['10.244.1.2'], hostNetwork: false, containers: [] };
    const [port] = compareService(desired, [nodeFacts()], { pods: [pod], unread: [] });
    expect(port?.rows.map(({ disagreements }) => disagreements)).toEqual([['its endpoint is ready, and pod auth-2 is not'], ['an EndpointSlice has it, and no pod has its address']]);
    expect(port?.rows[0]?.pod).toEqual({ name: 'auth-2', ready: false, phase: 'Running', isDeleting: false, selected: true });
  });

  it('says unknown of a node whose rules were not read', () => {
    const [port] = compareService(desiredService(), [nodeFacts('node-a', { program: nodeProgram([frontend([], { verdict: 'Unknown' })]) })]);
    expect(port?.rows.map(({ nodes, disagreements }) => [nodes[0]?.rules, disagreements])).toEqual([['unknown', []], ['unknown', []]]);
  });

  it.each(['iptables', 'nftables'] as const)('finds no disagreement in what kube-proxy wrote, %s', { timeout: 120_000 }, async (kind) => {
    const version = releases.at(-1)?.version ?? '';
    const services = recordedServices(version);
    const report = await probe(recordedNode(version, kind), services.map(requestOf));
    const zone = `zone-${report.node.slice(-1)}`;
    const rows = services.flatMap((desired) => disagreeingRows(compareService(desired, [readNodeFacts({ node: report.node, report, collectedAt: '2026-11-24T10:00:01Z' }, desired, zone)])));
    expect(rows).toEqual([]);
  });
});
