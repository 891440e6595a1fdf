/** Findings of the Service itself. */
import { desiredService, nodeFacts, nodeProgram } from '../facts.ts';
import type { FindingCase } from './finding-case.ts';


export const serviceCases: readonly FindingCase[] = [
  {
    name: 'a headless Service',
    facts: { desired: desiredService(undefined, { clusterIPs: ['None'], notProxied: 'it is headless' }), nodes: [nodeFacts('node-a', { program: nodeProgram([]) })] },
    ids: ['SVC-NOT-PROXIED'],
  },
];
