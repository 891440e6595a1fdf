/** One rule as one English sentence: which packets it is about, and what it does with them. */

import { chosenByText, type ChosenBy } from '../evaluate/share.ts';

/** ownAddress: any address of this node, or none of them. */
type Destination = 'address' | 'ownAddress';

/** The packets that a rule is about, as words are found for its conditions. */
export class Subject {
  /** `connections` where the chain is registered at a nat hook: it sees the first packet of each alone. */
  readonly noun: 'connections' | 'packets';
  protocol = '';
  /** `from 10.244.0.0/16`, `to 10.96.0.1`, `port 80`. */
  readonly #where: string[] = [];
  #destination: Destination | undefined;
  /** Relative clauses: `whose connection is new`. */
  readonly conditions: string[] = [];
  /** `33.3 %`, of a random choice. */
  share: string | undefined;

  constructor(noun: 'connections' | 'packets') {
    this.noun = noun;
  }

  /** @param destination what the words name where the packets go to; absent where they name no address of that */
  place(words: string, destination?: Destination): void {
    this.#where.push(words);
    if (destination !== undefined) this.#destination = destination;
  }

  /** `port 80` behind an address, `to port 80` without one. */
  portText(port: string): string {
    if (this.#destination === undefined) return `to port ${port}`;
    return this.#destination === 'ownAddress' ? `at port ${port}` : `port ${port}`;
  }

  isEmpty(): boolean {
    return this.protocol === '' && this.#where.length === 0 && this.conditions.length === 0 && this.share === undefined;
  }

  /** @param isFirst the rule is the first one of its chain */
  text(isFirst: boolean): string {
    const name = `${this.protocol === '' ? '' : `${this.protocol} `}${this.noun}`;
    const share = this.share === undefined ? '' : `${this.share} of the `;
    const body = [name, ...this.#where].join(' ');
    if (this.conditions.length > 0) return capital(`${share}${body} ${this.conditions.join(' and ')}`);
    if (!this.isEmpty())
      return capital(
        `${share}${body}${this.share !== undefined && this.protocol === '' && this.#where.length === 0 ? ' that come this far' : ''}`,
      );
    return isFirst ? `All ${this.noun}` : `All ${this.noun} that come this far`;
  }
}

/** `a, b or c`. */
export function list(words: readonly string[], last: 'and' | 'or'): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} ${last} ${words.at(-1) ?? ''}`;
}

/** A sentence; several effects follow one another. */
export function sentenceOf(subject: string, effects: readonly string[]): string {
  const all = effects.length === 0 ? ['are counted, and go on with the next rule'] : effects;
  return `${subject} ${all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')}, then ${all.at(-1) ?? ''}`}.`;
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(share * 100 < 0.1 ? 3 : 1)} %`;
}

/** `33.3 %`, or what decides where no share is known. */
export function percentOf({ probability, chosenBy = 'Unknown' }: MaybeShare): string {
  return probability === undefined ? chosenByText[chosenBy] : percent(probability);
}

/** `: 33.3 % of the connections` behind a destination, or `, by hash of the client`. */
export function shareSuffix(share: MaybeShare): string {
  return share.probability === undefined
    ? `, ${percentOf(share)}`
    : `: ${percent(share.probability)} of the connections`;
}

interface MaybeShare {
  readonly probability?: number | undefined;
  readonly chosenBy?: ChosenBy | undefined;
}

function capital(text: string): string {
  // A name keeps its letters.
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
