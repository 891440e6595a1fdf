/** The decoder of nf_tables' messages, on the kernel's own messages (test/fixtures/netlink): what is altered is refused, not guessed. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  isLittleEndian,
  joinBytes,
  nestedAttribute,
  netlinkAttribute,
  NetlinkAttributes,
  NetlinkError,
  netlinkMessage,
  parseNetlinkMessages,
} from '../../../../core/nftables/netlink/message.ts';
import {
  askingMessageTypes,
  nftQuestionMessage,
  type NftQuestion,
} from '../../../../core/nftables/netlink/question.ts';
import {
  commentOf,
  netlinkElementsJson,
  parseNetlinkSet,
  type NetlinkSet,
} from '../../../../core/nftables/netlink/set.ts';
import { netlinkRuleJson, type NetlinkRuleContext } from '../../../../core/nftables/netlink/rule.ts';
import {
  intervalJson,
  keyBytes,
  valueJson,
  valueTypesOf,
  type NftValueType,
} from '../../../../core/nftables/netlink/value.ts';
import { recordedAnswers, messagesOf } from '../../../support/recorded-kernel.ts';

/** Attributes as they stand in a message, with the two flags in their type. */
interface RawAttribute {
  readonly type: number;
  readonly value: Uint8Array;
}

function rawAttributes(bytes: Uint8Array): RawAttribute[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: RawAttribute[] = [];
  for (let at = 0; at < bytes.length; at += (view.getUint16(at, isLittleEndian) + 3) & ~3) {
    found.push({
      type: view.getUint16(at + 2, isLittleEndian),
      value: bytes.subarray(at + 4, at + view.getUint16(at, isLittleEndian)),
    });
  }
  return found;
}

const written = (attributes: readonly RawAttribute[]): Uint8Array =>
  joinBytes(attributes.map(({ type, value }) => netlinkAttribute(type, value)));
const typeOf = ({ type }: RawAttribute): number => type & 0x3fff;
/** The same attributes, with another value of one of them. */
const withValue = (attributes: readonly RawAttribute[], index: number, value: Uint8Array): RawAttribute[] =>
  attributes.map((each, at) => (at === index ? { ...each, value } : each));

const nfTables = 10 << 8;
const recordedMessages = (kind: number): Uint8Array[] =>
  [...recordedAnswers().values()]
    .flat()
    .flatMap(messagesOf)
    .flatMap((message) => parseNetlinkMessages(message))
    .filter(({ type, payload }) => type === (nfTables | kind) && payload[0] === 2)
    .map(({ payload }) => payload.subarray(4));

const context: NetlinkRuleContext & { sets: Map<string, NetlinkSet>; elements: Map<string, readonly unknown[]> } = {
  family: 'IPv4',
  table: 'kube-proxy',
  sets: new Map(),
  elements: new Map(),
};
const decoded = (bytes: Uint8Array): string => JSON.stringify(netlinkRuleJson(new NetlinkAttributes(bytes), context));

/** The JSON, or undefined where it is refused; any other error is one. */
function decodedOrRefused(bytes: Uint8Array): string | undefined {
  try {
    return decoded(bytes);
  } catch (error) {
    if (error instanceof NetlinkError) return undefined;
    throw error;
  }
}

interface Expression {
  readonly name: string;
  /** The whole rule, with other attributes in the place of what the expression says. */
  readonly rule: (name: string, data: readonly RawAttribute[]) => Uint8Array;
  readonly data: readonly RawAttribute[];
}

function expressionsOf(rule: Uint8Array): Expression[] {
  const attributes = rawAttributes(rule);
  const listAt = attributes.findIndex((each) => typeOf(each) === 4);
  const list = rawAttributes(attributes[listAt]?.value ?? new Uint8Array());
  return list.map(({ value }, index) => {
    const parts = rawAttributes(value);
    const [name = { type: 1, value: new Uint8Array() }, data = { type: 2, value: new Uint8Array() }] = parts;
    return {
      name: new TextDecoder().decode(name.value.subarray(0, -1)),
      data: rawAttributes(data.value),
      rule: (newName, newData) =>
        written(
          withValue(
            attributes,
            listAt,
            written(
              withValue(
                list,
                index,
                joinBytes([netlinkAttribute(1, newName), netlinkAttribute(data.type, written(newData))]),
              ),
            ),
          ),
        ),
    };
  });
}

