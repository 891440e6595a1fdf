/** Whether a node has the DNAT targets that it should have: worked out in the status, printed from it. */
import { describe, expect, it } from 'vitest';
import { driftOf, nodeColumnsOf, nodeRow } from '../../../cmd/tables/node-row.ts';
import { pathBody } from '../../../cmd/views/bodies/path.ts';
import { initialState } from '../../../cmd/views/state/live-state.ts';
import type { NodeStatus, ServiceTrace } from '../../../core/api/service-trace.ts';
import { nodeStatus } from '../../../core/status/node-status.ts';
import { exampleTrace } from '../../support/example-trace.ts';
import { desiredService, endpoint, frontend, nodeFacts, nodeProgram } from '../../support/node-facts.ts';
import { createTheme } from '../../../cmd/views/state/theme.ts';

/** node-c is in the zone of node-a, and no endpoint is on it. */
const desired = desiredService([
  endpoint('10.244.1.2', { zone: 'zone-a', hints: ['zone-a'] }),
  endpoint('10.244.2.2', { nodeName: 'node-b', zone: 'zone-b', hints: ['zone-b'] }),
]);
const nodeC = (...addresses: string[]): NodeStatus =>
  nodeStatus(
    { ...nodeFacts('node-c', { program: nodeProgram([frontend(addresses, { verdict: 'DNAT' })]) }), zone: 'zone-a' },
    desired,
    { spec: exampleTrace.spec },
  );
const traceOf = (node: NodeStatus): ServiceTrace => ({
  ...exampleTrace,
  status: {
    ...exampleTrace.status,
    service: desired.service,
    endpointSlices: [...desired.endpointSlices],
    nodes: [node],
    findings: [],
  },
});
const targetsOf = (node: NodeStatus): string | undefined =>
  nodeRow(node, traceOf(node), 0)[nodeColumnsOf(traceOf(node)).indexOf('TARGETS')]?.text;
const withoutDrift = (node: NodeStatus): NodeStatus => ({
  ...node,
  ports: node.ports.map(({ drift: _, ...port }) => port),
});

describe('a Service with hints, on a node without an endpoint', () => {
  it('has what is hinted to the zone of the node', () => {
    expect(nodeC('10.244.1.2').ports[0]?.drift).toEqual({ desired: 1, missing: 0, extra: 0 });
    expect(targetsOf(nodeC('10.244.1.2'))).toBe('1/1');
  });

  it('names what is missing and what is too many', () => {
    const node = nodeC('10.244.2.2');
    expect(node.ports[0]?.drift).toEqual({
      desired: 1,
      missing: 1,
      extra: 1,
      missingTargets: [{ address: '10.244.1.2', port: 8080, pod: 'auth-2', nodeName: 'node-a' }],
      extraTargets: [{ address: '10.244.2.2', port: 8080 }],
    });
    expect(targetsOf(node)).toBe('0/1 +1');
    expect(targetsOf(nodeC('10.244.1.2', '10.244.2.2'))).toBe('1/1 +1');
  });

  it('counts a target that rules name twice once', () => {
    expect(nodeC('10.244.1.2', '10.244.2.2', '10.244.2.2').ports[0]?.drift?.extra).toBe(1);
  });
});

describe('a status of a version that did not say it', () => {
  const old = withoutDrift(nodeC('10.244.1.2'));

  it('is shown, with what should be there unknown', () => {
    expect(targetsOf(old)).toBe('1/unknown');
    expect(driftOf(old)).toEqual({ right: 0, wanted: 0, extra: 0, unknown: 1 });
  });

  it('says so above the path', () => {
    const linesOf = (node: NodeStatus): string[] => {
      const trace = traceOf(node);
      const body = pathBody(
        { ...initialState({ kind: 'operator' }, 0), trace, selectedNode: node.name },
        { width: 100, theme: createTheme(false) },
      );
      return Array.from({ length: body.count }, (_, index) => body.line(index));
    };
    const warning = 'missing DNAT targets: unknown; an earlier version wrote this status';
    expect(linesOf(old)).toContain(warning);
    expect(linesOf(nodeC('10.244.1.2'))).not.toContain(warning);
    expect(linesOf(nodeC('10.244.2.2')).some((line) => /10\.244\.1\.2:8080 .*absent/.test(line))).toBe(true);
  });
});

it('says nothing of a frontend whose rules were not read, nor of a Service that kube-proxy leaves alone', () => {
  const facts = nodeFacts('node-a', { program: nodeProgram([frontend([], { verdict: 'Unknown' })]) });
  expect(nodeStatus(facts, desired, { spec: exampleTrace.spec }).ports[0]?.drift).toBeUndefined();
  const { service, ...rest } = desired;
  const left = { ...rest, service: { ...service, notProxied: 'it is headless' } };
  const read = nodeFacts('node-a', { program: nodeProgram([frontend(['10.244.1.2'])]) });
  expect(nodeStatus(read, left, { spec: exampleTrace.spec }).ports[0]?.drift).toBeUndefined();
});
