/** Findings of a node's rules. */
import { desiredService, endpoint, frontend, nodeFacts, nodeProgram, waitingKubeProxy } from '../facts.ts';
import type { FindingCase } from './finding-case.ts';

const right = ['10.244.1.2', '10.244.2.2'];
const withRules = (addresses: string[], extra = {}): ReturnType<typeof nodeFacts> =>
  nodeFacts('node-a', { program: nodeProgram([frontend(addresses, extra)]) });
/** A node that gives packets of clients outside its own address, or keeps theirs. */
const masquerading = (name: string, outside: boolean, addresses = right): ReturnType<typeof nodeFacts> =>
  nodeFacts(name, { program: nodeProgram([frontend(addresses, { masquerade: { outside: { value: outside }, node: { value: true } } })]) });

export const rulesCases: readonly FindingCase[] = [
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
  {
    name: 'the same 25 s after a change, with a minSyncPeriod of 20 s',
    facts: {
      desired: { ...desiredService(), lastChange: '2026-11-24T09:59:35Z' },
      nodes: [withRules([...right, '10.244.9.9'])],
      cluster: { kubeProxy: waitingKubeProxy('20s'), unread: [] },
    },
    // What the ConfigMap says is found for itself.
    ids: ['KP-SYNC-SLOW', 'KP-DETECTLOCAL-NONE'],
  },
  {
    name: 'a drop by policy Local',
    facts: { desired: desiredService(undefined, { internalTrafficPolicy: 'Local' }), nodes: [nodeFacts('node-c', { program: nodeProgram([frontend([], { verdict: 'DROP' })]) })] },
    ids: ['RULE-LOCAL-DROP'],
  },
  { name: 'a DNAT to another port', facts: { desired: desiredService(), nodes: [withRules(right, { dnatTargets: [{ address: '10.244.1.2', port: 9090 }, { address: '10.244.2.2', port: 8080 }] })] }, ids: ['RULE-DNAT-PORT'] },
  { name: 'shares that are not known', facts: { desired: desiredService(), nodes: [withRules(right, { dnatTargets: right.map((address) => ({ address, port: 8080 })) })] }, ids: [] },
  { name: 'uneven shares', facts: { desired: desiredService(), nodes: [withRules(right, { dnatTargets: right.map((address, index) => ({ address, port: 8080, probability: index === 0 ? 0.7 : 0.3 })) })] }, ids: ['RULE-PROB'] },
  { name: 'no rule for the frontend', facts: { desired: desiredService(), nodes: [withRules([])] }, ids: ['RULE-SVC-MISSING'] },
  { name: 'rules that were not read', facts: { desired: desiredService(), nodes: [withRules([], { verdict: 'Unknown' })] }, ids: [] },
  { name: 'a REJECT with live endpoints', facts: { desired: desiredService(), nodes: [withRules([], { verdict: 'REJECT' })] }, ids: ['RULE-REJECT-LIVE'] },

  { name: 'a node that alone keeps the source of clients outside', facts: { desired: desiredService(), nodes: [masquerading('a', true), masquerading('b', false), masquerading('c', true)] }, ids: ['NODE-OUTLIER'] },
  { name: 'the same of two nodes', facts: { desired: desiredService(), nodes: [masquerading('a', true), masquerading('b', false)] }, ids: [] },
  { name: 'the same while kube-proxy may be writing', facts: { desired: { ...desiredService(), lastChange: '2026-11-24T09:59:55Z' }, nodes: [masquerading('a', true), masquerading('b', false), masquerading('c', true)] }, ids: [] },
  { name: 'the same under the policy Local', facts: { desired: desiredService([endpoint('10.244.1.2')], { internalTrafficPolicy: 'Local' }), nodes: ['node-a', 'node-b', 'node-c'].map((name) => (name === 'node-a' ? masquerading(name, false, ['10.244.1.2']) : nodeFacts(name, { program: nodeProgram([frontend([], { verdict: 'DROP' })]) }))) }, ids: ['RULE-LOCAL-DROP'] },
  { name: 'a node that differs, of which another finding tells why', facts: { desired: desiredService(), nodes: [masquerading('a', true), masquerading('b', false, ['10.244.1.2']), masquerading('c', true)] }, ids: ['RULE-EP-MISSING'] },
];
