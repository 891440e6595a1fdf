import { describe, expect, it } from 'vitest';
import { limitedDetail, withoutClients } from '../../../core/status/conntrack-limit.ts';

it.each([
  ['Entries', 'Entries', 'Entries'],
  ['Entries', 'Summary', 'Summary'],
  ['Entries', 'None', 'None'],
  ['Summary', 'Entries', 'Summary'],
  ['Summary', 'None', 'None'],
  ['None', 'Entries', 'None'],
] as const)('%s under a bound of %s is %s', (asked, limit, shown) => {
  expect(limitedDetail(asked, limit)).toBe(shown);
});

describe('a report without clients', () => {
  it('has the counts, and no address of a client', () => {
    const otherPort = {
      family: 'IPv4',
      protocol: 'tcp',
      destination: '10.96.0.7',
      destinationPort: 8080,
      entries: 3,
    } as const;
    const conntrack = {
      kind: 'conntrack',
      service: 'default/auth-service',
      matched: 0,
      groups: [],
      lines: [],
    } as const;
    const report = {
      node: 'node-a',
      complete: true,
      records: [{ ...conntrack, groups: [], lines: [], otherPorts: [{ ...otherPort, sources: ['10.244.9.9'] }] }],
    };
    expect(withoutClients(report).records).toEqual([{ ...conntrack, otherPorts: [{ ...otherPort, sources: [] }] }]);
  });
});
