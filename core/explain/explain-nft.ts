/** One rule of nftables in plain words, statement by statement (nft(8)). */
import { hostPort } from '../net/address.ts';
import type {
  NftElement,
  NftExpression,
  NftVerdict,
  NftMatchOperator,
  NftNat,
  NftRule,
  NftStatement,
} from '../nftables/rule.ts';
import { printNftElement, printNftExpression, printNftStatement, printNftVerdict } from '../nftables/print.ts';
import {
  chainText,
  notKnown,
  withPod,
  type Explained,
  type ExplainedLine,
  type Names,
  type Standing,
} from './explained.ts';
import { setPurpose } from './chain-purpose.ts';
import { list, percent, sentenceOf, Subject } from './sentence.ts';
import { byKind, type ByKind } from '../lib/by-kind.ts';
import { plural } from '../lib/plural.ts';

export function explainNftRule({ statements }: NftRule, names: Names, { noun, isFirst, leftOut }: Standing): Explained {
  const about = new About(noun, names, leftOut);
  for (const statement of statements) about.statement(statement);
  return {
    sentence: sentenceOf(about.subject.text(isFirst), about.effects),
    lines: about.lines,
    unknown: about.unknown,
  };
}

/** An element of a set or map by itself, as the Service has it. */
export function explainNftElement(element: NftElement, names: Names): string {
  const { value } = element;
  const key = printNftExpression(element.key);
  if (value === undefined) return `${key} is in it.`;
  return `${key}: ${value.kind === 'verdict' ? verdictText(value.verdict, names, 'connections') : printNftExpression(value)}.`;
}

class About {
  readonly subject: Subject;
  readonly effects: string[] = [];
  readonly lines: ExplainedLine[] = [];
  readonly unknown: string[] = [];
  readonly #names: Names;
  readonly #leftOut: ReadonlySet<NftElement>;

  constructor(noun: Subject['noun'], names: Names, leftOut: ReadonlySet<NftElement> = new Set()) {
    this.subject = new Subject(noun);
    this.#names = names;
    this.#leftOut = leftOut;
  }

  statement(statement: NftStatement): void {
    byKind(About.#statements, 'kind', statement, this);
  }

  static readonly #statements: ByKind<'kind', NftStatement, [About], void> = {
    match(match, about) {
      about.#match(match.operator, match.left, match.right, match);
    },
    verdict({ verdict }, about) {
      about.effects.push(verdictText(verdict, about.#names, about.subject.noun));
    },
    vmap({ key, data }, about) {
      about.#verdictMap(key, data);
    },
    // It counts, and what it has counted stands beside the sentence.
    counter: () => undefined,
    last(_, { effects }) {
      effects.push('have the time of their passing kept');
    },
    mangle({ key, value }, about) {
      about.#mangle(key, value);
    },
    nat(nat, about) {
      about.#nat(nat);
    },
    reject({ type, code }, { effects }) {
      effects.push(
        `are refused: the client gets ${type === 'tcp reset' ? 'a reset of the TCP connection' : code === undefined ? 'an ICMP error' : `the ICMP error ${printNftExpression(code)}`}`,
      );
    },
    setUpdate({ element, operation, set }, { effects }) {
      const key = describe(element.key) ?? printNftExpression(element.key);
      effects.push(
        `have their ${key} ${operation === 'delete' ? 'taken out of' : 'remembered in'} the set ${withPurpose(set)}`,
      );
    },
    log({ prefix }, { effects }) {
      effects.push(`are written to the log${prefix === undefined ? '' : ` with the prefix "${prefix}"`}`);
    },
    notrack(_, { effects }) {
      effects.push('are not tracked by conntrack, so that no nat rule sees them');
    },
    limit({ isOver, rate, rateUnit = 'packets', per }, about) {
      about.#condition(
        `${isOver ? 'beyond' : 'as long as they are no more than'} ${String(rate)} ${rateUnit} a ${per}`,
      );
    },
    quota({ isOver, value, unit }, about) {
      about.#condition(`${isOver ? 'beyond' : 'within'} the quota of ${String(value)} ${unit}`);
    },
    connectionLimit({ isOver, count }, about) {
      about.#condition(`as long as there are ${isOver ? 'more' : 'no more'} than ${plural(count, 'connection')}`);
    },
    object({ object, name }, about) {
      about.#object(object, printNftExpression(name));
    },
    meter({ name, statement }, about) {
      about.#condition(`within what meter ${name} allows (${printNftStatement(statement)})`);
    },
    queue({ number }, { effects }) {
      effects.push(
        `are given to a program that decides about them${number === undefined ? '' : ` (queue ${printNftExpression(number)})`}`,
      );
    },
    tproxy({ port }, { effects }) {
      effects.push(
        `are given to a program of this node${port === undefined ? '' : ` that listens on port ${printNftExpression(port)}`} (tproxy)`,
      );
    },
    dup({ address, device }, { effects }) {
      effects.push(`are copied to ${printed(address, device).join(' by ')}`);
    },
    fwd({ address, device }, { effects }) {
      effects.push(`are sent on to ${printed(address, device).join(' by ')}`);
    },
    synproxy(_, { effects }) {
      effects.push('are answered by the kernel in place of the server until the connection stands (synproxy)');
    },
    flow({ flowtable }, { effects }) {
      effects.push(`take the short way of flow table ${flowtable} once their connection stands`);
    },
    reset({ option }, { effects }) {
      effects.push(`lose their ${printNftExpression(option)}`);
    },
    xt(extension, about) {
      if (extension.name !== 'comment') about.#unknown(printNftStatement(extension));
    },
    unrecognized({ text }, about) {
      about.#unknown(text);
    },
  };

  #unknown(text: string): void {
    this.unknown.push(text);
    this.#condition(`for which a statement holds (${notKnown(text)})`);
  }

