/** Findings of kube-proxy. */
import { desiredService, nodeFacts } from '../facts.ts';
import type { FindingCase } from './finding-case.ts';


export const kubeProxyCases: readonly FindingCase[] = [
  { name: 'kube-proxy not healthy', facts: { desired: desiredService(), nodes: [nodeFacts('node-a', { kubeProxy: { healthy: false } })] }, ids: ['KP-UNHEALTHY'] },
  { name: 'kube-proxy that does not answer', facts: { desired: desiredService(), nodes: [nodeFacts('node-a', { kubeProxy: {} })] }, ids: [] },
];
