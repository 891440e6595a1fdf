import { describe, expect, it } from 'vitest';
import { catalogue } from '../../core/diagnose/catalogue.ts';
import { diagnose } from '../../core/diagnose/diagnose.ts';
import type { Facts } from '../../core/diagnose/finding.ts';
import { desiredService, endpoint, frontend, nodeFacts, nodeProgram } from './facts.ts';

const right = ['10.244.1.2', '10.244.2.2'];
const withRules = (addresses: string[], extra = {}): ReturnType<typeof nodeFacts> =>
  nodeFacts('node-a', { program: nodeProgram([frontend(addresses, extra)]) });
const dns = (answers: string[], error?: string): ReturnType<typeof nodeFacts> =>
  nodeFacts('node-a', {
    dns: { kind: 'dns', service: 'default/auth-service', name: 'auth-service.default.svc.cluster.local', server: '10.96.0.10', answers, ...(error === undefined ? {} : { error }) },
  });
const udp = { ports: [{ name: 'http', protocol: 'UDP' as const, port: 80 }] };
const udpGroup = (replySource: string): ReturnType<typeof nodeFacts> =>
  nodeFacts('node-a', {
    program: nodeProgram([frontend(right, { protocol: 'UDP' })]),
    conntrack: {
      kind: 'conntrack',
      service: 'default/auth-service',
      matched: 3,
      groups: [{ family: 'IPv4', protocol: 'udp', unreplied: false, destination: '10.96.0.7', destinationPort: 80, replySource, replySourcePort: 8080, entries: 3 }],
      lines: [],
    },
  });

