import { describe, expect, it } from 'vitest';
import {
  initialState,
  reduceLive,
  selectedNode,
  windowStart,
  type LiveAction,
  type LiveState,
} from '../../../../cmd/views/state/live-state.ts';
import { ratesOf, rateText } from '../../../../cmd/views/state/rates.ts';
import type { NodePortStatus, NodeStatus, ServiceTrace } from '../../../../core/api/service-trace.ts';
import { exampleTrace, nodeA, nodeB, nodeC, targets, withStatus } from '../../../support/example-trace.ts';

const shown = (trace = exampleTrace, at = 0): LiveAction => ({ type: 'event', event: { kind: 'trace', trace }, at });
/** As the API server gives it back when it was just created. */
const created: ServiceTrace = {
  apiVersion: exampleTrace.apiVersion,
  kind: exampleTrace.kind,
  metadata: exampleTrace.metadata,
  spec: exampleTrace.spec,
};
const run = (...actions: LiveAction[]): LiveState => actions.reduce(reduceLive, initialState({ kind: 'operator' }, 0));

it('says of a node that was asked for, or chosen, that it is not there', () => {
  const asked = reduceLive(initialState({ kind: 'operator' }, 0, { node: 'node-z' }), shown());
  expect(asked).toMatchObject({
    selectedNode: 'node-a',
    answer: 'node-z is not among the nodes of this trace; node-a is shown',
  });
  expect(reduceLive(initialState({ kind: 'operator' }, 0, { node: 'node-z' }), shown(created))).toMatchObject({
    selectedNode: 'node-z',
    answer: undefined,
  });
  expect(run(shown(), { type: 'selectNode', node: 'node-b' }, shown())).toMatchObject({
    selectedNode: 'node-b',
    answer: undefined,
  });
});

describe('connection', () => {
  it('begins with waiting, and a trace without a status changes nothing of it', () => {
    expect(run().connection.state).toBe('connecting');
    expect(run(shown({ ...exampleTrace, status: {} })).connection.state).toBe('live');
    expect(run(shown(created)).connection.state).toBe('connecting');
  });

  it('keeps the result while the connection is lost, and says when it is back', () => {
    const lost = run(shown(), { type: 'event', event: { kind: 'lost', reason: 'ECONNRESET' }, at: 5000 });
    expect(lost.connection).toEqual({ state: 'lost', reason: 'ECONNRESET', since: 5000 });
    expect(lost.trace).toBe(exampleTrace);
    const resumed = reduceLive(lost, { type: 'event', event: { kind: 'resumed' }, at: 6000 });
    expect(resumed.connection.state).toBe('live');
    expect(resumed.notice).toBe('connected again after 1 s; what happened in between is not known step by step');
    expect(resumed.timeline.map(({ kind, severity }) => [kind, severity])).toEqual([
      ['link', 'bad'],
      ['link', 'good'],
    ]);
    expect(reduceLive(resumed, shown()).notice).toBeUndefined();
  });

  it('a silent operator is silent until a status comes', () => {
    const silent: LiveAction = { type: 'event', event: { kind: 'silent', message: 'it does not run' }, at: 0 };
    expect(run(shown(created), silent, shown(created)).connection.state).toBe('silent');
    expect(run(shown(created), silent, shown()).connection.state).toBe('live');
  });
});

