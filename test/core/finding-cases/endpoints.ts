/** Findings of EndpointSlices and pods. */
import { desiredService, endpoint, frontend, nodeFacts, nodeProgram } from '../facts.ts';
import type { FindingCase } from './finding-case.ts';

const withRules = (addresses: string[], extra = {}): ReturnType<typeof nodeFacts> =>
  nodeFacts('node-a', { program: nodeProgram([frontend(addresses, extra)]) });

export const endpointsCases: readonly FindingCase[] = [
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
];
