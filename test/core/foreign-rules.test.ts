import { describe, expect, it } from 'vitest';
import type { NodeReport, RecordOf } from '../../core/node-report.ts';
import { currentRelease } from '../proxy/kube-proxy-releases.ts';
import { probe } from './dumped-node.ts';
import { findingsOf, recordedNode, recordedService, requestOf } from './recorded-proxy.ts';

const { version } = currentRelease;
const service = recordedService(version, 'ipv4-only');

/** A node on which Docker drops what comes from elsewhere to its own bridge, with this bridge. */
async function dockerNode(addresses: string[]): Promise<NodeReport> {
  const node = recordedNode(version, 'iptables');
  const filter = node.iptables.nf_tables?.IPv4?.get('filter');
  filter?.get('FORWARD')?.lines.unshift('-A FORWARD -j DOCKER');
  filter?.set('DOCKER', { lines: ['-A DOCKER ! -i docker0 -o docker0 -j DROP'] });
  const report = await probe(node, [requestOf(service)]);
  const interfaces: RecordOf<'interfaces'> = { kind: 'interfaces', interfaces: [{ name: 'docker0', addresses, bridge: true }], omitted: 0 };
  return { ...report, records: [...report.records, interfaces] };
}

describe('rules of other programs', () => {
  it('are not in the way of Services on a bridge of neither pods nor nodes', async () => {
    expect(findingsOf(service, [await dockerNode(['172.17.0.1'])]).filter(({ id }) => id.startsWith('RULE-'))).toEqual([]);
  });

  it('may be in the way on the bridge of the pods, and the finding names the owner and what is not known', async () => {
    const found = findingsOf(service, [await dockerNode(['10.244.1.1'])]).filter(({ id }) => id.startsWith('RULE-'));
    expect(found).toMatchObject([{ id: 'RULE-FOREIGN-UNKNOWN', severity: 'info', node: 'node-a' }]);
    expect(found[0]?.message).toContain('filter: -A DOCKER ! -i docker0 -o docker0 -j DROP');
    expect(found[0]?.evidence).toContain('not known: whether it meets -A DOCKER ! -i docker0 -o docker0 -j DROP');
  });

  it('are told to be unread where there were too many on the way', async () => {
    const node = recordedNode(version, 'iptables');
    const filter = node.iptables.nf_tables?.IPv4?.get('filter');
    filter?.set('BLOCKLIST', { lines: Array.from({ length: 250 }, (_, index) => `-A BLOCKLIST -s 203.0.113.${String(index)}/32 -j DROP`) });
    const foreign = async (): Promise<unknown> => findingsOf(service, [await probe(node, [requestOf(service)])]).filter(({ id }) => id.startsWith('RULE-'));
    expect(await foreign()).toEqual([]);
    filter?.get('FORWARD')?.lines.push('-A FORWARD -j BLOCKLIST');
    expect(await foreign()).toMatchObject([{ id: 'RULE-FOREIGN-UNKNOWN', evidence: ['the last 50 rules of chain BLOCKLIST of table filter, which were not read'] }]);
  });
});
