import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ipProtocolName, ipProtocolNumber, serviceProtocol } from '../../../core/net/ip-protocol.ts';

it('reads a name, its other names and a number as one protocol', () => {
  for (const word of ['ipv6-icmp', 'icmpv6', '58']) expect(ipProtocolNumber(word), word).toBe(58);
  expect(ipProtocolName(58)).toBe('ipv6-icmp');
  expect(ipProtocolNumber('254')).toBe(254);
  expect(ipProtocolName(254)).toBeUndefined();
  for (const word of ['256', '', 'TCP', 'nonsense', '-1', '6.0']) expect(ipProtocolNumber(word), word).toBeUndefined();
});

it('knows the protocols that a Service can have', () => {
  expect(['tcp', '17', 132, 'sctp', 'icmp', 'nonsense', 1].map(serviceProtocol)).toEqual([
    'TCP',
    'UDP',
    'SCTP',
    'SCTP',
    undefined,
    undefined,
    undefined,
  ]);
});

it.skipIf(!existsSync('/etc/protocols'))("names each number as this machine's /etc/protocols does", () => {
  const lines = [...readFileSync('/etc/protocols', 'utf8').matchAll(/^([a-z][\w.-]*)\s+(\d{1,3})\b/gm)]
    .map(([, name = '', number]) => [name, Number(number)] as const)
    .filter(([, number]) => number <= 255);
  expect(lines.length).toBeGreaterThan(0);
  for (const [name, number] of lines) expect([name, ipProtocolNumber(name)]).toEqual([name, number]);
});
