/**
 * The watch of a session: says of each watched Service when its rules changed and what they are then. The kernel reports
 * changes of nf_tables; of what it does not report, the legacy tables and IPVS, it is asked (polled-rules.ts). Rules are read only
 * where something that is a Service's own, or that its packets meet, has changed (docs/decisions/161-watched-rules.md).
 */
import { NetlinkError, parseNetlinkMessages } from '../../core/nftables/netlink/message.ts';
import {
  leavesDifference,
  parseNewGeneration,
  parseNftNotice,
  type NftNotice,
} from '../../core/nftables/netlink/notification.ts';
import type { NodeReportRecord } from '../../core/wire/node-report.ts';
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';
import type { RuleChange, RuleRecord } from '../../core/wire/watch-records.ts';
import type { WatchRequest } from '../../core/wire/watch-request.ts';
import { rulesText } from '../../core/wire/rules-text.ts';
import { present } from '../../core/lib/present.ts';
import { realCommands } from '../io/commands.ts';
import type { Emit } from '../io/emit.ts';
import { KernelEvents, type KernelEvent } from './kernel-events.ts';
import type { Difference } from './legacy-tables.ts';
import { PolledRules, type Polled, type PollResult } from './polled-rules.ts';
import { otherTerms, otherTermsOf, termsOf } from './rule-terms.ts';

export interface RuleWatchParts {
  /** Reads the rules of Services: the records of a report that have to do with rules. Rejects for nothing that a node can do. */
  readonly read: (services: readonly ProbeRequestService[], signal: AbortSignal, emit: Emit) => Promise<void>;
  readonly emit: (record: RuleRecord) => void;
  /** Nothing is watched any more. */
  readonly onFailure: (problem: string) => void;
}

/** Changes of one Service that are listed before its rules have been read; there are more where a peer does not take records. */
const maxChanges = 1000;
/** Where rules change during each reading, what was read last is given after so many of them. */
const maxReadings = 5;
/** The kernel answers at once; where it does not, what was read is not settled. */
const syncMilliseconds = 2000;

interface Watched {
  service: ProbeRequestService;
  terms: readonly Buffer[];
  /** Of the rules that were given last; undefined where none were. */
  text: string | undefined;
  changes: RuleChange[];
  omitted: number;
  hasLost: boolean;
  /** Its rules are to be read. */
  isDue: boolean;
  /** What was given last may have been older than its last change. */
  isDoubtful: boolean;
  /** When a reading began that found what was given last, by the node's clock. */
  lastSame: number;
  /** It is read because of what a question found. */
  isPolled: boolean;
  /** What questions found that may not be in what was read last. */
  differences: Difference[];
}

export class RuleWatch {
  readonly #parts: RuleWatchParts;
  readonly #ended = new AbortController();
  readonly #events: KernelEvents;
  readonly #polled: PolledRules;
  readonly #watched = new Map<string, Watched>();
  /** Names of chains and tables that are no Service's. */
  #others: ReadonlySet<string> = new Set();
  #polls: readonly Polled[] = [];
  #isHeld = false;
  #isReading = false;
  #areEventsKnown = true;
  #onIdle: (() => void)[] = [];

