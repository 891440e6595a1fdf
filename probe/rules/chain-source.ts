/**
 * Chains of iptables' tables in nf_tables, read in one of two ways: over netlink, at the cost of what is asked for, or where
 * that cannot be, by the tool.
 */
import { iptablesNftChain } from '../../core/iptables/netlink/chain.ts';
import { iptablesNftRule } from '../../core/iptables/netlink/rule-line.ts';
import { ruleAttributes } from '../../core/nftables/netlink/expression.ts';
import { NetlinkError, type NetlinkAttributes } from '../../core/nftables/netlink/message.ts';
import type { NftQuestion } from '../../core/nftables/netlink/question.ts';
import type { Family } from '../../core/net/family.ts';
import { iptablesTables } from '../../core/net/netfilter.ts';
import type { Commands } from '../io/commands.ts';
import { dumpChains } from './dump-chains.ts';
import { listChains, type ChainQuestion, type ListedChain, type Listing } from './list-chains.ts';
import { ChangedError, NftGeneration } from './nft-generation.ts';
import { readOverNetlink } from './over-netlink.ts';

export interface ChainSource {
  /** Rejects with ChangedError and NetlinkError where the other way is to be taken. @param table that is there */
  list(table: string, questions: readonly ChainQuestion[]): Promise<Listing>;
}

/** As readOverNetlink; where it has no result, the tool's chains are read. */
export async function readChains<Result>(
  commands: Commands,
  family: Family,
  read: (source: ChainSource) => Promise<Result>,
): Promise<Result> {
  const tool = toolChains(commands, family);
  const reading = await readOverNetlink(commands, (socket) =>
    read(new NetlinkChains(new NftGeneration(socket, family), tool)),
  );
  return reading === undefined ? read(tool) : reading.result;
}

/** Above this many chains, one dump costs less than a run of the tool for each of them. */
const maxTargetedChains = 256;

export function toolChains(commands: Commands, family: Family): ChainSource {
  const program = family === 'IPv4' ? 'iptables-nft' : 'ip6tables-nft';
  return {
    async list(table, questions) {
      if (questions.length <= maxTargetedChains || questions.some(({ references }) => references === true))
        return listChains(commands, program, table, questions);
      const names = new Set(questions.map(({ chain }) => chain));
      const { lines, present, problem } = await dumpChains(commands, `${program}-save`, table, names);
      return {
        chains: new Map([...present].map((chain) => [chain, { lines: lines.get(chain) ?? [] }])),
        ...(problem === undefined ? {} : { problem }),
      };
    },
  };
}

/** Of one generation. A chain that holds what is not known over netlink is read by the tool, and the others are not. */
export class NetlinkChains implements ChainSource {
  readonly #generation: NftGeneration;
  readonly #tool: ChainSource;
  /** By table. */
  readonly #present = new Map<string, Set<string>>();

  constructor(generation: NftGeneration, tool: ChainSource) {
    this.#generation = generation;
    this.#tool = tool;
  }

  async list(table: string, questions: readonly ChainQuestion[]): Promise<Listing> {
    const asked = [...new Map(questions.map((question) => [question.chain, question])).values()];
    const answers = await this.#generation.ask(
      table,
      asked.flatMap(({ chain }): NftQuestion[] => [
        { ask: 'chain', chain },
        { ask: 'rules', chain },
      ]),
    );
    const present = this.#present.get(table) ?? new Set();
    this.#present.set(table, present);
    const chains = new Map<string, ListedChain>();
    const unknown: ChainQuestion[] = [];
    asked.forEach((question, index) => {
      const [declaration] = answers[2 * index] ?? [];
      if (declaration === undefined) {
        // The kernel has built-in chains when they are first written to; to the tool they are there in any case.
        if (iptablesTables.get(table)?.has(question.chain) === true)
          chains.set(question.chain, { lines: [], policy: 'ACCEPT' });
        return;
      }
      present.add(question.chain);
      const chain = this.#chain(table, question, declaration, answers[2 * index + 1] ?? []);
      if (chain === undefined) unknown.push(question);
      else chains.set(question.chain, chain);
    });
    if (unknown.length === 0) return { chains };
    const rest = await this.#tool.list(table, unknown);
    return { ...rest, chains: new Map([...chains, ...rest.chains]) };
  }

  /** Whether the table has no chain but those that were listed, and these, and no other object. */
  async hasOnly(table: string, others: Iterable<string>): Promise<boolean> {
    const [answer] = await this.#generation.ask(table, [{ ask: 'table' }]);
    // NFTA_TABLE_USE
    return answer?.[0]?.number(3) === new Set([...(this.#present.get(table) ?? []), ...others]).size;
  }

  /** Undefined where it holds what is not known over netlink. */
  #chain(
    table: string,
    { chain: name, having }: ChainQuestion,
    declaration: NetlinkAttributes,
    messages: readonly NetlinkAttributes[],
  ): ListedChain | undefined {
    try {
      const { uses, policy, name: own } = iptablesNftChain(declaration, table);
      const rules = messages
        .filter((message) => having === undefined || hasAny(message.bytes(ruleAttributes.expressions), having))
        .map((message) => iptablesNftRule(message, this.#generation.family));
      if (own !== name || rules.some((rule) => rule.chain !== name))
        throw new NetlinkError(`the kernel answered with another chain than ${name}`);
      // The kernel counts a chain's own rules too.
      if (uses < messages.length) throw new ChangedError('the rules changed while they were read');
      return {
        lines: rules.map(({ line }) => line),
        references: uses - messages.length,
        ...(policy === undefined ? {} : { policy }),
      };
    } catch (error) {
      if (error instanceof NetlinkError) return undefined;
      throw error;
    }
  }
}

function hasAny(bytes: Uint8Array | undefined, wanted: readonly Buffer[]): boolean {
  if (bytes === undefined) return true;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return wanted.some((each) => buffer.includes(each));
}
