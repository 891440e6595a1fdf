import { describe, expect, it } from 'vitest';
import type { NodeReport, RecordOf } from '../../../../core/wire/node-report.ts';
import { currentRelease } from '../../../proxy/kube-proxy-releases.ts';
import { probe } from '../../../support/dumped-node.ts';
import { findingsOf, recordedNode, recordedService, requestOf } from '../../../support/recorded-proxy.ts';

const { version } = currentRelease;
const service = recordedService(version, 'ipv4-only');

/** A node on which Docker drops what comes from elsewhere to its own bridge, with this bridge. */
async function dockerNode(addresses: string[]): Promise<NodeReport> {
  const node = recordedNode(version, 'iptables');
  const filter = node.iptables.nf_tables?.IPv4?.get('filter');
  filter?.get('FORWARD')?.lines.unshift('-A FORWARD -j DOCKER');
  filter?.set('DOCKER', { lines: ['-A DOCKER ! -i docker0 -o docker0 -j DROP'] });
  const report = await probe(node, [requestOf(service)]);
  const interfaces: RecordOf<'interfaces'> = {
    kind: 'interfaces',
    interfaces: [{ name: 'docker0', addresses, bridge: true }],
    omitted: 0,
  };
  return { ...report, records: [...report.records, interfaces] };
}

/** The client's node is one, and the endpoints are on all: node-a has one itself. */
async function nodeWith(kind: 'iptables' | 'iptables-legacy', rules: readonly string[]): Promise<NodeReport> {
  const node = recordedNode(version, kind);
  const tables = (kind === 'iptables-legacy' ? node.iptables.legacy : node.iptables.nf_tables)?.IPv4;
  for (const rule of rules) {
    const [, name = '', chain = '', rest = ''] = /^(\S+) (\S+) (.*)$/.exec(rule) ?? [];
    if (tables?.has(name) === false) tables.set(name, new Map());
    const table = tables?.get(name);
    if (table?.has(chain) === false) table.set(chain, { policy: 'ACCEPT', lines: [] });
    table?.get(chain)?.lines.unshift(`-A ${chain} ${rest}`);
  }
  return probe(node, [requestOf(service)]);
}

const endpoints = service.endpointSlices.flatMap((slice) => slice.endpoints);
const here = endpoints.find(({ nodeName }) => nodeName === 'node-a')?.addresses[0] ?? '';
const [clusterIp = ''] = service.service.clusterIPs;