  /** A condition behind an effect is about those that come so far. */
  #condition(words: string): void {
    if (this.effects.length === 0) this.subject.conditions.push(words);
    else this.effects.push(`(those ${words})`);
  }

  #where(words: string, destination?: Parameters<Subject['place']>[1]): void {
    if (this.effects.length === 0) this.subject.place(words, destination);
    else this.effects.push(`(those ${words})`);
  }

  #match(operator: NftMatchOperator, left: NftExpression, right: NftExpression, statement: NftStatement): void {
    const isNegated = operator === '!=' || operator === '!';
    const isPlain = operator === '==' || operator === 'in' || isNegated;
    const { subject } = this;
    if (
      left.kind === 'meta' &&
      left.key === 'l4proto' &&
      right.kind === 'value' &&
      operator === '==' &&
      this.effects.length === 0
    ) {
      subject.protocol = String(right.value).toUpperCase();
      return;
    }
    if (
      isPlain &&
      left.kind === 'payload' &&
      (left.field === 'saddr' || left.field === 'daddr') &&
      left.protocol.startsWith('ip')
    ) {
      const isSource = left.field === 'saddr';
      const end = isSource ? 'from' : 'to';
      const destination = isSource ? undefined : 'address';
      if (right.kind === 'setReference')
        this.#where(
          `${end} an address ${isNegated ? 'that is not ' : ''}in set ${withPurpose(right.name)}`,
          destination,
        );
      else
        this.#where(
          `${end} ${isNegated ? (isSource ? 'outside of ' : 'anything but ') : ''}${valueText(right)}`,
          destination,
        );
      return;
    }
    if (left.kind === 'payload' && left.field === 'dport' && isPlain && right.kind !== 'unrecognized') {
      if (left.protocol !== 'th' && subject.protocol === '' && this.effects.length === 0)
        subject.protocol = left.protocol.toUpperCase();
      this.#where(isNegated ? `to any port but ${valueText(right)}` : subject.portText(valueText(right)));
      return;
    }
    if (left.kind === 'fib' && left.result === 'type' && isPlain && right.kind === 'value') {
      const isSource = left.flags.includes('saddr');
      const isLocal = right.value === 'local';
      if (isSource && isLocal) this.#where(isNegated ? 'from elsewhere than this node' : 'from this node itself');
      else if (isLocal)
        this.#where(
          isNegated ? 'to an address that is not one of this node' : 'to an address of this node',
          'ownAddress',
        );
      else
        this.#where(
          `${isSource ? 'from' : 'to'} an address that is ${isNegated ? 'not ' : ''}of type ${String(right.value)}`,
          isSource ? undefined : 'address',
        );
      return;
    }
    const mark = flagOf(operator, left, right);
    if (mark !== undefined) {
      this.#condition(`${mark.isSet ? 'with' : 'without'} the ${mark.name} ${mark.flag}`);
      return;
    }
    const name = describe(left);
    if (name === undefined || hasUnrecognized(right)) {
      this.#unknown(printNftStatement(statement));
      return;
    }
    if (left.kind === 'ct' && left.key === 'state' && isPlain)
      this.#condition(`whose connection is ${isNegated ? 'not ' : ''}${stateText(right)}`);
    else if (
      left.kind === 'ct' &&
      left.key === 'status' &&
      isPlain &&
      right.kind === 'value' &&
      (right.value === 'dnat' || right.value === 'snat')
    ) {
      this.#condition(
        `whose connection has ${isNegated ? 'no ' : 'a '}rewritten ${right.value === 'dnat' ? 'destination' : 'source'}`,
      );
    } else if (left.kind === 'meta' && (left.key === 'iifname' || left.key === 'iif') && isPlain)
      this.#condition(`that ${isNegated ? 'do not come' : 'come'} in by ${valueText(right)}`);
    else if (left.kind === 'meta' && (left.key === 'oifname' || left.key === 'oif') && isPlain)
      this.#condition(`that ${isNegated ? 'do not leave' : 'leave'} by ${valueText(right)}`);
    else if (right.kind === 'setReference')
      this.#condition(
        `whose ${name} ${left.kind === 'concatenation' ? 'are' : 'is'} ${isNegated ? 'not ' : ''}in set ${withPurpose(right.name)}`,
      );
    else this.#condition(`whose ${name} is ${operatorText(operator)}${valueText(right)}`);
  }

  #object(kind: string, name: string): void {
    if (kind === 'counter') this.effects.push(`are counted as ${name}`);
    else if (kind === 'limit' || kind === 'quota') this.#condition(`within the ${kind} ${name}`);
    else this.effects.push(`get the ${kind} ${name}`);
  }

  #verdictMap(key: NftExpression, data: NftExpression): void {
    if (data.kind === 'set') {
      const isChoice = key.kind === 'numgen';
      const [only] = data.elements;
      if (isChoice && data.elements.length === 1 && only?.value?.kind === 'verdict') {
        this.effects.push(verdictText(only.value.verdict, this.#names, this.subject.noun));
        return;
      }
      const shares = data.elements.length;
      for (const element of data.elements) {
        if (this.#leftOut.has(element)) continue;
        const share = isChoice ? shareOf(element.key, key.modulus) : undefined;
        const verdict =
          element.value?.kind === 'verdict'
            ? verdictText(element.value.verdict, this.#names, this.subject.noun)
            : element.value === undefined
              ? ''
              : printNftExpression(element.value);
        const text = `${printNftExpression(element.key)} : ${element.value === undefined ? '' : printValue(element.value)}`;
        this.lines.push({
          text,
          sentence: isChoice
            ? `${share === undefined ? 'Some' : percent(share)}: ${verdict}.`
            : `${printNftExpression(element.key)}: ${verdict}.`,
          ...(share === undefined ? {} : { share }),
        });
      }
      this.effects.push(
        isChoice
          ? `are divided ${key.mode === 'inc' ? 'in turn' : 'at random'} among ${String(shares)}`
          : `are dispatched by ${describe(key) ?? printNftExpression(key)}`,
      );
      return;
    }
    const by = describe(key) ?? printNftExpression(key);
    if (data.kind !== 'setReference') {
      this.#unknown(`vmap ${printNftExpression(data)}`);
      return;
    }
    const map = this.#names.set(data.name);
    this.effects.push(
      `are looked up by ${by} in the map ${withPurpose(data.name)}${map === undefined ? '' : map.elements.length === 0 ? ', which holds nothing of this Service' : ''}`,
    );
    for (const element of map?.elements ?? []) {
      this.lines.push({
        text: printNftElement({ type: [], data: ['verdict'], ...map }, element),
        sentence: explainNftElement(element, this.#names),
      });
    }
  }

  #mangle(key: NftExpression, value: NftExpression): void {
    const name = describe(key);
    if (name === undefined) {
      this.#unknown(printNftStatement({ kind: 'mangle', key, value }));
      return;
    }
    const [first, second] = value.kind === 'binary' ? value.operands : [];
    const isOwn = first !== undefined && printNftExpression(first) === printNftExpression(key);
    if (
      value.kind === 'binary' &&
      isOwn &&
      second?.kind === 'value' &&
      (value.operator === '|' || value.operator === '^')
    ) {
      this.effects.push(
        value.operator === '|'
          ? `get the ${name} ${numberText(second)}`
          : `have the ${name} ${numberText(second)} flipped: those that had it lose it`,
      );
    } else this.effects.push(`get the ${name} ${valueText(value)}`);
  }

  #nat(nat: NftNat): void {
    const flags = (nat.flags ?? []).some((flag) => flag.includes('random')) ? ', with a random port' : '';
    switch (nat.type) {
      case 'masquerade':
        this.effects.push(`get the address of the interface by which they leave as their source (masquerade)${flags}`);
        return;
      case 'snat':
        this.effects.push(
          `get another source (SNAT): ${nat.address === undefined ? '' : printNftExpression(nat.address)}${flags}`,
        );
        return;
      case 'redirect':
        this.effects.push(
          `are sent to this node itself${nat.port === undefined ? '' : `, port ${printNftExpression(nat.port)}`}${flags}`,
        );
        return;
      case 'dnat':
        this.#destination(nat, flags);
        return;
    }
  }

  #destination({ address, port }: NftNat, flags: string): void {
    if (address?.kind === 'map' && address.data.kind === 'set' && address.key.kind === 'numgen') {
      const { key, data } = address;
      const [only] = data.elements;
      if (data.elements.length === 1 && only?.value !== undefined) {
        this.effects.push(`get another destination (DNAT): ${this.#target(only.value, port)}${flags}`);
        return;
      }
      for (const element of data.elements) {
        if (this.#leftOut.has(element)) continue;
        const share = shareOf(element.key, key.modulus);
        const target = element.value === undefined ? undefined : this.#target(element.value, port);
        this.lines.push({
          text: `${printNftExpression(element.key)} : ${element.value === undefined ? '' : printNftExpression(element.value)}`,
          sentence: `${share === undefined ? 'Some' : percent(share)}: to ${target ?? 'nowhere'}.`,
          ...(share === undefined ? {} : { share }),
        });
      }
      this.effects.push(
        `get another destination (DNAT), drawn ${key.mode === 'inc' ? 'in turn' : 'at random'} among ${String(data.elements.length)}${flags}`,
      );
      return;
    }
    this.effects.push(
      `get another destination (DNAT): ${address === undefined ? `port ${port === undefined ? '' : printNftExpression(port)}` : this.#target(address, port)}${flags}`,
    );
  }

  /** `10.244.1.4:8080 (pod auth-service-x2x)`. */
  #target(address: NftExpression, port: NftExpression | undefined): string {
    const parts = address.kind === 'concatenation' ? address.parts : [address, ...(port === undefined ? [] : [port])];
    const [host, number] = parts;
    if (host?.kind !== 'value' || (number !== undefined && number.kind !== 'value'))
      return printed(address, port).join(' port ');
    const text = String(host.value);
    return withPod(number === undefined ? text : hostPort(text, Number(number.value)), text, this.#names);
  }
}

/** Those of these expressions that are there. */
function printed(...expressions: readonly (NftExpression | undefined)[]): string[] {
  return expressions.flatMap((each) => (each === undefined ? [] : [printNftExpression(each)]));
}

function verdictText(verdict: NftVerdict, names: Names, noun: Subject['noun']): string {
  switch (verdict.kind) {
    case 'jump':
      return `go to ${chainText(verdict.chain, names)}`;
    case 'goto':
      return `go to ${chainText(verdict.chain, names)}, and do not come back to this chain`;
    case 'accept':
      return noun === 'connections'
        ? 'are left as they are: no further rule of this hook changes their addresses'
        : 'pass';
    case 'drop':
      return 'are dropped: the client gets no answer';
    case 'return':
      return 'go back to the chain that they came from';
    case 'continue':
      return 'go on with the next rule';
  }
}

function printValue(value: NftExpression): string {
  return value.kind === 'verdict' ? printNftVerdict(value.verdict) : printNftExpression(value);
}

function shareOf(key: NftExpression, modulus: number): number | undefined {
  if (key.kind === 'value' && typeof key.value === 'number') return 1 / modulus;
  if (key.kind === 'range' && key.from.kind === 'value' && key.to.kind === 'value')
    return (Number(key.to.value) - Number(key.from.value) + 1) / modulus;
  return undefined;
}

function withPurpose(set: string): string {
  const purpose = setPurpose(set);
  return purpose === undefined ? set : `${set} (${purpose})`;
}

/** What an expression reads of a packet; undefined for one that is not known. */
function describe(expression: NftExpression): string | undefined {
  switch (expression.kind) {
    case 'payload':
      return fields.get(expression.field) === undefined
        ? `${expression.protocol} ${expression.field}`
        : `${expression.protocol === 'th' || expression.protocol.startsWith('ip') ? '' : `${expression.protocol.toUpperCase()} `}${fields.get(expression.field) ?? ''}`;
    case 'meta':
      return metaNames.get(expression.key) ?? `meta ${expression.key}`;
    case 'ct':
      return `connection's ${expression.direction === undefined ? '' : `${expression.direction} `}${expression.key}`;
    case 'concatenation': {
      const parts = expression.parts.map(describe);
      return parts.some((part) => part === undefined)
        ? undefined
        : list(
            parts.map((part) => part ?? ''),
            'and',
          );
    }
    case 'fib':
      return expression.result === 'type'
        ? `type of ${expression.flags.includes('saddr') ? 'source' : 'destination'} address`
        : `way by the routing table (${printNftExpression(expression)})`;
    case 'numgen':
      return expression.mode === 'random' ? 'random number' : 'number in turn';
    case 'jhash':
    case 'symhash':
      return `hash (${printNftExpression(expression)})`;
    case 'binary': {
      const [first] = expression.operands;
      const name = first === undefined ? undefined : describe(first);
      return name === undefined ? undefined : `${name} (${printNftExpression(expression)})`;
    }
    case 'rt':
    case 'socket':
    case 'osf':
    case 'ipsec':
    case 'tunnel':
    case 'header':
    case 'rawPayload':
    case 'rawTcpOption':
      return printNftExpression(expression);
    default:
      return undefined;
  }
}

const fields = new Map([
  ['saddr', 'source address'],
  ['daddr', 'destination address'],
  ['sport', 'source port'],
  ['dport', 'destination port'],
  ['protocol', 'protocol'],
  ['nexthdr', 'protocol'],
]);
const metaNames = new Map([
  ['l4proto', 'protocol'],
  ['mark', 'mark'],
  ['iifname', 'interface of arrival'],
  ['oifname', 'interface of departure'],
  ['nfproto', 'IP family'],
  ['protocol', 'IP family'],
  ['pkttype', 'kind of link packet'],
  ['skuid', "sender's user"],
  ['skgid', "sender's group"],
]);

function operatorText(operator: NftMatchOperator): string {
  const words: Readonly<Record<NftMatchOperator, string>> = {
    '==': '',
    '!=': 'not ',
    '<': 'less than ',
    '>': 'more than ',
    '<=': 'at most ',
    '>=': 'at least ',
    in: 'one of ',
    '!': 'none of ',
  };
  return words[operator];
}

function valueText(value: NftExpression): string {
  switch (value.kind) {
    case 'setReference':
      return `what set ${withPurpose(value.name)} holds`;
    case 'set':
      return list(
        value.elements.map(({ key }) => printNftExpression(key)),
        'or',
      );
    case 'list':
      return list(value.items.map(printNftExpression), 'or');
    case 'range':
      return `${printNftExpression(value.from)} to ${printNftExpression(value.to)}`;
    default:
      return printNftExpression(value);
  }
}

function stateText(value: NftExpression): string {
  const items =
    value.kind === 'list' ? value.items : value.kind === 'set' ? value.elements.map(({ key }) => key) : [value];
  return list(
    items.map((item) =>
      item.kind === 'value' && item.value === 'related' ? 'related to another one' : printNftExpression(item),
    ),
    'or',
  );
}

/** `meta mark & 0x4000 != 0`, and what means the same. */
function flagOf(
  operator: NftMatchOperator,
  left: NftExpression,
  right: NftExpression,
): { readonly name: string; readonly flag: string; readonly isSet: boolean } | undefined {
  if (
    left.kind !== 'binary' ||
    left.operator !== '&' ||
    right.kind !== 'value' ||
    (operator !== '==' && operator !== '!=')
  )
    return undefined;
  const [of, mask] = left.operands;
  if (of?.kind !== 'meta' && of?.kind !== 'ct') return undefined;
  if (of.key !== 'mark' || mask?.kind !== 'value') return undefined;
  const [flag, value] = [Number(mask.value), Number(right.value)];
  if (value !== 0 && value !== flag) return undefined;
  const name = of.kind === 'ct' ? 'connection mark' : 'mark';
  return { name, flag: numberText(mask), isSet: (value === flag) === (operator === '==') };
}

function numberText(value: NftExpression & { readonly kind: 'value' }): string {
  const number = Number(value.value);
  return Number.isInteger(number) ? `0x${(number >>> 0).toString(16)}` : String(value.value);
}

function hasUnrecognized(value: NftExpression): boolean {
  return (
    value.kind === 'unrecognized' ||
    (value.kind === 'set' && value.elements.some(({ key }) => key.kind === 'unrecognized'))
  );
}
