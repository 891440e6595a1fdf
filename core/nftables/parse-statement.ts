/** Statements of a rule in nft's own words, as `nft list` of version 0.9 to 1.1 prints them (nft(8), "Statements"). */
import {
  type NftElement,
  type NftExpression,
  isNftBurstUnit,
  nftByteUnits,
  type NftLimit,
  type NftLog,
  type NftNat,
  type NftObjectKind,
  type NftQuota,
  type NftRule,
  type NftStatement,
} from './rule.ts';
import { nftFlagTypes, nftTypesOf } from './types.ts';
import { millisecondsOf, readData, readElement, readKey, readValue, readVerdict } from './parse-expression.ts';
import { present } from '../lib/present.ts';
import { defaultReject, withProtocolNames } from './normal-form.ts';
import { NftTokens } from './tokens.ts';

/** One line of a chain: `ip daddr 10.0.0.1 counter packets 0 bytes 0 accept comment "x" # handle 7`. */
export function parseNftRuleText(line: string, chain: string, family: string): NftRule {
  const tokens = new NftTokens(line);
  const handle = takeHandle(tokens);
  const comment = takeComment(tokens);
  const statements: NftStatement[] = [];
  while (!tokens.isDone) {
    const at = tokens.at;
    const statement = new StatementReader(tokens, family).read();
    if (statement === undefined || tokens.at === at) {
      // What follows may depend on what is not understood.
      statements.push({ kind: 'unrecognized', text: tokens.textFrom(at) });
      break;
    }
    statements.push(statement);
  }
  return present({ chain, handle, comment, statements });
}

/** One statement alone, such as nft's JSON holds where it has no object for it. */
export function parseNftStatementText(text: string, family: string): NftStatement {
  const { statements } = parseNftRuleText(text, '', family);
  const [statement] = statements;
  return statement === undefined || statements.length > 1
    ? { kind: 'unrecognized', text, json: text }
    : statement.kind === 'unrecognized'
      ? { ...statement, json: text }
      : statement;
}

/** A statement of an element or a set: a counter, a limit, a quota. */
export function readElementStatement(tokens: NftTokens): NftStatement | undefined {
  return new StatementReader(tokens, 'inet').stateful();
}

/** `nft -a` prints the handle behind a sign of comment. */
function takeHandle(tokens: NftTokens): number | undefined {
  const [number, word, sign] = [tokens.fromEnd(0), tokens.fromEnd(1), tokens.fromEnd(2)];
  if (
    sign?.text !== '#' ||
    sign.isQuoted ||
    word?.text !== 'handle' ||
    number === undefined ||
    !/^\d+$/.test(number.text)
  )
    return undefined;
  tokens.cut(3);
  return Number(number.text);
}

function takeComment(tokens: NftTokens): string | undefined {
  const [text, word] = [tokens.fromEnd(0), tokens.fromEnd(1)];
  if (text?.isQuoted !== true || word?.text !== 'comment' || word.isQuoted) return undefined;
  tokens.cut(2);
  return text.text;
}

const natFlags = ['random', 'fully-random', 'persistent', 'netmap'] as const;
const queueFlags = ['bypass', 'fanout'] as const;
const namedObjects: ReadonlyMap<string, NftObjectKind> = new Map(
  Object.entries<NftObjectKind>({ helper: 'ct helper', timeout: 'ct timeout', expectation: 'ct expectation' }),
);
const setOperations = ['add', 'update', 'delete'] as const;

class StatementReader {
  readonly #tokens: NftTokens;
  readonly #family: string;

  constructor(tokens: NftTokens, family: string) {
    this.#tokens = tokens;
    this.#family = family;
  }

  read(): NftStatement | undefined {
    const tokens = this.#tokens;
    const verdict = readVerdict(tokens);
    if (verdict !== undefined) return { kind: 'verdict', verdict };
    const stateful = this.stateful();
    if (stateful !== undefined) return stateful;
    const nat = tokens.takeOneOf(['dnat', 'snat', 'masquerade', 'redirect']);
    if (nat !== undefined) return this.#nat(nat);
    const update = setOperations.find((operation) => tokens.word() === operation && tokens.word(1).startsWith('@'));
    if (update !== undefined) return this.#setUpdate(update);
    const at = tokens.at;
    const read = tokens.peek()?.isQuoted === true ? undefined : this.#readers.get(tokens.word());
    if (read !== undefined) {
      tokens.next();
      const statement = read();
      if (statement !== undefined) return statement;
      tokens.back(at);
    }
    const statement = this.#aboutKey();
    if (statement === undefined) tokens.back(at);
    return statement;
  }