describe('third-party rules', () => {
  it.each([
    [
      'drops what comes from pods',
      ['filter FORWARD -s 10.244.0.0/16 -p tcp -m tcp --sport 8080 -j DROP'],
      'stops answers to packets',
    ],
    [
      "drops what comes from the node's own pod to others",
      [`filter FORWARD -s ${here}/32 -d 10.244.2.0/24 -p tcp -m tcp --sport 8080 -j DROP`],
      'stops answers to packets of pods of other nodes',
    ],
    [
      "drops what pods of other nodes send to the node's own pod",
      [`filter FORWARD -s 10.244.2.0/24 -d ${here}/32 -p tcp -m tcp --dport 8080 -j DROP`],
      'stops packets of pods of other nodes',
    ],
    [
      'puts packets into a zone, and not their answers',
      [`raw PREROUTING -d ${clusterIp}/32 -j CT --zone 7`],
      'keeps from conntrack, which would turn them back, answers to packets',
    ],
    [
      'puts answers into a zone, and not the packets',
      ['raw PREROUTING -s 10.244.0.0/16 -p tcp -m tcp --sport 8080 -j CT --zone 7'],
      'keeps from conntrack, which would turn them back, answers to packets',
    ],
    [
      'does not track answers',
      ['raw PREROUTING -s 10.244.0.0/16 -p tcp -m tcp --sport 8080 -j CT --notrack'],
      'keeps from conntrack, which would turn them back, answers to packets',
    ],
    [
      'does not track packets',
      [`raw PREROUTING -d ${clusterIp}/32 -j CT --notrack`],
      "keeps from kube-proxy's rules packets",
    ],
    [
      'clears the mark for masquerading',
      ['mangle POSTROUTING -j MARK --set-xmark 0x0/0xffffffff'],
      'keeps from being masqueraded packets',
    ],
    [
      'accepts packets before KUBE-POSTROUTING',
      ['nat POSTROUTING -d 10.244.0.0/16 -j ACCEPT'],
      'keeps from being masqueraded packets',
    ],
    [
      'returns packets before KUBE-POSTROUTING',
      ['nat POSTROUTING -p tcp -j RETURN'],
      'keeps from being masqueraded packets',
    ],
    [
      "drops the node's own answers",
      ['filter INPUT -p tcp -m tcp --sport 8080 -j DROP'],
      'stops answers to packets of the node itself',
    ],
    [
      'rejects what the node sends to pods',
      ['filter OUTPUT -d 10.244.0.0/16 -p tcp -j REJECT --reject-with icmp-port-unreachable'],
      'stops packets of the node itself',
    ],
  ] as const)('one %s', async (_name, rules, doing) => {
    for (const kind of ['iptables', 'iptables-legacy'] as const) {
      const found = findingsOf(service, [await nodeWith(kind, rules)]).filter(({ id }) => id.startsWith('RULE-'));
      expect(
        found.map(({ id, node, message }) => [id, node, message.includes(doing)]),
        found.map(({ message }) => message).join('; '),
      ).toEqual([['RULE-FOREIGN', 'node-a', true]]);
      expect(found[0]?.evidence).toEqual([rules[0].replace(/^(\S+) /, '$1: -A ')]);
    }
  });

  it.each([
    ['packets and answers in one zone', ['raw PREROUTING -j CT --zone 7', 'raw OUTPUT -j CT --zone 7']],
    ['FORWARD has no cluster IP to drop', [`filter FORWARD -s ${clusterIp}/32 -j DROP`]],
    ['packets to the only endpoints that need no other source', [`nat POSTROUTING -d ${here}/32 -j ACCEPT`]],
    ['a mark that nobody heeds', ['mangle POSTROUTING -j MARK --set-xmark 0x8/0x8']],
  ] as const)('%s: nothing is wrong', async (_name, rules) => {
    for (const kind of ['iptables', 'iptables-legacy'] as const)
      expect(findingsOf(service, [await nodeWith(kind, rules)]).filter(({ id }) => id.startsWith('RULE-'))).toEqual([]);
  });

  it('are not in the way of Services on a bridge of neither pods nor nodes', async () => {
    expect(findingsOf(service, [await dockerNode(['172.17.0.1'])]).filter(({ id }) => id.startsWith('RULE-'))).toEqual(
      [],
    );
  });

  it('may be in the way on the bridge of the pods, and the finding names the owner and what is not known', async () => {
    const found = findingsOf(service, [await dockerNode(['10.244.1.1'])]).filter(({ id }) => id.startsWith('RULE-'));
    expect(found).toMatchObject([{ id: 'RULE-FOREIGN-UNKNOWN', severity: 'info', node: 'node-a' }]);
    expect(found[0]?.message).toContain('filter: -A DOCKER ! -i docker0 -o docker0 -j DROP');
    expect(found[0]?.evidence).toContain('not known: whether it meets -A DOCKER ! -i docker0 -o docker0 -j DROP');
  });

  it('are reported as unread where there were too many on the packet path', async () => {
    const node = recordedNode(version, 'iptables');
    const filter = node.iptables.nf_tables?.IPv4?.get('filter');
    filter?.set('BLOCKLIST', {
      lines: Array.from({ length: 250 }, (_, index) => `-A BLOCKLIST -s 203.0.113.${String(index)}/32 -j DROP`),
    });
    const foreign = async (): Promise<unknown> =>
      findingsOf(service, [await probe(node, [requestOf(service)])]).filter(({ id }) => id.startsWith('RULE-'));
    expect(await foreign()).toEqual([]);
    filter?.get('FORWARD')?.lines.push('-A FORWARD -j BLOCKLIST');
    expect(await foreign()).toMatchObject([
      {
        id: 'RULE-FOREIGN-UNKNOWN',
        evidence: ['the last 50 rules of chain BLOCKLIST of table filter, which were not read'],
      },
    ]);
  });
});