describe('selection', () => {
  it('stays on its node while others come and go, and stops at the ends', () => {
    const onB = run(shown(), { type: 'selectBy', nodes: 1 });
    expect(onB.selectedNode).toBe('node-b');
    const earlier: NodeStatus = { ...nodeA, name: 'node-0' };
    expect(reduceLive(onB, shown(withStatus({ nodes: [earlier, nodeA, nodeB, nodeC] }))).selectedNode).toBe('node-b');
    expect(reduceLive(onB, shown(withStatus({ nodes: [nodeA] }))).selectedNode).toBe('node-a');
    expect(reduceLive(onB, { type: 'selectBy', nodes: 9 }).selectedNode).toBe('node-c');
    expect(reduceLive(onB, { type: 'selectBy', nodes: -9 }).selectedNode).toBe('node-a');
    expect(selectedNode(reduceLive(onB, { type: 'selectLast' }))).toBe(nodeC);
  });

  it('is the first by name until all have answered, whoever was first, and then stays', () => {
    const collecting = (...nodes: NodeStatus[]): LiveAction =>
      shown(
        withStatus({
          nodes,
          conditions: [
            { type: 'Collected', status: 'Unknown', reason: 'Collecting', message: '', lastTransitionTime: '' },
          ],
        }),
      );
    expect(run(collecting(nodeB)).selectedNode).toBe('node-b');
    expect(run(collecting(nodeB), collecting(nodeA, nodeB)).selectedNode).toBe('node-a');
    expect(run(collecting(nodeB), collecting(nodeB), shown()).selectedNode).toBe('node-a');
    const chosen = run(collecting(nodeB), { type: 'moveCursor', by: 1, last: 9 });
    expect(reduceLive(chosen, shown()).selectedNode).toBe('node-b');
    const earlier: NodeStatus = { ...nodeA, name: 'node-0' };
    const all = run(shown());
    expect(
      reduceLive(all, shown({ ...exampleTrace, status: { ...exampleTrace.status, nodes: [earlier, nodeA] } }))
        .selectedNode,
    ).toBe('node-a');
  });

  it('another node or view begins at the top; findings stay where they are', () => {
    const scrolled = run(shown(), { type: 'scrollBy', lines: 9, last: 4 });
    expect(scrolled.scroll).toBe(4);
    expect(reduceLive(scrolled, { type: 'selectBy', nodes: 1 }).scroll).toBe(0);
    expect(reduceLive(scrolled, { type: 'turn', by: -1 })).toMatchObject({ view: 'logs', scroll: 0 });
    const inFindings = run(
      shown(),
      { type: 'show', view: 'findings' },
      { type: 'moveCursor', by: 3, last: 9 },
      { type: 'selectBy', nodes: 1 },
    );
    expect(inFindings.cursors).toEqual({ findings: 3 });
    const inRules = run(
      shown(),
      { type: 'show', view: 'rules' },
      { type: 'moveCursor', by: 3, last: 9 },
      { type: 'selectBy', nodes: 1 },
    );
    expect(inRules.cursors).toEqual({});
  });

  it('windows keep the selected row inside', () => {
    expect(
      [
        [0, 1000, 5],
        [500, 1000, 5],
        [999, 1000, 5],
        [1, 3, 5],
      ].map(([selected = 0, total = 0, size = 0]) => windowStart(selected, total, size)),
    ).toEqual([0, 498, 995, 0]);
  });
});

describe('rates', () => {
  const at = (node: NodeStatus, time: string, packets: (number | undefined)[], entry?: number): NodeStatus => {
    const [port] = node.ports;
    if (port === undefined) throw new Error('no frontend');
    const { family, frontend, address, portName = '', protocol, port: number, verdict } = port;
    const uncounted: NodePortStatus = {
      family,
      frontend,
      address,
      portName,
      protocol,
      port: number,
      verdict,
      dnatTargets: [],
    };
    return {
      ...node,
      probe: { ...node.probe, collectedAt: time },
      ports: [{ ...uncounted, ...(entry === undefined ? {} : { packets: entry }), dnatTargets: targets(packets, []) }],
    };
  };
  const ratesAfter = (...nodes: NodeStatus[]): (number | undefined)[] => {
    const state = run(...nodes.map((node) => shown(withStatus({ nodes: [node] }))));
    const rates = ratesOf(state.rates, 'node-a');
    const shownPort = selectedNode(state)?.ports[0];
    if (shownPort === undefined) throw new Error('no frontend');
    return [rates.frontend(shownPort), ...[0, 1, 2].map((index) => rates.target(shownPort, index))];
  };

  it('are packets a second between two collections', () => {
    expect(
      ratesAfter(at(nodeA, '2026-11-24T11:00:00Z', [0, 4, 7], 10), at(nodeA, '2026-11-24T11:00:02Z', [4, 4, 8], 15)),
    ).toEqual([2.5, 2, 0, 0.5]);
  });

  it('are not known after one collection, without a counter, or where a counter went back', () => {
    expect(ratesAfter(at(nodeA, '2026-11-24T11:00:00Z', [0, 4, 7], 10))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(ratesAfter(at(nodeA, '2026-11-24T11:00:00Z', [], undefined), at(nodeA, '2026-11-24T11:00:02Z', []))).toEqual(
      [undefined, undefined, undefined, undefined],
    );
    expect(
      ratesAfter(at(nodeA, '2026-11-24T11:00:00Z', [9, 4, 7], 10), at(nodeA, '2026-11-24T11:00:02Z', [1, 4, 7], 10)),
    ).toEqual([0, undefined, 0, 0]);
  });

  it('stay while a node is not collected again', () => {
    const later = at(nodeA, '2026-11-24T11:00:02Z', [4, 4, 8], 15);
    expect(ratesAfter(at(nodeA, '2026-11-24T11:00:00Z', [0, 4, 7], 10), later, later)).toEqual([2.5, 2, 0, 0.5]);
  });

  it('in words', () => {
    expect([undefined, 0, 0.25, 12.4].map(rateText)).toEqual(['-', '0/s', '0.3/s', '12/s']);
  });
});
