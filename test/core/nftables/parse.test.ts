import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { printNftRule } from '../../../core/nftables/print.ts';
import type { NftRule } from '../../../core/nftables/rule.ts';
import { dnatTargetsOfStatement, jumpsOfStatement } from '../../../core/nftables/targets.ts';
import { parseNftMapElements } from '../../../core/nftables/map-elements.ts';
import { parseNftElementsText } from '../../support/parse-nft-elements.ts';
import { parseNftRules } from '../../../core/nftables/parse-json-rule.ts';

const textOf = (parsed: NftRule | undefined): string | undefined =>
  parsed === undefined ? undefined : printNftRule(parsed);

const rule = (...expr: unknown[]): unknown => ({
  rule: { family: 'ip', table: 'kube-proxy', chain: 'service-X', handle: 1, expr },
});

describe('parseNftRules', () => {
  it("reads kube-proxy 1.37's DNAT with its targets inline", () => {
    const [parsed] = parseNftRules([
      rule(
        { match: { op: '==', left: { meta: { key: 'l4proto' } }, right: 'tcp' } },
        {
          dnat: {
            family: 'ip',
            addr: {
              map: {
                key: { numgen: { mode: 'random', mod: 2, offset: 0 } },
                data: {
                  set: [
                    [0, { concat: ['10.244.1.3', 8080] }],
                    [1, { concat: ['10.244.2.2', 8080] }],
                  ],
                },
              },
            },
          },
        },
      ),
    ]);
    expect(textOf(parsed)).toBe(
      'meta l4proto tcp dnat ip to numgen random mod 2 map { 0 : 10.244.1.3 . 8080, 1 : 10.244.2.2 . 8080 }',
    );
    expect(parsed?.statements.flatMap(dnatTargetsOfStatement)).toEqual([
      { address: '10.244.1.3', port: 8080 },
      { address: '10.244.2.2', port: 8080 },
    ]);
  });

  it('reads the older form with a chain for each endpoint', () => {
    const [parsed] = parseNftRules([
      rule({
        vmap: {
          key: { numgen: { mode: 'random', mod: 3, offset: 0 } },
          data: {
            set: [
              [{ range: [0, 1] }, { goto: { target: 'endpoint-A' } }],
              [2, { goto: { target: 'endpoint-B' } }],
            ],
          },
        },
      }),
    ]);
    expect(parsed?.statements.flatMap(jumpsOfStatement)).toEqual(['endpoint-A', 'endpoint-B']);
    expect(textOf(parsed)).toBe('numgen random mod 3 vmap { 0-1 : goto endpoint-A, 2 : goto endpoint-B }');
  });

  it('keeps what it does not know, with its JSON', () => {
    const [parsed] = parseNftRules([
      rule({ throttle: { rate: 5 } }, { limit: { rate: 5, per: 'second', colour: 'red' } }, { accept: null }),
    ]);
    expect(parsed?.statements).toEqual([
      { kind: 'unrecognized', text: '{"throttle":{"rate":5}}', json: { throttle: { rate: 5 } } },
      {
        kind: 'unrecognized',
        text: '{"limit":{"rate":5,"per":"second","colour":"red"}}',
        json: { limit: { rate: 5, per: 'second', colour: 'red' } },
      },
      { kind: 'verdict', verdict: { kind: 'accept' } },
    ]);
  });

  it.each(Object.getOwnPropertyNames(Object.prototype))('takes %s for a word like any other', (word) => {
    expect(parseNftRules([rule(word)])[0]?.statements).toEqual([
      expect.objectContaining({ kind: 'unrecognized', text: word }),
    ]);
    expect(parseNftRules([rule({ [word]: { [word]: word } })])[0]?.statements).toEqual([
      expect.objectContaining({ kind: 'unrecognized' }),
    ]);
    expect(
      parseNftRules([rule({ match: { op: '==', left: { payload: { protocol: word, field: word } }, right: word } })])[0]
        ?.statements,
    ).toHaveLength(1);
  });

  it('never throws, whatever JSON it is given', () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue()),
        (objects) => void parseNftRules([...objects, ...objects.map((each) => rule(each))]),
      ),
    );
  });
});

describe('elements', () => {
  const text = (body: string): string =>
    `table ip kube-proxy {\n\tmap service-ips {\n\t\ttype ipv4_addr . inet_proto . inet_service : verdict\n\t\telements = { ${body} }\n\t}\n}\n`;

  it('of a map in text and in JSON are the same', () => {
    const expected = [
      {
        key: ['10.96.0.10', 'tcp', '53'],
        verdict: { kind: 'goto', chain: 'service-X-kube-system/kube-dns/tcp/dns-tcp' },
      },
    ];
    expect(
      parseNftMapElements(
        parseNftElementsText(text('10.96.0.10 . tcp . 53 : goto service-X-kube-system/kube-dns/tcp/dns-tcp')),
      ),
    ).toEqual(expected);
    expect(
      parseNftMapElements([
        [{ concat: ['10.96.0.10', 'tcp', 53] }, { goto: { target: 'service-X-kube-system/kube-dns/tcp/dns-tcp' } }],
      ]),
    ).toEqual(expected);
  });

  it('may have a comment, and IPv6 keys', () => {
    expect(
      parseNftMapElements(
        parseNftElementsText(
          text('fd00::1 . tcp . 80 comment "ns/svc:p, q" : goto reject-chain, 10.0.0.1 . udp . 53 : drop'),
        ),
      ),
    ).toEqual([
      { key: ['fd00::1', 'tcp', '80'], verdict: { kind: 'goto', chain: 'reject-chain' }, comment: 'ns/svc:p, q' },
      { key: ['10.0.0.1', 'udp', '53'], verdict: { kind: 'drop' } },
    ]);
  });

  it('have their protocol by name, also from an image without /etc/protocols', () => {
    expect(parseNftMapElements([[{ concat: ['10.96.0.10', 6, 80] }, { drop: null }]])[0]?.key).toEqual([
      '10.96.0.10',
      'tcp',
      '80',
    ]);
    expect(
      parseNftRules([rule({ match: { op: '==', left: { meta: { key: 'l4proto' } }, right: 17 } })]).map(textOf),
    ).toEqual(['meta l4proto udp']);
  });

  it('of a set are keys', () => {
    expect(parseNftElementsText(text('10.96.0.10'))).toEqual(['10.96.0.10']);
    expect(parseNftElementsText('')).toEqual([]);
  });
});
