/** The metrics' text, and that alerts and dashboard ask for what there is. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import { operatorMetrics, type OperatorMetrics } from '../../operator/metrics.ts';
import type { OperatorState, WorkState } from '../../operator/operator-observer.ts';

const folder = fileURLToPath(new URL('../../config/monitoring/', import.meta.url));
const dashboardSchema = z.object({
  panels: z.array(z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })) })),
});
const alertsSchema = z.object({
  spec: z.object({ groups: z.array(z.object({ rules: z.array(z.object({ alert: z.string(), expr: z.string() })) })) }),
});
const expressions = [
  ...dashboardSchema
    .parse(JSON.parse(readFileSync(`${folder}dashboard.json`, 'utf8')))
    .panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [`panel ${title}`, expr] as const)),
  ...alertsSchema
    .parse(parse(readFileSync(`${folder}alerts.yaml`, 'utf8')))
    .spec.groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => [`alert ${alert}`, expr] as const)),
];

let state: OperatorState;
let metrics: OperatorMetrics;
const work: WorkState = {
  counts: {
    traces: [{ mode: 'Watch', state: 'Active', count: 3 }],
    conditions: [{ condition: 'Ready', status: 'False', count: 2 }],
    findings: [{ id: 'RULE-EP-STALE', severity: 'error', count: 4 }],
  },
  queue: { keys: 5, milliseconds: 1500 },
  behind: 1,
};

beforeAll(() => {
  metrics = operatorMetrics(() => state);
  state = { work, probes: { probes: 3, starting: 1, sessions: 2 } };
  metrics.observer.onReading(0.2, 'success');
  metrics.observer.onNoAnswer('ImagePullBackOff');
  metrics.observer.onCollection('Watch', 3, 'success');
  metrics.observer.onArrival({ minMilliseconds: 20, maxMilliseconds: 700 });
  metrics.observer.onTurn(0.02);
  metrics.onApiRequest({ verb: 'list', resource: 'nodes' }, '200');
});

/** Series by name, with the labels that any of them has. */
async function series(): Promise<Map<string, Set<string>>> {
  const found = new Map<string, Set<string>>();
  for (const line of (await metrics.text()).split('\n')) {
    const [, name, labels = ''] = /^(\w+)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
    if (name === undefined) continue;
    const names = found.get(name) ?? new Set();
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) names.add(label);
    found.set(name, names);
  }
  return found;
}

it('says what there is', async () => {
  const text = await metrics.text();
  for (const line of [
    'svctrace_leader 1',
    'svctrace_traces{mode="Watch",state="Active"} 3',
    'svctrace_trace_conditions{condition="Ready",status="False"} 2',
    'svctrace_findings{id="RULE-EP-STALE",severity="error"} 4',
    'svctrace_traces_behind 1',
    'svctrace_queue_depth 5',
    'svctrace_queue_oldest_seconds 1.5',
    'svctrace_probes{state="started"} 3',
    'svctrace_probes{state="starting"} 1',
    'svctrace_sessions 2',
    'svctrace_queue_wait_seconds_count 1',
    'svctrace_collection_duration_seconds_bucket{le="5",mode="Watch",result="success"} 1',
    'svctrace_collection_duration_seconds_bucket{le="2.5",mode="Watch",result="success"} 0',
    'svctrace_endpointslice_lag_seconds_bucket{le="0.025",bound="min"} 1',
    'svctrace_endpointslice_lag_seconds_bucket{le="0.5",bound="max"} 0',
    'svctrace_endpointslice_lag_seconds_bucket{le="1",bound="max"} 1',
    'svctrace_node_reading_duration_seconds_sum{result="success"} 0.2',
    'svctrace_node_answer_failures_total{reason="ImagePullBackOff"} 1',
    'svctrace_api_requests_total{verb="list",resource="nodes",code="200"} 1',
  ])
    expect(text.split('\n')).toContain(line);
  expect(text).toMatch(/^svctrace_build_info\{version="\S+"\} 1$/m);
  expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
});

it('shows no number of before where another operator works, and what is gone', async () => {
  state = { work: undefined, probes: { probes: 0, starting: 0, sessions: 0 } };
  const text = await metrics.text();
  state = { work, probes: { probes: 3, starting: 1, sessions: 2 } };
  expect(text).toContain('svctrace_leader 0\n');
  expect(text).toContain('svctrace_queue_depth 0\n');
  expect(text).not.toMatch(/^svctrace_(?:traces|trace_conditions|findings)\{/m);
});

it('counts what a kubelet may call a failure under a bounded number of names', async () => {
  for (let index = 0; index < 1000; index += 1) metrics.observer.onNoAnswer(`Reason${String(index)}`);
  const text = await metrics.text();
  expect(text).toContain('svctrace_node_answer_failures_total{reason="Other"} 1000');
  expect([...text.matchAll(/^svctrace_node_answer_failures_total\{/gm)]).toHaveLength(2);
});

describe.each(expressions)('%s', (_what, expression) => {
  it('asks for series and labels that there are', async () => {
    const known = await series();
    // Prometheus' own labels of each target.
    const ofTarget = ['job', 'pod', 'namespace', 'instance'];
    // Labels of `by (…)` alone, then the selectors.
    const selectors = [...expression.matchAll(/\b((?:svctrace|process|nodejs)_\w+)(?:\{([^}]*)\})?/g)];
    expect(selectors.length).toBeGreaterThan(0);
    const labels = new Set<string>();
    for (const [, name = '', matchers = ''] of selectors) {
      expect([...known.keys()], name).toContain(name);
      for (const label of known.get(name) ?? []) labels.add(label);
      for (const [, label = ''] of matchers.matchAll(/(\w+)\s*(?:=|!=|=~|!~)\s*"/g))
        expect([...(known.get(name) ?? []), ...ofTarget], `${name}{${label}}`).toContain(label);
    }
    for (const [, by = ''] of expression.matchAll(/\bby \(([^)]*)\)/g))
      for (const label of by.split(',')) expect([...labels, ...ofTarget], label).toContain(label.trim());
  });
});

it('are all in the dashboard, but for the parts of histograms', async () => {
  const shown = expressions.map(([, expression]) => expression).join('\n');
  const own = [...(await series()).keys()].filter(
    (name) => /^svctrace_/.test(name) && !/_(?:sum|count|bucket)$/.test(name),
  );
  expect(own.length).toBeGreaterThan(10);
  for (const name of own) expect(shown).toContain(name);
});