  /** Statements that have a state, which elements may have too. */
  stateful(): NftStatement | undefined {
    const tokens = this.#tokens;
    const at = tokens.at;
    const statement = this.#stateful();
    if (statement === undefined) tokens.back(at);
    return statement;
  }

  #stateful(): NftStatement | undefined {
    const tokens = this.#tokens;
    const object = (['counter', 'quota', 'limit', 'synproxy'] as const).find(
      (kind) => tokens.word() === kind && tokens.word(1) === 'name',
    );
    if (object !== undefined) {
      tokens.next();
      tokens.next();
      const name = this.#valueOf([]);
      return name === undefined ? undefined : { kind: 'object', object, name };
    }
    if (tokens.take('counter')) {
      if (!tokens.take('packets')) return { kind: 'counter' };
      const packets = tokens.number();
      const bytes = tokens.take('bytes') ? tokens.number() : undefined;
      return packets === undefined || bytes === undefined ? undefined : { kind: 'counter', packets, bytes };
    }
    if (tokens.take('quota')) return this.quota();
    if (tokens.take('limit', 'rate')) return this.limit();
    if (tokens.take('ct', 'count')) {
      const isOver = tokens.take('over');
      const count = tokens.number();
      return count === undefined ? undefined : { kind: 'connectionLimit', count, isOver };
    }
    if (tokens.take('last')) {
      if (!tokens.take('used') || tokens.take('never')) return { kind: 'last' };
      const used = millisecondsOf(tokens.word());
      if (used === undefined) return undefined;
      tokens.next();
      return { kind: 'last', used };
    }
    return undefined;
  }

  /** Behind `quota`: `over 1 mbytes used 5 bytes`. */
  quota(): NftQuota | undefined {
    const tokens = this.#tokens;
    const isOver = tokens.take('over');
    if (!isOver) tokens.take('until');
    const value = tokens.number();
    const unit = tokens.name();
    if (value === undefined || unit === undefined || !nftByteUnits.has(unit)) return undefined;
    if (!tokens.take('used')) return { kind: 'quota', value, unit, isOver };
    const used = tokens.number();
    const usedUnit = tokens.name();
    if (used === undefined || usedUnit === undefined || !nftByteUnits.has(usedUnit)) return undefined;
    return used === 0 ? { kind: 'quota', value, unit, isOver } : { kind: 'quota', value, unit, used, usedUnit, isOver };
  }

  /** Behind `limit rate`: `over 10 mbytes/second burst 5 kbytes`. */
  limit(): NftLimit | undefined {
    const tokens = this.#tokens;
    const isOver = tokens.take('over');
    const first = tokens.word();
    const inPackets = /^(\d+)\/([a-z]+)$/.exec(first);
    const inBytes = /^\d+$/.test(first) ? /^([a-z]+)\/([a-z]+)$/.exec(tokens.word(1)) : null;
    const [rate, rateUnit, per] =
      inPackets !== null
        ? [Number(inPackets[1]), undefined, inPackets[2]]
        : [Number(first), inBytes?.[1], inBytes?.[2]];
    if (per === undefined) return undefined;
    tokens.next();
    if (inBytes !== null) tokens.next();
    if (!tokens.take('burst')) return present({ kind: 'limit', rate, per, rateUnit, isOver });
    const burst = tokens.number();
    const unit = tokens.name();
    if (burst === undefined || unit === undefined || !isNftBurstUnit(unit, rateUnit)) return undefined;
    const isDefault = burst === (rateUnit === undefined ? 5 : 0);
    return present({
      kind: 'limit',
      rate,
      per,
      rateUnit,
      burst: isDefault ? undefined : burst,
      burstUnit: isDefault || unit === 'packets' ? undefined : unit,
      isOver,
    });
  }

  /** By the first word, which is taken already. */
  readonly #readers: ReadonlyMap<string, () => NftStatement | undefined> = new Map(
    Object.entries<() => NftStatement | undefined>({
      reject: () => this.#reject(),
      log: () => this.#log(),
      notrack: () => ({ kind: 'notrack' }),
      queue: () => this.#queue(),
      tproxy: () => {
        const family = this.#tokens.takeOneOf(['ip', 'ip6']);
        const target = this.#tokens.take('to') ? this.#target() : undefined;
        return target === undefined ? undefined : present({ kind: 'tproxy', family, ...target });
      },
      dup: () => this.#copy('dup'),
      fwd: () => this.#copy('fwd'),
      synproxy: () => this.#synproxy(),
      flow: () => {
        if (!this.#tokens.take('add') && !this.#tokens.take('offload')) return undefined;
        const name = this.#tokens.name();
        return name?.startsWith('@') === true ? { kind: 'flow', flowtable: name.slice(1) } : undefined;
      },
      meter: () => this.#meter(),
      reset: () => {
        const option = readKey(this.#tokens, readElementStatement);
        return option === undefined ? undefined : { kind: 'reset', option };
      },
      xt: () => {
        const type = this.#tokens.takeOneOf(['match', 'target', 'watcher']);
        const name = this.#tokens.name();
        return type === undefined || name === undefined ? undefined : { kind: 'xt', type, name };
      },
      // `# xt_conntrack`: as nft without libxtables shows it.
      '#': () => {
        const name = this.#tokens.word();
        if (!name.startsWith('xt_')) return undefined;
        this.#tokens.next();
        return { kind: 'xt', type: 'extension', name: name.slice(3) };
      },
      // `ct helper set "ftp"`: an object of the table.
      ct: () => {
        const object = namedObjects.get(this.#tokens.word());
        if (object === undefined || this.#tokens.word(1) !== 'set') return undefined;
        this.#tokens.next();
        this.#tokens.next();
        const name = this.#valueOf([]);
        return name === undefined ? undefined : { kind: 'object', object, name };
      },
      meta: () => {
        if (!this.#tokens.take('secmark', 'set') || this.#tokens.peek()?.isQuoted !== true) return undefined;
        return { kind: 'object', object: 'secmark', name: { kind: 'value', value: this.#tokens.next()?.text ?? '' } };
      },
    }),
  );

  #valueOf(types: readonly string[]): NftExpression | undefined {
    return readValue(this.#tokens, types.length === 0 ? [''] : types, readElementStatement);
  }

  /** A match, a verdict map or a `set`: they begin with what is read of the packet. */
  #aboutKey(): NftStatement | undefined {
    const tokens = this.#tokens;
    const key = readKey(tokens, readElementStatement);
    if (key === undefined) return undefined;
    const types = nftTypesOf(key);
    if (tokens.take('vmap')) {
      const data = readData(tokens, types, readElementStatement);
      return data === undefined ? undefined : { kind: 'vmap', key, data: withProtocolNames(key, data) };
    }
    if (tokens.take('set')) {
      const value = this.#valueOf(types);
      return value === undefined ? undefined : { kind: 'mangle', key, value };
    }
    const operator = tokens.takeOneOf(['==', '!=', '<', '>', '<=', '>=', '!']);
    // In parentheses stands the operand of an operator; without one it belongs to something else.
    if (operator === undefined && tokens.word() === '(') return undefined;
    const right = this.#valueOf(types);
    if (right === undefined) return undefined;
    if (tokens.take('/')) {
      // `tcp flags syn / fin,syn`: the flags among those behind the stroke.
      const mask = this.#valueOf(types);
      return mask === undefined
        ? undefined
        : {
            kind: 'match',
            operator: operator ?? '==',
            left: { kind: 'binary', operator: '&', operands: [key, mask] },
            right,
          };
    }
    const asksForFlags =
      operator === undefined &&
      key.kind !== 'binary' &&
      nftFlagTypes.has(types[0] ?? '') &&
      types.length === 1 &&
      right.kind !== 'set' &&
      right.kind !== 'setReference';
    return {
      kind: 'match',
      operator: operator ?? (asksForFlags ? 'in' : '=='),
      left: key,
      right: withProtocolNames(key, right),
    };
  }

  #nat(type: NftNat['type']): NftStatement | undefined {
    const tokens = this.#tokens;
    const family = tokens.word() === 'ip' || tokens.word() === 'ip6' ? tokens.next()?.text : undefined;
    const typeFlags = tokens.take('addr', '.', 'port')
      ? ['concat']
      : tokens.take('interval')
        ? ['interval']
        : tokens.take('prefix')
          ? ['prefix']
          : undefined;
    let target: Target | undefined = {};
    if (tokens.take('to')) target = this.#target();
    if (target === undefined) return undefined;
    const flags = [...(typeFlags?.[0] === 'prefix' ? ['netmap'] : []), ...this.#flagList(natFlags)];
    return present({ kind: 'nat', type, family, ...target, flags: flags.length === 0 ? undefined : flags, typeFlags });
  }

  /** `random,persistent`, or with blanks. */
  #flagList<Flag extends string>(known: readonly Flag[]): Flag[] {
    const flags: Flag[] = [];
    for (;;) {
      const flag = known.find(
        (each) => each === this.#tokens.word(flags.length > 0 && this.#tokens.word() === ',' ? 1 : 0),
      );
      if (flag === undefined) return flags;
      if (flags.length > 0) this.#tokens.take(',');
      this.#tokens.next();
      flags.push(flag);
    }
  }

  /** `10.0.0.1:80`, `[fd00::1]:80-90`, `:80`, `10.0.0.1 . 80`, or an expression with a port or without. */
  #target(): Target | undefined {
    const tokens = this.#tokens;
    const word = tokens.word();
    if (word.startsWith(':') && !word.startsWith('::')) return this.#portBehindColon({});
    const literal = targetOf(word);
    if (literal !== undefined) {
      tokens.next();
      if (!tokens.take('.')) return literal;
      // A port stands behind a colon or a full stop, not behind both.
      if (literal.port !== undefined) return undefined;
      const port = this.#valueOf(['inet_service']);
      return port === undefined ? undefined : { address: { kind: 'concatenation', parts: [literal.address, port] } };
    }
    const address = this.#valueOf([]);
    // A constant that is not an address.
    if (address === undefined || address.kind === 'value') return undefined;
    return tokens.word().startsWith(':') && tokens.peek()?.isGlued === true
      ? this.#portBehindColon({ address })
      : { address };
  }

  #portBehindColon(target: Target): Target | undefined {
    this.#tokens.replace(this.#tokens.word().slice(1));
    const port = this.#valueOf(['inet_service']);
    return port === undefined || !isPort(port) ? undefined : { ...target, port };
  }

  #reject(): NftStatement | undefined {
    const tokens = this.#tokens;
    if (!tokens.take('with')) return { kind: 'reject' };
    if (tokens.take('tcp', 'reset')) return { kind: 'reject', type: 'tcp reset' };
    const type = tokens.takeOneOf(['icmp', 'icmpv6', 'icmpx']);
    tokens.take('type');
    const code = this.#valueOf([]);
    return type === undefined || code === undefined
      ? undefined
      : defaultReject({ kind: 'reject', type, code }, this.#family);
  }

  #log(): NftStatement | undefined {
    const tokens = this.#tokens;
    let log: NftLog = { kind: 'log' };
    const flags: string[] = [];
    // A second one of a kind would take the first one's place.
    for (let at = tokens.at, isFirst = true; isFirst || tokens.at > at; isFirst = false) {
      at = tokens.at;
      log = present({
        ...log,
        prefix: log.prefix ?? tokens.nameAfter('prefix'),
        group: log.group ?? tokens.numberAfter('group'),
        snaplen: log.snaplen ?? tokens.numberAfter('snaplen'),
        queueThreshold: log.queueThreshold ?? tokens.numberAfter('queue-threshold'),
        level: log.level ?? tokens.nameAfter('level'),
      });
      if (tokens.take('flags')) {
        const known = this.#logFlags();
        if (known === undefined) return undefined;
        flags.push(...known);
      }
    }
    return flags.length === 0 ? log : { ...log, flags };
  }

  /** `tcp sequence,options`, `ip options`, `skuid`, `ether`, `all`. */
  #logFlags(): string[] | undefined {
    const tokens = this.#tokens;
    if (tokens.take('tcp')) {
      const flags = this.#flagList(['sequence', 'options'] as const).map((flag) => `tcp ${flag}`);
      return flags.length === 0 ? undefined : flags;
    }
    if (tokens.take('ip', 'options')) return ['ip options'];
    const flag = tokens.takeOneOf(['skuid', 'ether', 'all']);
    return flag === undefined ? undefined : [flag];
  }

  /** `queue num 1-3 bypass` of older versions, `queue flags bypass,fanout to 1-3` of newer. */
  #queue(): NftStatement | undefined {
    const tokens = this.#tokens;
    const hasFlags = tokens.take('flags');
    const flags: string[] = hasFlags ? this.#flagList(queueFlags) : [];
    const hasNumber = tokens.take('num') || tokens.take('to');
    const number = hasNumber ? this.#valueOf(['integer']) : undefined;
    if ((hasFlags && flags.length === 0) || (hasNumber && number === undefined)) return undefined;
    flags.push(...this.#flagList(queueFlags));
    return present({ kind: 'queue', number, flags });
  }

  #copy(kind: 'dup' | 'fwd'): NftStatement | undefined {
    const tokens = this.#tokens;
    const family = tokens.takeOneOf(['ip', 'ip6']);
    if (!tokens.take('to')) return undefined;
    const target = this.#valueOf([]);
    if (target === undefined) return undefined;
    const hasDevice = tokens.take('device');
    const device = hasDevice ? this.#valueOf(['ifname']) : undefined;
    if (hasDevice && device === undefined) return undefined;
    // In netdev tables the device alone is named.
    const isDevice = this.#family === 'netdev' && device === undefined && family === undefined;
    return present({ kind, family, address: isDevice ? undefined : target, device: isDevice ? target : device });
  }

  #synproxy(): NftStatement {
    const tokens = this.#tokens;
    const mss = tokens.numberAfter('mss');
    const windowScale = tokens.numberAfter('wscale');
    return present({ kind: 'synproxy', mss, windowScale, flags: this.#flagList(['timestamp', 'sack-perm'] as const) });
  }

  #meter(): NftStatement | undefined {
    const tokens = this.#tokens;
    const name = tokens.name();
    const size = tokens.numberAfter('size');
    const body = this.#elementBody();
    const [statement] = body?.statements ?? [];
    return name === undefined || body === undefined || statement === undefined || body.statements.length > 1
      ? undefined
      : present({ kind: 'meter', name, size, key: body.element, statement });
  }

  #setUpdate(operation: (typeof setOperations)[number]): NftStatement | undefined {
    const tokens = this.#tokens;
    tokens.next();
    const set = tokens.next()?.text.slice(1) ?? '';
    const body = this.#elementBody();
    return body === undefined ? undefined : { kind: 'setUpdate', operation, set, ...body };
  }

  /** `{ ip saddr timeout 1m limit rate 5/second : value }`: what stands behind the key belongs to the statement. */
  #elementBody(): { element: NftElement; statements: readonly NftStatement[] } | undefined {
    const tokens = this.#tokens;
    if (!tokens.take('{')) return undefined;
    const read = readElement(tokens, [''], [''], readElementStatement);
    if (read === undefined || !tokens.take('}')) return undefined;
    const { statements = [], ...element } = read;
    return { element, statements };
  }
}

