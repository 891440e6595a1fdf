/** The symbolic walk through kube-proxy's nftables table. */
import { isSameAddress, prefixContains } from '../address.ts';
import { printVerdict, type NftKey, type NftMapElement, type NftRule, type NftStatement, type NftValue, type NftVerdict } from '../parse/nft-json.ts';
import type { Counters } from '../program.ts';
import { ChainLoopError, maxDepth, withProbability, type At, type Branch, type ChainOutcome, type Ended, type Machine, type Packet, type Step, type Trail } from './walk.ts';

/** What was read of the table; undefined for what was not. */
export interface NftTable {
  readonly name: string;
  chain(name: string): readonly NftRule[] | undefined;
  /** Elements of a verdict map that concern the Service. */
  map(name: string): readonly NftMapElement[] | undefined;
  /** Elements of a set that concern the Service, each as words. */
  set(name: string): readonly (readonly string[])[] | undefined;
}

/** The walk through one table, chain by chain. */
export class NftWalk {
  readonly #table: NftTable;
  readonly #packet: Packet;
  readonly #machine: Machine;
  readonly #trail: Trail;

  constructor(table: NftTable, packet: Packet, machine: Machine, trail: Trail) {
    this.#table = table;
    this.#packet = packet;
    this.#machine = machine;
    this.#trail = trail;
  }

  chain(name: string, branches: readonly Branch[], at: At, above: readonly string[] = []): ChainOutcome {
    if (above.includes(name) || above.length > maxDepth) throw new ChainLoopError(`chain ${name} jumps to itself: ${[...above, name].join(' -> ')}`);
    const rules = this.#table.chain(name);
    if (rules === undefined) {
      this.#trail.unknown.add(`chain ${name}, which was not read`);
      return { through: branches, ended: [] };
    }
    const through: Branch[] = [];
    const ended: Ended[] = [];
    let live = branches;
    for (const rule of rules) {
      const next: Branch[] = [];
      for (const branch of live) {
        const outcome = this.#rule(rule, branch, at, [...above, name]);
        next.push(...outcome.on);
        through.push(...outcome.returned);
        ended.push(...outcome.ended);
      }
      live = next;
    }
    return { through: [...through, ...live], ended };
  }

  #rule(rule: NftRule, branch: Branch, at: At, above: readonly string[]): { on: Branch[]; returned: Branch[]; ended: Ended[] } {
    const chain = above.at(-1) ?? '';
    const result = { on: [] as Branch[], returned: [] as Branch[], ended: [] as Ended[] };
    let now = branch;
    let counters: Counters | undefined;
    for (const statement of rule.statements) {
      switch (statement.kind) {
        case 'match': {
          const holds = this.#holds(statement, now);
          if (holds === undefined) this.#trail.unknown.add(rule.text);
          if (holds !== true) return { ...result, on: [branch] };
          break;
        }
        case 'counter':
          counters = { packets: statement.packets, bytes: statement.bytes };
          break;
        case 'remember':
          break;
        case 'setMark':
          now = this.#meet(chain, rule, `mark 0x${statement.or.toString(16)}`, now);
          now = { ...now, mark: (now.mark | statement.or) >>> 0 };
          break;
        case 'verdict':
          now = this.#meet(chain, rule, printVerdict(statement.verdict), now);
          this.#verdict(statement.verdict, now, at, above, result);
          return result;
        case 'randomVerdict':
          now = this.#meet(chain, rule, 'random choice', now);
          for (const { slots, verdict } of statement.verdicts) {
            this.#verdict(verdict, { ...now, probability: (now.probability * slots) / statement.modulus }, at, above, result);
          }
          return result;
        case 'verdictMap': {
          const verdict = this.#ask(statement, now);
          if (verdict === undefined) {
            if (this.#table.map(statement.name) === undefined) this.#trail.unknown.add(`map ${statement.name}, which was not read`);
            return { ...result, on: [now] };
          }
          now = this.#meet(chain, rule, printVerdict(verdict), now);
          this.#verdict(verdict, now, at, above, result);
          return result;
        }
        case 'dnat':
        case 'randomDnat': {
          const targets = statement.kind === 'dnat' ? [{ slots: 1, target: statement.target }] : statement.targets;
          const modulus = statement.kind === 'dnat' ? 1 : statement.modulus;
          now = this.#meet(chain, rule, `DNAT to ${targets.map(({ target, slots }) => `${target.address}:${String(target.port ?? this.#packet.destinationPort)}${withProbability(slots / modulus)}`).join(', ')}`, now, counters);
          for (const { slots, target } of targets) {
            // A counter before a random choice counts all of its targets together, so it tells nothing of one of them.
            const own = counters !== undefined && targets.length === 1 ? { counters } : {};
            result.ended.push({
              ...now,
              probability: (now.probability * slots) / modulus,
              dnat: { address: target.address, port: target.port ?? this.#packet.destinationPort, ...own, by: stepOf(now) },
              verdict: 'DNAT',
              chain,
            });
          }
          return result;
        }
        case 'clearMark':
          now = { ...now, mark: (now.mark ^ statement.bits) >>> 0 };
          break;
        case 'masquerade':
          now = this.#meet(chain, rule, 'MASQUERADE', now);
          result.ended.push({ ...now, masqueradedBy: stepOf(now), verdict: 'ACCEPT', chain });
          return result;
        case 'reject':
          now = this.#meet(chain, rule, 'REJECT', now);
          result.ended.push({ ...now, verdict: 'REJECT', chain });
          return result;
        case 'unrecognized':
          this.#trail.unknown.add(statement.text);
          return { ...result, on: [branch] };
      }
    }
    return { ...result, on: [now] };
  }

  #verdict(verdict: NftVerdict, branch: Branch, at: At, above: readonly string[], result: { on: Branch[]; returned: Branch[]; ended: Ended[] }): void {
    const chain = above.at(-1) ?? '';
    switch (verdict.kind) {
      case 'jump':
      case 'goto': {
        const inner = this.chain(verdict.chain, [branch], at, above);
        result.ended.push(...inner.ended);
        (verdict.kind === 'jump' ? result.on : result.returned).push(...inner.through);
        break;
      }
      case 'return':
        result.returned.push(branch);
        break;
      case 'accept':
        result.ended.push({ ...branch, verdict: 'ACCEPT', chain });
        break;
      case 'drop':
        result.ended.push({ ...branch, verdict: 'DROP', chain });
        break;
    }
  }

