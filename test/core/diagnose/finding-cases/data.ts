/** Findings of what was collected. */
import { desiredService, frontend, nodeFacts, nodeProgram } from '../../../support/node-facts.ts';
import type { FindingCase } from './finding-case.ts';

const right = ['10.244.1.2', '10.244.2.2'];

export const dataCases: readonly FindingCase[] = [
  {
    name: 'a node that did not answer',
    facts: {
      desired: desiredService(),
      nodes: [
        {
          node: 'node-z',
          answer: { node: 'node-z', state: 'Failed', reason: 'NodeNotReady', message: 'the node is not ready' },
        },
      ],
    },
    ids: ['DATA-NODE-MISSING'],
  },
  {
    name: 'a node that is still asked',
    facts: {
      desired: desiredService(),
      nodes: [
        {
          node: 'node-z',
          answer: { node: 'node-z', state: 'Waiting', reason: 'Starting', message: 'the probe starts' },
        },
      ],
    },
    ids: [],
  },
  {
    name: 'something unread',
    facts: {
      desired: desiredService(),
      nodes: [nodeFacts('node-a', { unread: [{ what: 'conntrack entries', reason: 'not permitted' }] })],
    },
    ids: ['DATA-UNREAD'],
  },
  {
    name: 'a rule that is not understood',
    facts: {
      desired: desiredService(),
      nodes: [nodeFacts('node-a', { program: nodeProgram([frontend(right)], { unrecognized: ['-m bpf'] }) })],
    },
    ids: ['DATA-UNPARSED'],
  },
  {
    name: 'more of conntrack than the operator lets traces show',
    facts: {
      desired: desiredService(),
      nodes: [],
      cluster: { conntrackLimit: { asked: 'Entries', shown: 'Summary' }, unread: [] },
    },
    ids: ['DATA-LIMITED'],
  },
  {
    name: 'EndpointSlices that changed meanwhile',
    facts: {
      desired: { ...desiredService(), changedWhileCollecting: ['auth-service-1'] },
      nodes: [nodeFacts('node-a', { program: nodeProgram([frontend([])]) })],
    },
    ids: ['DATA-TORN'],
  },
  {
    name: 'a status that was cut',
    facts: { desired: desiredService(), nodes: [nodeFacts()], truncated: ['rules of all programs'] },
    ids: ['DATA-TRUNCATED'],
  },
  {
    name: 'a status that was not cut',
    facts: { desired: desiredService(), nodes: [nodeFacts()], truncated: [] },
    ids: [],
  },
];
