/** The decoder of iptables-nft's rules, on the kernel's own messages (test/fixtures/netlink/iptables.txt): what is altered is refused, or read as it stands there. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { iptablesNftChain } from '../../../../core/iptables/netlink/chain.ts';
import { iptablesNftRule } from '../../../../core/iptables/netlink/rule-line.ts';
import { parseIptablesRule } from '../../../../core/iptables/parse-rule.ts';
import type { Family } from '../../../../core/net/family.ts';
import {
  bigEndianBytes,
  isLittleEndian,
  joinBytes,
  nestedAttribute,
  netlinkAttribute,
  NetlinkAttributes,
  NetlinkError,
  parseNetlinkMessages,
} from '../../../../core/nftables/netlink/message.ts';
import { recordedIptablesRules } from '../../../support/recorded-iptables-rules.ts';

const recorded = recordedIptablesRules();

function lineOf(message: Uint8Array, family: Family): string {
  const [{ payload } = { payload: new Uint8Array() }] = parseNetlinkMessages(message);
  return iptablesNftRule(new NetlinkAttributes(payload.subarray(4)), family).line;
}

const number = (value: number | bigint, length = 4): Uint8Array => bigEndianBytes(BigInt(value), length);
const expression = (name: string, ...attributes: Uint8Array[]): Uint8Array =>
  nestedAttribute(1, joinBytes([netlinkAttribute(1, name), nestedAttribute(2, joinBytes(attributes))]));
const data = (type: number, bytes: readonly number[]): Uint8Array =>
  nestedAttribute(type, netlinkAttribute(1, Uint8Array.from(bytes)));

/** A rule of chain C of IPv4. */
function ruleOf(expressions: readonly Uint8Array[], ...more: Uint8Array[]): string {
  const attributes = joinBytes([
    netlinkAttribute(1, 'filter'),
    netlinkAttribute(2, 'C'),
    netlinkAttribute(3, number(7n, 8)),
    nestedAttribute(4, joinBytes(expressions)),
    ...more,
  ]);
  return iptablesNftRule(new NetlinkAttributes(attributes), 'IPv4').line;
}

const payload = (base: number, offset: number, length: number): Uint8Array =>
  expression('payload', ...[1, base, offset, length].map((value, index) => netlinkAttribute(index + 1, number(value))));
const meta = (key: number): Uint8Array =>
  expression('meta', netlinkAttribute(1, number(1)), netlinkAttribute(2, number(key)));
const cmp = (op: number, bytes: readonly number[]): Uint8Array =>
  expression('cmp', netlinkAttribute(1, number(1)), netlinkAttribute(2, number(op)), data(3, bytes));
const counter = expression('counter', netlinkAttribute(1, number(60n, 8)), netlinkAttribute(2, number(1n, 8)));
const verdict = (code: number, chain?: string): Uint8Array =>
  expression(
    'immediate',
    netlinkAttribute(1, number(0)),
    nestedAttribute(
      2,
      nestedAttribute(
        2,
        joinBytes([netlinkAttribute(1, number(code)), ...(chain === undefined ? [] : [netlinkAttribute(2, chain)])]),
      ),
    ),
  );
const tcp = [meta(16), cmp(0, [6])];