  constructor(parts: RuleWatchParts) {
    this.#parts = parts;
    const { signal } = this.#ended;
    this.#events = new KernelEvents(realCommands(Infinity, signal), (event) => {
      this.#received(event);
    });
    void this.#events.ended.then((problem) => {
      this.#areEventsKnown = false;
      if (!signal.aborted) this.#parts.onFailure(`what the kernel reports of its rules cannot be read: ${problem}`);
    });
    this.#polled = new PolledRules(realCommands(Infinity, signal), (result) => {
      this.#asked(result);
    });
  }

  /** From now on, these are watched. Of one that was not, the rules are given. */
  set({ services, isExpecting }: WatchRequest): void {
    const names = new Set(services.map(nameOf));
    for (const name of this.#watched.keys()) if (!names.has(name)) this.#watched.delete(name);
    let isNew = false;
    for (const service of services) {
      const present = this.#watched.get(nameOf(service));
      if (present !== undefined && JSON.stringify(present.service) === JSON.stringify(service)) continue;
      isNew = true;
      this.#watched.set(nameOf(service), {
        service,
        terms: termsOf(service),
        text: undefined,
        changes: [],
        omitted: 0,
        hasLost: false,
        isDue: true,
        isDoubtful: false,
        lastSame: 0,
        isPolled: false,
        differences: [],
      });
    }
    this.#polled.watch(services);
    if (isExpecting) this.#polled.hurry();
    if (isNew) void this.#wantTerms().then(() => this.#readDue());
  }

  /**
   * Resolves when all changes that were committed before have been given; false where that is not known: what no question shows,
   * what is held back, or what goes on changing.
   */
  async settled(): Promise<boolean> {
    if (!(await this.#sync())) return false;
    if (this.#polls.length > 0 && !(await this.#polled.ask())) return false;
    if (this.#isReading)
      await new Promise<void>((resolve) => {
        this.#onIdle.push(resolve);
      });
    const all = [...this.#watched.values()];
    return (
      this.#areEventsKnown &&
      !this.#isStopped() &&
      all.every(({ text, isDue, isDoubtful }) => text !== undefined && !isDue && !isDoubtful)
    );
  }

  /** While it is held, nothing is read: changes are written down. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    void this.#readDue();
  }

  end(): void {
    this.#ended.abort();
    this.#events.end();
    this.#polled.end();
    this.#watched.clear();
  }

  async #wantTerms(): Promise<void> {
    const own = [...this.#watched.values()].flatMap(({ terms }) => terms);
    await this.#events.want([
      ...new Map([...own, ...otherTerms(this.#others)].map((term) => [term.toString('hex'), term])).values(),
    ]);
  }

  #received(event: KernelEvent): void {
    const { latest, monotonic, span } = event.time;
    if (event.kind === 'lost') {
      for (const watched of this.#watched.values()) {
        watched.hasLost = true;
        watched.isDue = true;
      }
    } else {
      const { end, messages } = event;
      const change = { earliest: latest - span, latest, monotonic, ...present(generationOf(end)) };
      const others = otherTerms(this.#others);
      const concerns = (message: Buffer, terms: readonly Buffer[]): boolean =>
        terms.some((term) => message.includes(term));
      const isOfAll = differs(messages.filter((message) => concerns(message, others)));
      for (const watched of this.#watched.values())
        if (isOfAll || differs(messages.filter((message) => concerns(message, watched.terms)))) add(watched, change);
    }
    void this.#readDue();
  }

  /** What was asked has changed, or it is time to read what no question shows. */
  #asked({ services, difference }: PollResult): void {
    for (const name of services) {
      const watched = this.#watched.get(name);
      if (watched === undefined) continue;
      watched.isPolled = true;
      watched.isDue = true;
      if (difference === undefined) continue;
      watched.differences.push(difference);
      // While rules are held back, they may be many.
      const [first, second, ...rest] = watched.differences;
      if (first !== undefined && second !== undefined && rest.length + 2 > maxChanges)
        watched.differences = [{ earliest: first.earliest, latest: second.latest }, ...rest];
    }
    void this.#readDue();
  }

  async #readDue(): Promise<void> {
    if (this.#isReading || this.#isHeld || this.#ended.signal.aborted) return;
    this.#isReading = true;
    try {
      for (;;) {
        const due = [...this.#watched.values()].filter(({ isDue }) => isDue);
        if (due.length === 0 || this.#isStopped()) break;
        await this.#readUntilSettled(due);
      }
    } finally {
      this.#isReading = false;
      for (const resolve of this.#onIdle.splice(0)) resolve();
    }
  }

  /** Rules that are held back, or that nobody wants any more; a method, for both change while something is awaited. */
  #isStopped(): boolean {
    return this.#isHeld || this.#ended.signal.aborted;
  }

  async #readUntilSettled(all: readonly Watched[]): Promise<void> {
    let due = all;
    const read = new Map<Watched, ReadRules>();
    for (let count = 1; due.length > 0; count += 1) {
      for (const watched of due) watched.isDue = false;
      const known = new Map(due.map((watched) => [watched, [...watched.differences]]));
      const records: NodeReportRecord[] = [];
      const began = Date.now();
      await this.#parts.read(
        due.map(({ service }) => service),
        this.#ended.signal,
        (record) => records.push(record),
      );
      const ended = Date.now() + 1;
      const hasSynced = await this.#sync();
      // All differences until the end of the reading are known then.
      if (this.#polls.length > 0) await this.#polled.ask();
      if (this.#ended.signal.aborted) return;
      if (await this.#learn(records, ended - began)) {
        // What changed in those before they were known is read now.
        for (const watched of this.#watched.values()) watched.isDue = true;
      }
      for (const watched of due) {
        read.set(watched, readRules(watched, recordsFor(records, watched), ended, read.get(watched)));
        watched.differences = watched.differences.filter((each) => known.get(watched)?.includes(each) !== true);
      }
      const isLast = count === maxReadings;
      const settled = due.filter(({ isDue }) => !isDue || isLast);
      for (const watched of settled) {
        const rules = read.get(watched);
        if (rules !== undefined) this.#give(watched, rules, { began, ended }, hasSynced && !watched.isDue);
      }
      due = due.filter((watched) => !settled.includes(watched));
    }
  }

  async #sync(): Promise<boolean> {
    if (!this.#areEventsKnown) return false;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => {
        resolve(false);
      }, syncMilliseconds);
    });
    try {
      return await Promise.race([this.#events.sync().then(() => true), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** @returns whether there are names that were not known */
  async #learn(records: readonly NodeReportRecord[], milliseconds: number): Promise<boolean> {
    const services = [...this.#watched.keys()].map((name) => `-${name}/`);
    // Chains of kube-proxy's nftables have their Service's name in them.
    const found = otherTermsOf(records).filter((name) => !services.some((own) => name.includes(own)));
    const unknown = found.filter((name) => !this.#others.has(name));
    this.#polls = this.#polled.learn(records, milliseconds);
    if (unknown.length === 0) return false;
    this.#others = new Set([...this.#others, ...unknown]);
    await this.#wantTerms();
    return true;
  }

  #give(watched: Watched, { text, records, became }: ReadRules, read: RuleRecord['read'], isSettled: boolean): void {
    const isFirst = watched.text === undefined;
    const isSame = watched.text === text;
    if (watched.isPolled && !isFirst && !isSame && watched.changes.length === 0) watched.changes.push(became);
    const { changes, omitted, hasLost } = watched;
    const isDoubtful = watched.isDoubtful || !isSettled;
    Object.assign(watched, {
      text,
      changes: [],
      omitted: 0,
      hasLost: false,
      isDoubtful: !isSettled,
      isPolled: false,
    });
    watched.lastSame = read.began;
    if (!isFirst && !isSame) this.#polled.hurry();
    // One change that left what was there before, as it was read, was none of its own.
    if (!isFirst && isSame && !isDoubtful && !hasLost && changes.length + omitted <= 1) return;
    this.#parts.emit({
      kind: 'rules',
      service: nameOf(watched.service),
      changes,
      omitted,
      hasLost,
      isSettled,
      polled: [...this.#polls],
      read,
      records,
    });
  }
}

interface ReadRules {
  readonly text: string;
  readonly records: NodeReportRecord[];
  /** When they became so, by what questions found. */
  readonly became: Difference;
}

/**
 * They became so with one of the differences that may not be in what was read before, and came before the reading ended; where none
 * was found, at some time since they were last as they had been.
 * @param before of an earlier reading that was not given
 */
function readRules(
  { differences, lastSame, text: given }: Watched,
  records: NodeReportRecord[],
  ended: number,
  before: ReadRules | undefined,
): ReadRules {
  const text = rulesText(records);
  if (before?.text === text) return { ...before, records };
  const possible = differences.filter(({ earliest }) => earliest < ended);
  if (text === given || possible.length === 0) return { text, records, became: { earliest: lastSame, latest: ended } };
  const earliest = Math.max(lastSame, Math.min(...possible.map((each) => each.earliest)));
  return {
    text,
    records,
    became: { earliest, latest: Math.min(ended, Math.max(...possible.map((each) => each.latest))) },
  };
}

function add(watched: Watched, change: RuleChange): void {
  watched.isDue = true;
  if (watched.changes.length < maxChanges) watched.changes.push(change);
  else watched.omitted += 1;
}

function nameOf({ namespace, name }: ProbeRequestService): string {
  return `${namespace}/${name}`;
}

/** Records of this Service, and those of no Service. */
function recordsFor(records: readonly NodeReportRecord[], { service }: Watched): NodeReportRecord[] {
  const name = nameOf(service);
  return records.filter((record) => !('service' in record) || record.service === undefined || record.service === name);
}

function differs(messages: readonly Buffer[]): boolean {
  if (messages.length === 0) return false;
  try {
    return leavesDifference(
      messages.flatMap((message) =>
        parseNetlinkMessages(message).flatMap((each): NftNotice[] => {
          const notice = parseNftNotice(each);
          return notice === undefined ? [] : [notice];
        }),
      ),
    );
  } catch (error) {
    // What cannot be read may be anything.
    if (error instanceof NetlinkError) return true;
    throw error;
  }
}

function generationOf(end: Buffer): Pick<RuleChange, 'generation' | 'program'> {
  try {
    const [message] = parseNetlinkMessages(end);
    return message === undefined ? {} : parseNewGeneration(message);
  } catch (error) {
    if (error instanceof NetlinkError) return {};
    throw error;
  }
}
