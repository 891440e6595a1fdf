/** Findings of a node's rules. */
import { desiredService, frontend, nodeFacts, nodeProgram } from '../facts.ts';
import type { FindingCase } from './finding-case.ts';

const right = ['10.244.1.2', '10.244.2.2'];
const withRules = (addresses: string[], extra = {}): ReturnType<typeof nodeFacts> =>
  nodeFacts('node-a', { program: nodeProgram([frontend(addresses, extra)]) });

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
  { name: 'no rule for the frontend', facts: { desired: desiredService(), nodes: [withRules([])] }, ids: ['RULE-SVC-MISSING'] },
  { name: 'rules that were not read', facts: { desired: desiredService(), nodes: [withRules([], { verdict: 'Unknown' })] }, ids: [] },
  { name: 'a REJECT with live endpoints', facts: { desired: desiredService(), nodes: [withRules([], { verdict: 'REJECT' })] }, ids: ['RULE-REJECT-LIVE'] },
];
