import { describe, expect, it } from 'vitest';
import type { SliceChangeStatus } from '../../../core/api/service-trace.ts';
import { changeToExplain, explainChange } from '../../../core/explain/explain-change.ts';
import { followedTrace } from '../../support/example-trace.ts';

const status = followedTrace.status ?? {};
const [followed] = status.convergence?.changes ?? [];
if (followed === undefined) throw new Error('the example has no change');
const change: SliceChangeStatus = followed;
const sentences = (own: SliceChangeStatus, name: string): readonly string[] =>
  explainChange(own, status).parts.find((part) => part.name === name)?.sentences ?? [];

describe('explainChange', () => {
  it('says in plain words what changed, from the slice to conntrack', () => {
    const { title, parts } = explainChange(change, {
      ...status,
      convergence: {
        ...status.convergence,
        networkProgramming: { changes: 40, nodes: 2, p50Seconds: 0.5, p99Seconds: 1 },
      },
    });
    expect([title, ...parts.flatMap(({ name, sentences: own }) => [name, ...own])]).toEqual([
      'endpoint 10.244.9.9 (auth-9 on node-b) left the EndpointSlices, was ready',
      'EndpointSlice',
      'The API server had it between 11:00:00 UTC and 11:00:00.400 UTC, as resourceVersion 4711 of auth-service-8gk2d.',
      'The pod or Service that it is for changed at 11:00:00 UTC.',
      'Asked',
      'The rules of every node have to send no more to 10.244.9.9:8080.',
      'Nodes',
      '2 of 3 nodes have it, 1 not yet, p50 220 ms, p99 1.8 to 3.9 s, node-b last after 1.8 to 3.9 s.',
      'node-a had it after 220 ms.',
      'node-b had it after 1.8 to 3.9 s.',
      'node-c did not have it after 4.6 s.',
      'kube-proxy',
      'By its own measure, of 40 changes of all Services on 2 nodes since it started: half within 0.5 s, 99 % within 1 s.',
      'Rules',
      'node-a: 1 chain removed (IPv4 nat KUBE-SEP-3ZQK2HWZ5S6RXN2J), 1 chain rewritten (IPv4 nat KUBE-SVC-FCQA5OQTFYIPVXUO); 14 rules of the Service untouched; kube-proxy wrote a part of its rules.',
      'node-b: 1 element added, 2 elements removed; 5 rules of the Service untouched; together with 1 other change.',
      'conntrack',
      '2 entries to 10.244.9.9:8080 are left on node-b at 11:00:05 UTC; 7 at most.',
    ]);
  });

  it('says until when conntrack had entries, and that it had none', () => {
    const [kept] = change.conntrack ?? [];
    if (kept === undefined) throw new Error('nothing is kept');
    const gone = { ...kept, entries: 0, goneBy: '2026-11-24T11:00:09Z' };
    expect(sentences({ ...change, conntrack: [gone] }, 'conntrack')).toEqual([
      'Up to 7 entries to 10.244.9.9:8080 were left until 11:00:05 UTC; none at 11:00:09 UTC.',
    ]);
    expect(sentences({ ...change, conntrack: [] }, 'conntrack')).toEqual([
      'No entry to what went was seen after the change.',
    ]);
  });

  it('counts the changes of a minute', () => {
    const changes = [0, 60, 120, 180].map((seconds) => ({
      ...change,
      resourceVersion: String(100 + seconds),
      latest: new Date(Date.parse('2026-11-24T10:56:05Z') + seconds * 1000).toISOString(),
    }));
    const churn = explainChange(change, { ...status, convergence: { changes } }).parts.find(
      ({ name }) => name === 'Churn',
    );
    expect(churn?.sentences).toEqual(["4 changes of the Service's EndpointSlices in 4 min: 1.0 a minute."]);
  });

  it('explains the newest change that all nodes have', () => {
    const complete = { ...change, resourceVersion: '1', lag: { ...change.lag, arrived: 3, pending: 0 } };
    const nothing = { ...change, resourceVersion: '3', lag: { ...change.lag, nodes: 0, arrived: 0, pending: 0 } };
    expect(changeToExplain({ changes: [complete, change, nothing] })).toBe(complete);
    expect(changeToExplain({ changes: [change, nothing] })).toBe(change);
    expect(changeToExplain({ changes: [nothing] })).toBe(nothing);
    expect(changeToExplain({})).toBeUndefined();
  });
});
