/** Findings of a node's rules. */
import {
  desiredService,
  endpoint,
  frontend,
  nodeFacts,
  nodeProgram,
  waitingKubeProxy,
} from '../../../support/node-facts.ts';
import type { FindingCase } from './finding-case.ts';

const right = ['10.244.1.2', '10.244.2.2'];
const withRules = (addresses: string[], extra = {}): ReturnType<typeof nodeFacts> =>
  nodeFacts('node-a', { program: nodeProgram([frontend(addresses, extra)]) });
/** A node that gives packets of clients outside its own address, or keeps theirs. */
const masquerading = (name: string, outside: boolean, addresses = right): ReturnType<typeof nodeFacts> =>
  nodeFacts(name, {
    program: nodeProgram([frontend(addresses, { masquerade: { outside: { value: outside }, node: { value: true } } })]),
  });

const local = desiredService(undefined, { internalTrafficPolicy: 'Local' });
/** node-c, which has no endpoint. */
const dropping = (
  extra: Parameters<typeof frontend>[1],
  read: Parameters<typeof nodeFacts>[1] = {},
): ReturnType<typeof nodeFacts> =>
  nodeFacts('node-c', { program: nodeProgram([frontend([], { verdict: 'DROP', ...extra })]), ...read });

export const rulesCases: readonly FindingCase[] = [
  {
    name: 'a healthy Service',
    facts: { desired: desiredService(), nodes: [nodeFacts('node-a'), nodeFacts('node-b')] },
    ids: [],
  },
  {
    name: 'rules without one endpoint',
    facts: { desired: desiredService(), nodes: [nodeFacts('node-b'), withRules(['10.244.1.2'])] },
    ids: ['RULE-EP-MISSING'],
  },
  {
    name: 'rules with an endpoint that is gone',
    facts: { desired: desiredService(), nodes: [withRules([...right, '10.244.9.9'])] },
    ids: ['RULE-EP-STALE'],
  },
  {
    name: 'the same within 10 s of a change',
    facts: {
      desired: { ...desiredService(), lastChange: '2026-11-24T09:59:55Z' },
      nodes: [withRules([...right, '10.244.9.9'])],
    },
    ids: [],
  },
  {
    name: 'the same 11 s after the change',
    facts: {
      desired: { ...desiredService(), lastChange: '2026-11-24T09:59:49Z' },
      nodes: [withRules([...right, '10.244.9.9'])],
    },
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
    facts: {
      desired: desiredService(undefined, { internalTrafficPolicy: 'Local' }),
      nodes: [nodeFacts('node-c', { program: nodeProgram([frontend([], { verdict: 'DROP' })]) })],
    },
    ids: ['RULE-LOCAL-DROP'],
    severities: ['warning'],
  },
  {
    name: 'a drop by policy Local that counted packets',
    facts: { desired: local, nodes: [dropping({ counters: { packets: 12, bytes: 720 } })] },
    ids: ['RULE-LOCAL-DROP'],
    severities: ['error'],
  },
  {
    name: 'a drop by policy Local that counted none',
    facts: { desired: local, nodes: [dropping({ counters: { packets: 0, bytes: 0 } })] },
    ids: ['RULE-LOCAL-DROP'],
    severities: ['warning'],
  },
  {
    name: 'a drop by policy Local on a node with connections of before',
    facts: {
      desired: local,
      nodes: [
        dropping(
          {},
          {
            conntrack: {
              kind: 'conntrack',
              service: 'default/auth-service',
              matched: 2,
              groups: [
                {
                  family: 'IPv4',
                  protocol: 'tcp',
                  state: 'ESTABLISHED',
                  unreplied: false,
                  destination: '10.96.0.7',
                  destinationPort: 80,
                  replySource: '10.244.1.2',
                  replySourcePort: 8080,
                  entries: 2,
                },
              ],
              lines: [],
            },
          },
        ),
      ],
    },
    ids: ['RULE-LOCAL-DROP'],
    severities: ['error'],
  },
  {
    name: 'a drop by policy Local on the node of the client',
    facts: { desired: local, nodes: [dropping({})], from: { node: 'node-c', addresses: ['172.30.0.13'] } },
    ids: ['RULE-LOCAL-DROP'],
    severities: ['error'],
  },
  {
    name: 'a drop by policy Local on another node than the client',
    facts: { desired: local, nodes: [dropping({})], from: { node: 'node-a', addresses: ['172.30.0.11'] } },
    ids: ['RULE-LOCAL-DROP'],
    severities: ['warning'],
  },
  {
    name: 'a drop by an external policy Local that counted packets',
    facts: {
      desired: desiredService(undefined, {
        type: 'NodePort',
        externalTrafficPolicy: 'Local',
        ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 }],
      }),
      nodes: [
        nodeFacts('node-c', {
          program: nodeProgram([
            frontend(right),
            frontend([], {
              frontend: 'NodePort',
              address: '',
              port: 30080,
              verdict: 'DROP',
              counters: { packets: 3, bytes: 180 },
            }),
          ]),
        }),
      ],
    },
    ids: ['RULE-LOCAL-DROP'],
    severities: ['info'],
  },
  {
    name: 'a DNAT to another port',
    facts: {
      desired: desiredService(),
      nodes: [
        withRules(right, {
          dnatTargets: [
            { address: '10.244.1.2', port: 9090 },
            { address: '10.244.2.2', port: 8080 },
          ],
        }),
      ],
    },
    ids: ['RULE-DNAT-PORT'],
  },
  {
    name: 'shares that are not known',
    facts: {
      desired: desiredService(),
      nodes: [withRules(right, { dnatTargets: right.map((address) => ({ address, port: 8080 })) })],
    },
    ids: [],
  },
  {
    name: 'uneven shares',
    facts: {
      desired: desiredService(),
      nodes: [
        withRules(right, {
          dnatTargets: right.map((address, index) => ({ address, port: 8080, probability: index === 0 ? 0.7 : 0.3 })),
        }),
      ],
    },
    ids: ['RULE-PROB'],
  },
  {
    name: 'no rule for the frontend',
    facts: { desired: desiredService(), nodes: [withRules([])] },
    ids: ['RULE-SVC-MISSING'],
  },
  {
    name: 'rules that were not read',
    facts: { desired: desiredService(), nodes: [withRules([], { verdict: 'Unknown' })] },
    ids: [],
  },
  {
    name: 'a REJECT with live endpoints',
    facts: { desired: desiredService(), nodes: [withRules([], { verdict: 'REJECT' })] },
    ids: ['RULE-REJECT-LIVE'],
  },

  {
    name: 'a node that alone keeps the source of clients outside',
    facts: {
      desired: desiredService(),
      nodes: [masquerading('a', true), masquerading('b', false), masquerading('c', true)],
    },
    ids: ['NODE-OUTLIER'],
  },
  {
    name: 'the same of two nodes',
    facts: { desired: desiredService(), nodes: [masquerading('a', true), masquerading('b', false)] },
    ids: [],
  },
  {
    name: 'the same while kube-proxy may be writing',
    facts: {
      desired: { ...desiredService(), lastChange: '2026-11-24T09:59:55Z' },
      nodes: [masquerading('a', true), masquerading('b', false), masquerading('c', true)],
    },
    ids: [],
  },
  {
    name: 'the same under the policy Local',
    facts: {
      desired: desiredService([endpoint('10.244.1.2')], { internalTrafficPolicy: 'Local' }),
      nodes: ['node-a', 'node-b', 'node-c'].map((name) =>
        name === 'node-a'
          ? masquerading(name, false, ['10.244.1.2'])
          : nodeFacts(name, { program: nodeProgram([frontend([], { verdict: 'DROP' })]) }),
      ),
    },
    ids: ['RULE-LOCAL-DROP'],
  },
  {
    name: 'a node that differs, of which another finding tells why',
    facts: {
      desired: desiredService(),
      nodes: [masquerading('a', true), masquerading('b', false, ['10.244.1.2']), masquerading('c', true)],
    },
    ids: ['RULE-EP-MISSING'],
  },
];
