/** Questions to the kernel's nf_tables whose answers all belong to one generation of the ruleset. */
import {
  errorNumber,
  flagInterrupted,
  messageDone,
  messageError,
  NetlinkAttributes,
  NetlinkError,
  type NetlinkMessage,
} from '../../core/nftables/netlink/message.ts';
import { nftQuestionMessage, parseNftAnswer, type NftQuestion } from '../../core/nftables/netlink/question.ts';
import type { Family } from '../../core/net/family.ts';
import type { NetlinkSocket } from './netlink-socket.ts';

/** The rules changed between two questions, so that the answers do not belong together. */
export class ChangedError extends Error {
  override readonly name = 'ChangedError';
}

/** The kernel's response to one question; undefined where what was asked for is not there. */
export type NftResponse = readonly NetlinkAttributes[] | undefined;

/** Of the ruleset as it is at the first question. The next question reports any change of it meanwhile. */
export class NftGeneration {
  readonly family: Family;
  readonly #socket: NetlinkSocket;
  #generation: number | undefined;

  constructor(socket: NetlinkSocket, family: Family) {
    this.#socket = socket;
    this.family = family;
  }

  get isKnown(): boolean {
    return this.#generation !== undefined;
  }

  /**
   * Asks all at once, and then for the generation: the answers before belong to it where it is that of the first of them.
   * Rejects with ChangedError, and with NetlinkError for whatever else keeps the answers from being read.
   */
  async ask(table: string, questions: readonly NftQuestion[]): Promise<readonly NftResponse[]> {
    if (questions.length === 0) return [];
    const all: readonly NftQuestion[] = [
      ...(this.#generation === undefined ? [{ ask: 'generation' } as const] : []),
      ...questions,
      { ask: 'generation' },
    ];
    const received = await this.#socket.ask(
      all.map((question, index) => nftQuestionMessage(question, this.family, table, index + 1)),
    );
    const answers = all.map(({ ask }, index) => this.#answer(ask, index + 1, received[index] ?? []));
    return answers.slice(-1 - questions.length, -1);
  }

  #answer(ask: NftQuestion['ask'], sequence: number, received: readonly NetlinkMessage[]): NftResponse {
    const answers: NetlinkAttributes[] = [];
    let isAbsent = false;
    const last = received.at(-1)?.type;
    if (last !== messageError && last !== messageDone) throw new NetlinkError('an answer of the kernel has no end');
    for (const message of received) {
      if (message.sequence !== sequence) throw new NetlinkError('the kernel answered another question than was asked');
      if ((message.flags & flagInterrupted) !== 0) throw new ChangedError('the rules changed while they were read');
      if (message.type === messageError || message.type === messageDone) {
        const number = errorNumber(message);
        if (number === interrupted) throw new ChangedError('the rules changed while they were read');
        if (number !== 0 && number !== noEntry)
          throw new NetlinkError(
            `the kernel refused a question over netlink (${ask}, error ${String(number)}${number === notPermitted ? ', not permitted' : ''})`,
          );
        isAbsent ||= number === noEntry;
        continue;
      }
      const { generation, attributes } = parseNftAnswer(ask, message);
      this.#generation ??= generation;
      if (generation !== this.#generation) throw new ChangedError('the rules changed while they were read');
      answers.push(new NetlinkAttributes(attributes));
    }
    return isAbsent ? undefined : answers;
  }
}

/** errno */
const [notPermitted, noEntry, interrupted] = [1, 2, 4];
