/** Findings of DNS. */
import { desiredService, nodeFacts } from '../facts.ts';
import type { FindingCase } from './finding-case.ts';

const dns = (answers: string[], error?: string): ReturnType<typeof nodeFacts> =>
  nodeFacts('node-a', {
    dns: { kind: 'dns', service: 'default/auth-service', name: 'auth-service.default.svc.cluster.local', server: '10.96.0.10', answers, ...(error === undefined ? {} : { error }) },
  });

export const dnsCases: readonly FindingCase[] = [
  { name: 'DNS with the right answer', facts: { desired: desiredService(), nodes: [dns(['10.96.0.7'])] }, ids: [] },
  { name: 'DNS with another answer', facts: { desired: desiredService(), nodes: [dns(['10.96.0.8'])] }, ids: ['DNS-WRONG-IP'] },
  { name: 'DNS that does not know the name', facts: { desired: desiredService(), nodes: [dns([], 'ENOTFOUND')] }, ids: ['DNS-NXDOMAIN'] },
  { name: 'DNS that does not answer', facts: { desired: desiredService(), nodes: [dns([], 'ETIMEOUT')] }, ids: ['DNS-DOWN'] },
];
