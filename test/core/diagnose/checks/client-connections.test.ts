/** A pod's own connections: where to, and what they change in a status that was judged without them. */
import { describe, expect, it } from 'vitest';
import { clientTargets } from '../../../../core/diagnose/checks/client-connections.ts';
import { clientTargetsOf, withClient } from '../../../../core/status/client-status.ts';
import type { Connection } from '../../../../core/program/node-facts.ts';
import type { NodeReportRecord } from '../../../../core/wire/node-report.ts';
import type { ServiceTraceStatus } from '../../../../core/api/service-trace.ts';
import { buildStatus } from '../../../../core/status/status.ts';
import { untriedOf } from '../../../../core/status/untried.ts';
import { collectedAt, desiredService } from '../../../support/node-facts.ts';

const to = (
  hop: Connection['hop'],
  address: string,
  outcome: Connection['outcome'],
  port = hop === 'Endpoint' ? 8080 : 80,
): Connection => ({ hop, address, port, protocol: 'TCP', portName: 'http', outcome, milliseconds: 1 });
const client = { pod: 'client-a', node: 'node-a', addresses: ['10.244.1.9'] };
const desired = desiredService();
const fine = [
  to('ClusterIP', '10.96.0.7', 'connected'),
  to('Endpoint', '10.244.1.2', 'connected'),
  to('Endpoint', '10.244.2.2', 'connected'),
];

function statusWith(
  connections: readonly Connection[],
  connect: 'None' | 'Transport' = 'Transport',
): ServiceTraceStatus {
  const records = connections.map((each): NodeReportRecord => ({
    kind: 'connection',
    service: 'default/auth-service',
    ...each,
  }));
  const answers = ['node-a', 'node-b'].map((node) => ({
    node,
    collectedAt,
    report: { node, complete: true, records },
  }));
  return buildStatus({
    spec: { serviceRef: { name: 'auth-service' }, collect: { rules: false, connect } },
    generation: 1,
    desired,
    answers,
    previous: undefined,
    now: collectedAt,
  });
}

const healthOf = ({ conditions = [] }: ServiceTraceStatus): string | undefined =>
  conditions.find(({ type }) => type === 'Healthy')?.message;

describe('a pod connects', () => {
  it('to what nodes connected to, frontends first, to node ports of its own node', () => {
    const nodes = ['node-a', 'node-b'].map((node, index) => ({
      node,
      connections: [...fine.toReversed(), to('NodePort', `172.30.0.1${String(index)}`, 'timeout', 30080)],
    }));
    expect(clientTargets(nodes, client).map(({ hop, address }) => `${hop} ${address}`)).toEqual([
      'ClusterIP 10.96.0.7',
      'NodePort 172.30.0.10',
      'Endpoint 10.244.2.2',
      'Endpoint 10.244.1.2',
    ]);
  });

  it('to nothing that nodes were not let to connect to, and to no address of a family that it lacks', () => {
    const nodes = [
      {
        node: 'node-a',
        connections: [
          to('ExternalIP', '198.51.100.7', 'untried'),
          to('ClusterIP', 'fd00:10:96::7', 'connected'),
          ...fine,
        ],
      },
    ];
    expect(clientTargets(nodes, client).map(({ address }) => address)).toEqual([
      '10.96.0.7',
      '10.244.1.2',
      '10.244.2.2',
    ]);
    expect(clientTargets([], client)).toEqual([]);
  });

  it('to fifty at most', () => {
    const many = Array.from({ length: 90 }, (_, index) => to('Endpoint', `10.244.7.${String(index)}`, 'connected'));
    expect(clientTargets([{ node: 'node-a', connections: many }], client)).toHaveLength(50);
  });
});

describe('a status that was judged without the pod', () => {
  const status = statusWith(fine);
  const judged = (outcome: Connection['outcome']): ServiceTraceStatus =>
    withClient(status, desired, client, {
      connections: clientTargetsOf(status, client).map((target) => ({
        ...target,
        outcome: target.hop === 'ClusterIP' ? outcome : 'connected',
        milliseconds: 2,
      })),
      by: 'bash in container server',
    });

  it('says that pods were not tried, until one is', () => {
    expect(untriedOf(statusWith([], 'None'))).toEqual(['connections not tried: --connect']);
    expect(healthOf(statusWith([], 'None'))).toBe(
      'no finding of severity error among 0; connections not tried: --connect',
    );
    expect(untriedOf(status)).toEqual(['connections from pods not tried: --connect --from POD']);
    expect(untriedOf(judged('connected'))).toEqual([]);
    expect(
      untriedOf(
        withClient(status, desired, client, { connections: [], untried: 'its containers have none of node, bash' }),
      ),
    ).toEqual(['connections from pod client-a not tried: its containers have none of node, bash']);
  });

  it('stays as it is where they succeed, beside them', () => {
    const { client: shown, ...rest } = judged('connected');
    expect(rest).toEqual(status);
    expect(shown).toMatchObject({ pod: 'client-a', node: 'node-a', by: 'bash in container server' });
    expect(shown?.connections).toHaveLength(3);
  });

  it('has an error where the pod alone does not reach the ClusterIP, and is not healthy', () => {
    const failed = judged('timeout');
    expect(failed.findings?.map(({ id, where, node }) => [id, where, node])).toEqual([
      ['PROBE-FAIL-CLIENT', 'pod/client-a', 'node-a'],
    ]);
    expect(failed.summary).toMatchObject({ findings: 1, errors: 1 });
    expect(failed.conditions?.find(({ type }) => type === 'Healthy')).toMatchObject({
      status: 'False',
      reason: 'FindingsOfSeverityError',
      message: '1 finding of severity error: PROBE-FAIL-CLIENT',
    });
    // An error needs no word of what was not tried.
    expect(untriedOf(failed)).toEqual([]);
  });

  it('is judged as one that was built with them', () => {
    const connections = fine.map((each): Connection => ({
      ...each,
      outcome: each.hop === 'ClusterIP' ? 'timeout' : 'connected',
    }));
    const records = fine.map((each): NodeReportRecord => ({
      kind: 'connection',
      service: 'default/auth-service',
      ...each,
    }));
    const built = buildStatus({
      spec: { serviceRef: { name: 'auth-service' }, collect: { rules: false, connect: 'Transport' } },
      generation: 1,
      desired,
      answers: ['node-a', 'node-b'].map((node) => ({ node, collectedAt, report: { node, complete: true, records } })),
      cluster: {
        unread: [],
        client: {
          ...client,
          labels: {},
          hostNetwork: false,
          connected: { connections, by: 'bash in container server' },
        },
      },
      previous: undefined,
      now: collectedAt,
    });
    const merged = withClient(status, desired, client, { connections, by: 'bash in container server' });
    expect({ client: merged.client, findings: merged.findings, conditions: merged.conditions }).toEqual({
      client: built.client,
      findings: built.findings,
      conditions: built.conditions,
    });
  });
});
