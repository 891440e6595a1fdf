/** Findings of conntrack. */
import { desiredService, frontend, nodeFacts, nodeProgram } from '../facts.ts';
import type { FindingCase } from './finding-case.ts';

const right = ['10.244.1.2', '10.244.2.2'];
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

export const conntrackCases: readonly FindingCase[] = [
  { name: 'UDP entries to an endpoint', facts: { desired: desiredService(undefined, udp), nodes: [udpGroup('10.244.1.2')] }, ids: [] },
  { name: 'UDP entries to a dead address', facts: { desired: desiredService(undefined, udp), nodes: [udpGroup('10.244.9.9')] }, ids: ['CT-UDP-STALE'] },
  { name: 'a conntrack table at 80 %', facts: { desired: desiredService(), nodes: [nodeFacts('node-a', { conntrackTable: { kind: 'conntrackTable', count: 80, max: 100 } })] }, ids: [] },
  { name: 'a conntrack table above 80 %', facts: { desired: desiredService(), nodes: [nodeFacts('node-a', { conntrackTable: { kind: 'conntrackTable', count: 81, max: 100 } })] }, ids: ['CT-FULL'] },
];