interface Target {
  readonly address?: NftExpression;
  readonly port?: NftExpression;
}

/** A target in one word; undefined where it is none. */
/** A number or a service's name, or what gives one when a packet comes. */
function isPort(port: NftExpression): boolean {
  if (port.kind === 'range') return isPort(port.from) && isPort(port.to);
  if (port.kind === 'binary') return port.operands.every(isPort);
  return port.kind !== 'value' || /^[\w-]+$/.test(String(port.value));
}

function targetOf(word: string): { address: NftExpression; port?: NftExpression } | undefined {
  const bracketed = /^\[([0-9a-f:.]+)\](?:-\[([0-9a-f:.]+)\])?(?::(\d+(?:-\d+)?))?$/i.exec(word);
  const plain = /^(\d+\.\d+\.\d+\.\d+)(?:-(\d+\.\d+\.\d+\.\d+))?(?::(\d+(?:-\d+)?))?$/.exec(word);
  const bare = /^([0-9a-f:.]*:[0-9a-f:.]*)(?:-([0-9a-f:.]+))?$/i.exec(word);
  const [, from, to, port] = bracketed ?? plain ?? bare ?? [];
  if (from === undefined) return undefined;
  const address: NftExpression = { kind: 'value', value: from };
  return present({
    address: to === undefined ? address : { kind: 'range', from: address, to: { kind: 'value', value: to } },
    port: port === undefined ? undefined : portsOf(port),
  });
}

function portsOf(text: string): NftExpression {
  const [from, to] = text.split('-').map(Number);
  const start: NftExpression = { kind: 'value', value: from ?? 0 };
  return to === undefined ? start : { kind: 'range', from: start, to: { kind: 'value', value: to } };
}