/** What is so, and the ids that it must give: these, and no other. */
const cases: { readonly name: string; readonly facts: Facts; readonly ids: readonly string[] }[] = [
  { name: 'a healthy Service', facts: { desired: desiredService(), nodes: [nodeFacts('node-a'), nodeFacts('node-b')] }, ids: [] },
  { name: 'rules without one endpoint', facts: { desired: desiredService(), nodes: [nodeFacts('node-b'), withRules(['10.244.1.2'])] }, ids: ['RULE-EP-MISSING'] },
  { name: 'rules with an endpoint that is gone', facts: { desired: desiredService(), nodes: [withRules([...right, '10.244.9.9'])] }, ids: ['RULE-EP-STALE'] },
  {
    name: 'the same within 10 s of a change',
    facts: { desired: { ...desiredService(), lastChange: '2026-11-24T09:59:55Z' }, nodes: [withRules([...right, '10.244.9.9'])] },
    ids: [],
  },
  {
    name: 'the same 11 s after the change',
    facts: { desired: { ...desiredService(), lastChange: '2026-11-24T09:59:49Z' }, nodes: [withRules([...right, '10.244.9.9'])] },
    ids: ['RULE-EP-STALE'],
  },
  { name: 'no rule for the frontend', facts: { desired: desiredService(), nodes: [withRules([])] }, ids: ['RULE-SVC-MISSING'] },
  { name: 'rules that were not read', facts: { desired: desiredService(), nodes: [withRules([], { verdict: 'Unknown' })] }, ids: [] },
  { name: 'a REJECT with live endpoints', facts: { desired: desiredService(), nodes: [withRules([], { verdict: 'REJECT' })] }, ids: ['RULE-REJECT-LIVE'] },
  { name: 'no endpoint', facts: { desired: desiredService([]), nodes: [withRules([], { verdict: 'REJECT' })] }, ids: ['EPS-EMPTY'] },
  {
    name: 'no ready endpoint',
    facts: { desired: desiredService([endpoint('10.244.1.2', { ready: false, serving: false })]), nodes: [withRules([], { verdict: 'REJECT' })] },
    ids: ['EPS-ALL-NOTREADY'],
  },
  {
    name: 'only terminating endpoints',
    facts: { desired: desiredService([endpoint('10.244.1.2', { ready: false, terminating: true })]), nodes: [withRules(['10.244.1.2'])] },
    ids: ['EPS-TERMINATING-ONLY'],
  },
  {
    name: 'a headless Service',
    facts: { desired: desiredService(undefined, { clusterIPs: ['None'], notProxied: 'it is headless' }), nodes: [nodeFacts('node-a', { program: nodeProgram([]) })] },
    ids: ['SVC-NOT-PROXIED'],
  },
  { name: 'DNS with the right answer', facts: { desired: desiredService(), nodes: [dns(['10.96.0.7'])] }, ids: [] },
  { name: 'DNS with another answer', facts: { desired: desiredService(), nodes: [dns(['10.96.0.8'])] }, ids: ['DNS-WRONG-IP'] },
  { name: 'DNS that does not know the name', facts: { desired: desiredService(), nodes: [dns([], 'ENOTFOUND')] }, ids: ['DNS-NXDOMAIN'] },
  { name: 'DNS that does not answer', facts: { desired: desiredService(), nodes: [dns([], 'ETIMEOUT')] }, ids: ['DNS-DOWN'] },
  { name: 'kube-proxy not healthy', facts: { desired: desiredService(), nodes: [nodeFacts('node-a', { kubeProxy: { healthy: false } })] }, ids: ['KP-UNHEALTHY'] },
  { name: 'kube-proxy that does not answer', facts: { desired: desiredService(), nodes: [nodeFacts('node-a', { kubeProxy: {} })] }, ids: [] },
  { name: 'UDP entries to an endpoint', facts: { desired: desiredService(undefined, udp), nodes: [udpGroup('10.244.1.2')] }, ids: [] },
  { name: 'UDP entries to a dead address', facts: { desired: desiredService(undefined, udp), nodes: [udpGroup('10.244.9.9')] }, ids: ['CT-UDP-STALE'] },
  { name: 'a conntrack table at 80 %', facts: { desired: desiredService(), nodes: [nodeFacts('node-a', { conntrackTable: { kind: 'conntrackTable', count: 80, max: 100 } })] }, ids: [] },
  { name: 'a conntrack table above 80 %', facts: { desired: desiredService(), nodes: [nodeFacts('node-a', { conntrackTable: { kind: 'conntrackTable', count: 81, max: 100 } })] }, ids: ['CT-FULL'] },
  {
    name: 'a node that did not answer',
    facts: { desired: desiredService(), nodes: [{ node: 'node-z', answer: { node: 'node-z', state: 'Failed', reason: 'NodeNotReady', message: 'the node is not ready' } }] },
    ids: ['DATA-NODE-MISSING'],
  },
  {
    name: 'a node that is still asked',
    facts: { desired: desiredService(), nodes: [{ node: 'node-z', answer: { node: 'node-z', state: 'Waiting', reason: 'Starting', message: 'the probe starts' } }] },
    ids: [],
  },
  { name: 'something unread', facts: { desired: desiredService(), nodes: [nodeFacts('node-a', { unread: [{ what: 'conntrack entries', reason: 'not permitted' }] })] }, ids: ['DATA-UNREAD'] },
  { name: 'a rule that is not understood', facts: { desired: desiredService(), nodes: [nodeFacts('node-a', { program: nodeProgram([frontend(right)], { unrecognized: ['-m bpf'] }) })] }, ids: ['DATA-UNPARSED'] },
];

describe('diagnose', () => {
  it.each(cases)('$name gives $ids', ({ facts, ids }) => {
    expect(diagnose(facts).map(({ id }) => id)).toEqual(ids);
  });

  it('has a case for every kind of the catalogue', () => {
    const shown = new Set(cases.flatMap(({ ids }) => ids));
    expect(catalogue.map(({ id }) => id).filter((id) => !shown.has(id))).toEqual([]);
    expect(new Set(catalogue.map(({ id }) => id)).size).toBe(catalogue.length);
  });

  it('names the node, the endpoint and the evidence of a missing endpoint', () => {
    const [finding] = diagnose({ desired: desiredService(), nodes: [withRules(['10.244.1.2'])] });
    expect(finding).toMatchObject({ severity: 'error', node: 'node-a', where: 'node/node-a' });
    expect(finding?.message).toContain('10.244.2.2:8080 (pod auth-2 on node-b)');
    expect(finding?.evidence).toContain('the rules of node-a have: 10.244.1.2:8080');
  });
});