  #meet(chain: string, rule: NftRule, effect: string, branch: Branch, counters?: Counters): Branch {
    const step: Step = { table: this.#table.name, chain, rule: rule.text, effect, ...(counters === undefined ? {} : { counters }) };
    return this.#trail.meet(rule, step, [branch])[0] ?? branch;
  }

  /** The verdict of a named map for the packet; undefined where no element has its key. */
  #ask(statement: Extract<NftStatement, { kind: 'verdictMap' }>, branch: Branch): NftVerdict | undefined {
    const words = statement.keys.map((key) => this.#words(key, branch));
    return this.#table.map(statement.name)?.find(({ key }) => key.length === words.length && key.every((word, index) => isSameWord(word, words[index])))?.verdict;
  }

  /** The packet's own value for a key; the destination is the DNAT target once there is one. */
  #words(key: NftKey, branch: Branch): string | undefined {
    switch (key.kind) {
      case 'sourceAddress':
        return this.#packet.source;
      case 'destinationAddress':
        return branch.dnat?.address ?? this.#packet.destination;
      case 'destinationPort':
        return String(branch.dnat?.port ?? this.#packet.destinationPort);
      case 'protocol':
        return this.#packet.protocol.toLowerCase();
      default:
        return undefined;
    }
  }

  #holds(match: Extract<NftStatement, { kind: 'match' }>, branch: Branch): boolean | undefined {
    const plain = this.#holdsPlain(match.key, match.value, branch);
    return plain === undefined ? undefined : plain !== match.negated;
  }

  #holdsPlain(key: NftKey, value: NftValue, branch: Branch): boolean | undefined {
    switch (key.kind) {
      case 'mark':
        return value.kind === 'value' ? (branch.mark & (key.mask ?? 0xffffffff)) >>> 0 === Number(value.text) : undefined;
      case 'connectionState':
        return value.kind === 'value' ? value.text === 'new' : value.kind === 'set' ? value.values.some((each) => each.kind === 'value' && each.text === 'new') : undefined;
      case 'connectionStatus':
        return value.kind === 'value' && value.text === 'dnat' ? branch.dnat !== undefined : undefined;
      case 'sourceType':
      case 'destinationType': {
        if (value.kind !== 'value' || value.text !== 'local') return undefined;
        const address = key.kind === 'sourceType' ? this.#packet.source : (branch.dnat?.address ?? this.#packet.destination);
        return this.#machine.addresses.some((own) => isSameAddress(own, address));
      }
      case 'concatenation': {
        const words = key.keys.map((each) => this.#words(each, branch));
        if (value.kind !== 'setReference' || words.some((word) => word === undefined)) return undefined;
        return this.#table.set(value.name)?.some((element) => element.length === words.length && element.every((word, index) => isSameWord(word, words[index])));
      }
      case 'unrecognized':
        return undefined;
      default: {
        const word = this.#words(key, branch);
        return word === undefined ? undefined : this.#isAmong(word, value);
      }
    }
  }

  #isAmong(word: string, value: NftValue): boolean | undefined {
    switch (value.kind) {
      case 'value':
        return isSameWord(value.text, word);
      case 'prefix':
        return prefixContains(value.text, word);
      case 'set': {
        const answers = value.values.map((each) => this.#isAmong(word, each));
        return answers.includes(true) ? true : answers.includes(undefined) ? undefined : false;
      }
      case 'setReference':
        // A client that has not been there before is in no affinity set.
        if (value.name.startsWith('affinity-')) return false;
        return this.#table.set(value.name)?.some((element) => element.length === 1 && (isSameWord(element[0], word) || (element[0]?.includes('/') === true && prefixContains(element[0], word) === true)));
      case 'unrecognized':
        return undefined;
    }
  }
}

function isSameWord(one: string | undefined, other: string | undefined): boolean {
  return one !== undefined && other !== undefined && (one === other || (one.includes(':') && isSameAddress(one, other)));
}

/** The rule that the branch met last. */
function stepOf(branch: Branch): Step {
  if (branch.met === undefined) throw new Error('a branch that met no rule was rewritten by none');
  return branch.met.step;
}