describe.skipIf(!isLittleEndian)('what the kernel answered', () => {
  it('is printed as the tool prints it', () => {
    expect(recorded.length).toBeGreaterThan(50);
    for (const { line, message, family } of recorded) expect(lineOf(message, family)).toBe(line);
  });

  it('is refused where it is damaged, or is a rule all the same', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...recorded),
        fc.array(fc.record({ at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) }), { minLength: 1, maxLength: 4 }),
        ({ message, family }, edits) => {
          const bytes = Buffer.from(message);
          for (const { at, value } of edits) bytes[20 + (at % (bytes.length - 20))] = value;
          try {
            expect(parseIptablesRule(lineOf(bytes, family))).toBeDefined();
          } catch (error) {
            if (!(error instanceof NetlinkError)) throw error;
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('is refused where it is cut off', () => {
    for (const { message, family } of recorded)
      for (let length = 20; length < message.length; length += 7) {
        const bytes = Buffer.from(message.subarray(0, length));
        bytes.writeUInt32LE(length, 0);
        expect(() => lineOf(bytes, family)).toThrow(NetlinkError);
      }
  });

  it('is refused where it has an attribute that is not known', () => {
    for (const { message, family } of recorded) {
      const [found] = parseNetlinkMessages(message);
      const more = joinBytes([found?.payload.subarray(4) ?? new Uint8Array(), netlinkAttribute(40, number(1))]);
      expect(() => iptablesNftRule(new NetlinkAttributes(more), family)).toThrow('the attribute 40 is not known');
    }
  });
});

describe('a rule that is made up', () => {
  it('has its words in the order of the tool, whatever the order of its expressions', () => {
    expect(
      ruleOf([
        ...tcp,
        payload(2, 2, 2),
        cmp(0, [0, 80]),
        payload(1, 12, 3),
        cmp(1, [10, 1, 2]),
        payload(2, 0, 2),
        cmp(0, [0, 7]),
        meta(6),
        cmp(0, [...Buffer.from('eth')]),
        counter,
        verdict(1),
      ]),
    ).toBe('[1:60] -A C ! -s 10.1.2.0/24 -i eth+ -p tcp -m tcp --sport 7 --dport 80 -j ACCEPT');
  });

  it('has the comment that nft keeps with it as its last match', () => {
    const comment = Buffer.from('\0\x09of nft 1\0');
    expect(ruleOf([counter, verdict(0)], netlinkAttribute(7, comment))).toBe(
      '[1:60] -A C -m comment --comment "of nft 1" -j DROP',
    );
  });

  it('jumps and goes', () => {
    expect(ruleOf([verdict(0xfffffffd, 'X')])).toBe('[0:0] -A C -j X');
    expect(ruleOf([verdict(0xfffffffc, 'X')])).toBe('[0:0] -A C -g X');
    expect(ruleOf([verdict(0xfffffffb)])).toBe('[0:0] -A C -j RETURN');
  });

  it.each([
    ['an expression that iptables does not have', [expression('fib', netlinkAttribute(1, number(1)))]],
    ['something behind its target', [verdict(1), counter]],
    ['a comparison of what was not loaded', [cmp(0, [6])]],
    ['two of one kind', [meta(16), cmp(0, [6]), cmp(0, [17])]],
    ['two counters', [counter, counter]],
    ['ports without a protocol', [payload(2, 0, 2), cmp(0, [0, 80])]],
    ['ports of all protocols but one', [meta(16), cmp(1, [6]), payload(2, 0, 2), cmp(0, [0, 80])]],
    ['ports of icmp', [meta(16), cmp(0, [1]), payload(2, 0, 2), cmp(0, [0, 80])]],
    ['a port twice', [...tcp, payload(2, 0, 2), cmp(3, [0, 80]), cmp(5, [0, 70])]],
    ['a protocol without a name', [meta(16), cmp(0, [200])]],
    ['an address by order', [payload(1, 12, 4), cmp(3, [10, 0, 0, 0])]],
    ['an address that is longer than what is compared', [payload(1, 12, 4), cmp(0, [10, 0])]],
    ['another field of the header', [payload(1, 8, 1), cmp(0, [64])]],
    ['a field of the link', [payload(0, 12, 4), cmp(0, [1, 2, 3, 4])]],
    ['another key of meta', [meta(4), cmp(0, [1, 0, 0, 0])]],
    ['the name of no interface', [meta(6), cmp(0, [...Buffer.from('INVAL/D\0')])]],
    ['a verdict that is not known', [verdict(0xffffffff)]],
    ['a verdict that needs a chain', [verdict(0xfffffffd)]],
    ['a verdict that has none', [verdict(1, 'X')]],
  ])('is refused with %s', (_, expressions) => {
    expect(() => ruleOf(expressions)).toThrow(NetlinkError);
  });
});

describe('a chain', () => {
  const chain = (name: string, ...more: Uint8Array[]): NetlinkAttributes =>
    new NetlinkAttributes(joinBytes([netlinkAttribute(3, name), netlinkAttribute(6, number(3)), ...more]));
  const hook = (number_: number, priority: number): Uint8Array =>
    nestedAttribute(4, joinBytes([netlinkAttribute(1, number(number_)), netlinkAttribute(2, number(priority >>> 0))]));
  const atHook = (type: string, policy = 1): Uint8Array[] => [
    netlinkAttribute(5, number(policy)),
    netlinkAttribute(7, type),
    netlinkAttribute(10, number(1)),
  ];

  it('has its uses, and a policy where it is one of the built-in ones', () => {
    expect(iptablesNftChain(chain('KUBE-SVC-A'), 'nat')).toEqual({ name: 'KUBE-SVC-A', uses: 3 });
    expect(iptablesNftChain(chain('PREROUTING', hook(0, -100), ...atHook('nat')), 'nat').policy).toBe('ACCEPT');
    expect(iptablesNftChain(chain('OUTPUT', hook(3, -150), ...atHook('route', 0)), 'mangle').policy).toBe('DROP');
  });

  it.each([
    ['of a table that does not have it', 'filter', chain('PREROUTING', hook(0, -100), ...atHook('filter'))],
    ['of another name', 'filter', chain('MINE', hook(1, 0), ...atHook('filter'))],
    ['of another priority', 'filter', chain('INPUT', hook(1, 1), ...atHook('filter'))],
    ['of another hook', 'filter', chain('INPUT', hook(2, 0), ...atHook('filter'))],
    ['of another type', 'mangle', chain('OUTPUT', hook(3, -150), ...atHook('filter'))],
    ['with flags', 'filter', chain('X', netlinkAttribute(10, number(4)))],
    ['without a count of its uses', 'filter', new NetlinkAttributes(netlinkAttribute(3, 'X'))],
  ])('is refused where it is one %s', (_, table, attributes) => {
    expect(() => iptablesNftChain(attributes, table)).toThrow(NetlinkError);
  });
});