describe.runIf(isLittleEndian)('rules as the kernel told them', () => {
  const rules = recordedMessages(6);
  const expressions = rules.flatMap(expressionsOf);

  beforeAll(() => {
    for (const set of recordedMessages(9).map((bytes) => parseNetlinkSet(new NetlinkAttributes(bytes))))
      context.sets.set(set.name, set);
    for (const bytes of recordedMessages(12)) {
      const attributes = new NetlinkAttributes(bytes);
      const set = context.sets.get(attributes.string(2) ?? '');
      if (set?.isAnonymous === true)
        context.elements.set(set.name, [
          ...(context.elements.get(set.name) ?? []),
          ...netlinkElementsJson(set, [attributes]),
        ]);
    }
  });

  it('are read, every expression of kube-proxy among them', () => {
    expect(rules.length).toBeGreaterThan(100);
    for (const rule of rules) expect(decoded(rule)).toContain('"expr":[{');
    expect([...new Set(expressions.map(({ name }) => name))].sort()).toEqual([
      'bitwise',
      'cmp',
      'ct',
      'dynset',
      'fib',
      'immediate',
      'lookup',
      'masq',
      'meta',
      'nat',
      'numgen',
      'payload',
      'reject',
    ]);
  });

  it('are written by this test as the kernel wrote them', () => {
    for (const { name, rule, data } of expressions) expect(decodedOrRefused(rule(name, data))).toBeDefined();
  });

  it.each(['quota', 'constructor', 'toString', '', 'Lookup', 'counter2'])(
    'are refused where an expression has the name %o',
    (name) => {
      for (const { rule, data } of expressions) expect(() => decoded(rule(name, data))).toThrow(NetlinkError);
    },
  );

  it('are refused where an expression says something more', () => {
    for (const { name, rule, data } of expressions)
      expect(() => decoded(rule(name, [...data, { type: 60, value: new Uint8Array(4) }]))).toThrow(
        new NetlinkError('the attribute 60 is not known'),
      );
  });

  it('are refused, or the same, where an expression says less', () => {
    // Of these the kernel leaves out what there is not: flags of a translation, its port, and what it has twice.
    const optional = new Map([
      ['nat', [4, 5, 6, 7]],
      ['masq', [1]],
    ]);
    for (const { name, rule, data } of expressions) {
      const whole = decoded(rule(name, data));
      data.forEach((attribute, index) => {
        if (optional.get(name)?.includes(typeOf(attribute)) === true) return;
        const less = decodedOrRefused(rule(name, data.toSpliced(index, 1)));
        if (less !== undefined) expect([name, typeOf(attribute), less]).toEqual([name, typeOf(attribute), whole]);
      });
    }
  });

  it('are refused, or the same, where an expression says something twice', () => {
    for (const { name, rule, data } of expressions) {
      const whole = decoded(rule(name, data));
      for (const attribute of data) {
        const twice = decodedOrRefused(rule(name, [...data, attribute]));
        if (twice !== undefined) expect(twice).toBe(whole);
      }
    }
  });

  it('are refused where a value is cut off, or longer', () => {
    for (const { name, rule, data } of expressions) {
      data.forEach((attribute, index) => {
        for (const value of [attribute.value.subarray(0, -1), joinBytes([attribute.value, new Uint8Array([1])])]) {
          const other = decodedOrRefused(rule(name, withValue(data, index, value)));
          if (other !== undefined) expect([name, other]).toEqual([name, decoded(rule(name, data))]);
        }
      });
    }
  });

  it('are refused where they end before their end', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...rules),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        (rule, where) => {
          const message = netlinkMessage(nfTables | 6, 0, 1, rule);
          expect(() => parseNetlinkMessages(message.subarray(0, 1 + Math.floor(where * (message.length - 1))))).toThrow(
            NetlinkError,
          );
          // Within the attributes, the end of one may be the end of all: the rule then lacks what it must have, or its comment.
          const cut = decodedOrRefused(rule.subarray(0, Math.floor(where * rule.length)));
          if (cut !== undefined) expect(decoded(rule)).toContain(cut.slice(cut.indexOf('"expr":')));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('end in JSON or in one error, whatever their bytes are', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...rules),
        fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), fc.nat({ max: 255 })), {
          minLength: 1,
          maxLength: 8,
        }),
        (rule, edits) => {
          const bytes = Uint8Array.from(rule);
          for (const [where, byte] of edits) bytes[Math.floor(where * bytes.length)] = byte;
          const json = decodedOrRefused(bytes);
          if (json !== undefined) expect(JSON.parse(json)).toHaveProperty('rule.expr');
        },
      ),
      { numRuns: 5000 },
    );
  });

  it.each([
    ['bytes at random', fc.uint8Array({ maxLength: 300 })],
    [
      'attributes at random',
      fc
        .array(fc.record({ type: fc.nat({ max: 20 }), value: fc.uint8Array({ maxLength: 40 }) }), { maxLength: 8 })
        .map(written),
    ],
  ] as const)('are not found in %s', (_, anything) => {
    fc.assert(
      fc.property(anything, (bytes) => {
        for (const read of [
          () => parseNetlinkMessages(bytes),
          () => decoded(bytes),
          () => parseNetlinkSet(new NetlinkAttributes(bytes)),
          () => commentOf(bytes),
          ...[...context.sets.values()]
            .slice(0, 12)
            .map(
              (set) => () =>
                netlinkElementsJson(set, [new NetlinkAttributes(nestedAttribute(3, nestedAttribute(1, bytes)))]),
            ),
        ]) {
          try {
            read();
          } catch (error) {
            if (!(error instanceof NetlinkError)) throw error;
          }
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('registers', () => {
  const number = (type: number, value: number): Uint8Array =>
    netlinkAttribute(type, new Uint8Array([value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255]));
  const expression = (name: string, ...data: readonly Uint8Array[]): Uint8Array =>
    nestedAttribute(1, joinBytes([netlinkAttribute(1, name), nestedAttribute(2, joinBytes(data))]));
  const ruleOf = (...parts: readonly Uint8Array[]): NetlinkAttributes =>
    new NetlinkAttributes(joinBytes([netlinkAttribute(2, 'c'), nestedAttribute(4, joinBytes(parts))]));
  const statements = (...parts: readonly Uint8Array[]): unknown =>
    netlinkRuleJson(ruleOf(...parts), {
      family: 'IPv6',
      table: 't',
      sets: new Map([['s', { name: 's', isAnonymous: false, hasIntervals: false, key: ['ipv6_addr'] }]]),
      elements: new Map(),
    });
  const loadAddress = expression('payload', number(1, 1), number(2, 1), number(3, 8), number(4, 16));
  const loadPort = (register: number): Uint8Array =>
    expression('payload', number(1, register), number(2, 2), number(3, 2), number(4, 2));
  const lookUp = expression('lookup', netlinkAttribute(1, 's'), number(2, 1), number(5, 0));

  it('hold what was loaded', () => {
    expect(statements(loadAddress, loadPort(12), lookUp)).toMatchObject({
      rule: { expr: [{ match: { op: '==', left: { payload: { protocol: 'ip6', field: 'saddr' } }, right: '@s' } }] },
    });
  });

  it.each([8, 9, 10, 11, 1])('hold nothing whole where register %i was loaded over it', (register) => {
    expect(() => statements(loadAddress, loadPort(register), lookUp)).toThrow(NetlinkError);
  });

  it.each([0, 5, 7, 24, 99])('are not number %i', (register) => {
    expect(() => statements(loadPort(register))).toThrow(NetlinkError);
  });
});

describe('messages and attributes', () => {
  const attribute = fc.record({ type: fc.integer({ min: 1, max: 0x3fff }), value: fc.uint8Array({ maxLength: 60 }) });

  it('are read as they were written', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(attribute, { maxLength: 6, selector: ({ type }) => type }),
        fc.nat({ max: 0xffff }),
        fc.nat({ max: 0xffff }),
        fc.nat({ max: 0xffffffff }),
        (attributes, type, flags, sequence) => {
          const payload = written(attributes);
          expect(parseNetlinkMessages(netlinkMessage(type, flags, sequence, payload))).toEqual([
            { type, flags, sequence, payload },
          ]);
          const read = new NetlinkAttributes(payload);
          for (const each of attributes) expect(read.bytes(each.type)).toEqual(each.value);
        },
      ),
    );
  });

  it.each([
    [[1], 1],
    [[1, 0], 256],
    [[0, 0, 1, 0], 256],
    [[0, 0x20, 0, 0, 0, 0, 0, 0], 2 ** 53],
    [[0, 0x1f, 255, 255, 255, 255, 255, 255], 2 ** 53 - 1],
    [[], undefined],
    [[0, 0, 1], undefined],
  ] as const)('hold the number of the bytes %o, or none', (bytes, value) => {
    const read = (): number | undefined => new NetlinkAttributes(netlinkAttribute(1, Uint8Array.from(bytes))).number(1);
    if (value === undefined || !Number.isSafeInteger(value)) expect(read).toThrow(NetlinkError);
    else expect(read()).toBe(value);
  });

  it.each([
    ['a\0', 'a'],
    ['a', undefined],
    ['a\0b\0', undefined],
    ['a\0\0', undefined],
    ['', undefined],
  ])('hold a text that ends where it ends: %j', (text, value) => {
    const read = (): string | undefined =>
      new NetlinkAttributes(netlinkAttribute(1, new TextEncoder().encode(text))).string(1);
    if (value === undefined) expect(read).toThrow(NetlinkError);
    else expect(read()).toBe(value);
  });

  it('hold no text that is not UTF-8', () => {
    expect(() => new NetlinkAttributes(netlinkAttribute(1, new Uint8Array([0xff, 0]))).string(1)).toThrow(NetlinkError);
  });

  it('do not take what is longer than an attribute can be', () => {
    expect(() => netlinkAttribute(1, new Uint8Array(0xffff))).toThrow(NetlinkError);
  });
});

describe('questions', () => {
  const text = fc.string({ unit: 'binary', maxLength: 200 });
  const question: fc.Arbitrary<NftQuestion> = fc.oneof(
    fc.constantFrom<NftQuestion>({ ask: 'generation' }, { ask: 'table' }),
    fc.record({ ask: fc.constantFrom('chain' as const, 'rules' as const), chain: text }),
    fc.record({ ask: fc.constantFrom('set' as const, 'elements' as const), set: text }),
    fc.record({ ask: fc.constant('element' as const), set: text, key: fc.uint8Array({ maxLength: 80 }) }),
  );

  it('are those messages of nf_tables that only ask (NFT_MSG_GET…)', () => {
    // enum nf_tables_msg_types: GETTABLE, GETCHAIN, GETRULE, GETSET, GETSETELEM, GETGEN.
    expect([...askingMessageTypes].sort((one, other) => one - other)).toEqual(
      [1, 4, 7, 10, 13, 16].map((number) => 0x0a00 | number),
    );
  });

  it('are one such message, whatever they ask for', () => {
    fc.assert(
      fc.property(
        question,
        fc.constantFrom('IPv4' as const, 'IPv6' as const),
        text,
        fc.nat(),
        (asked, family, table, sequence) => {
          const bytes = nftQuestionMessage(asked, family, table, sequence);
          const messages = parseNetlinkMessages(bytes);
          expect(messages).toHaveLength(1);
          for (const { type, flags } of messages) {
            expect(askingMessageTypes).toContain(type);
            // NLM_F_REQUEST with NLM_F_ACK, or with NLM_F_DUMP.
            expect([0x5, 0x301]).toContain(flags);
          }
        },
      ),
    );
  });
});

describe('values', () => {
  it.each([
    [['ipv4_addr', 'inet_proto', 'inet_service'], ['10.96.0.7', 'tcp', '80'], { concat: ['10.96.0.7', 'tcp', 80] }],
    [['inet_proto', 'inet_service'], ['sctp', '65535'], { concat: ['sctp', 65535] }],
    [['ipv6_addr'], ['fd00:10:96::7'], 'fd00:10:96::7'],
    [['inet_proto'], ['99'], 99],
  ] as const)(
    'of the types %j are the same both ways: %j',
    (types: readonly NftValueType[], words: readonly string[], json: unknown) => {
      expect(valueJson(types, keyBytes(types, words) ?? new Uint8Array())).toEqual(json);
    },
  );

  it.each([
    [['ipv4_addr'], ['fd00::1']],
    [['ipv4_addr'], ['10.0.0']],
    [['inet_proto'], ['constructor']],
    [['inet_proto'], ['256']],
    [['inet_service'], ['-1']],
    [['inet_service'], ['65536']],
    [['mark'], ['1']],
    [['ipv4_addr', 'inet_proto'], ['10.0.0.1']],
  ] as const)(
    'of the types %j are not meant by the words %j',
    (types: readonly NftValueType[], words: readonly string[]) => {
      expect(keyBytes(types, words)).toBeUndefined();
    },
  );

  it.each([0, 1, 99, 7 * 64 + 63])('have no type of the number %i', (number) => {
    expect(() => valueTypesOf(number)).toThrow(NetlinkError);
  });

  it.each([
    [0x0a000000n, 0x0affffffn, { prefix: { addr: '10.0.0.0', len: 8 } }],
    [0x0a000001n, 0x0a000001n, '10.0.0.1'],
    [0x0a000001n, 0x0a000003n, { range: ['10.0.0.1', '10.0.0.3'] }],
    [0n, 0xffffffffn, { prefix: { addr: '0.0.0.0', len: 0 } }],
  ])('from %i to %i are an address, a prefix or a range', (from, to, json) => {
    expect(intervalJson('ipv4_addr', from, to)).toEqual(json);
  });

  it.each([
    [[1, 3, 1, 2, 3, 0, 2, 97, 0], 'a'],
    [[], undefined],
    [[1, 0], undefined],
  ] as const)('that nft keeps hold a comment: %j', (bytes, comment) => {
    expect(commentOf(Uint8Array.from(bytes))).toBe(comment);
  });

  it.each([[[0]], [[0, 5, 97, 0]], [[0, 1, 97]], [[0, 0]]] as const)(
    'that nft keeps are refused where they are cut off: %j',
    (bytes) => {
      expect(() => commentOf(Uint8Array.from(bytes))).toThrow(NetlinkError);
    },
  );
});
