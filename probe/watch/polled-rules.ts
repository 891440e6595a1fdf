/**
 * What the kernel does not report, and is asked for: by the cheapest question that shows a change. Of IPVS, the Service's
 * lines of /proc/net/ip_vs, which show all of it. Of the legacy tables, whether they are what they were (legacy-tables.ts). Where
 * they are too large for that, the rules are read at times, for a table that was written again may be as large as before. Quick for a
 * while after a change, slow at rest, and never so often that it costs more than a small part of a CPU.
 */
import { readFile } from 'node:fs/promises';
import { parseProcVirtualServers } from '../../core/proc/ip-vs.ts';
import { comparableAddress, reachableAddresses } from '../../core/net/address.ts';
import type { NodeReportRecord } from '../../core/wire/node-report.ts';
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';
import type { Commands } from '../io/commands.ts';
import { ownAddresses } from '../io/own-addresses.ts';
import { LegacyTables, type Difference } from './legacy-tables.ts';
import { longestPause, quickMilliseconds, quickPause, restPause, share } from './poll-pauses.ts';

export type Polled = 'legacy' | 'ipvs';

/** The rules of these Services are to be read. */
export interface PollResult {
  readonly services: readonly string[];
  /** When what a question has found came; absent where only the rules show it. */
  readonly difference?: Difference;
}

export class PolledRules {
  readonly #onResult: (result: PollResult) => void;
  readonly #legacy: LegacyTables;
  #services: readonly ProbeRequestService[] = [];
  #hasLegacy = false;
  #hasIpvs = false;
  /** By Service. */
  #servers = new Map<string, string>();
  /** When the virtual servers were asked for last. */
  #askedAt = 0;
  #quickUntil = 0;
  #pause = quickPause.question;
  #cost = 0;
  #readingCost = 0;
  #lastReading = 0;
  #timer: NodeJS.Timeout | undefined;
  #hasEnded = false;

  constructor(commands: Commands, onResult: (result: PollResult) => void) {
    this.#onResult = onResult;
    this.#legacy = new LegacyTables(commands, (difference) => {
      onResult({ services: this.#services.map(nameOf), difference });
    });
  }

  watch(services: readonly ProbeRequestService[]): void {
    this.#services = services;
  }

  /** A change is near, or was just now. */
  hurry(): void {
    this.#quickUntil = Date.now() + quickMilliseconds;
    this.#pause = quickPause.question;
    this.#legacy.hurry(quickMilliseconds);
    if (this.#timer !== undefined) this.#next();
  }

  /** By what was read, what has to be asked. @param milliseconds that the reading took */
  learn(records: readonly NodeReportRecord[], milliseconds: number): Polled[] {
    this.#readingCost = milliseconds;
    this.#lastReading = Date.now();
    this.#hasLegacy = records.some(
      (record) => record.kind === 'iptablesChain' && record.backend === 'legacy' && !record.absent,
    );
    this.#hasIpvs = records.some(({ kind }) => kind === 'ipvs');
    const tables = records.find((record) => record.kind === 'tables');
    this.#legacy.watch((this.#hasLegacy ? tables?.legacy : undefined) ?? { IPv4: [], IPv6: [] });
    if (this.#timer === undefined && !this.#hasEnded && (this.#hasLegacy || this.#hasIpvs)) this.#next();
    return [...(this.#hasLegacy ? (['legacy'] as const) : []), ...(this.#hasIpvs ? (['ipvs'] as const) : [])];
  }

  /**
   * Asks now. What changed is given to the one who listens before this resolves.
   * @returns whether everything that had changed by then has been given; false where only the rules show that, and for IPVS, whose
   * IP sets are no virtual servers
   */
  async ask(): Promise<boolean> {
    await Promise.all([this.#legacy.ask(), this.#hasIpvs ? this.#askServers() : undefined]);
    return !this.#hasIpvs && !this.#needsReadings();
  }

  /** Questions do not show all changes of the legacy tables. */
  #needsReadings(): boolean {
    return this.#hasLegacy && !this.#legacy.isWhole;
  }

  end(): void {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.#legacy.end();
  }

  #next(): void {
    clearTimeout(this.#timer);
    if (this.#hasEnded) return;
    this.#timer = setTimeout(() => {
      void this.#askAgain().finally(() => {
        this.#next();
      });
    }, this.#pauseNow());
  }

  /** The legacy tables are asked for by their own program. */
  #pauseNow(): number {
    const isQuick = Date.now() < this.#quickUntil;
    if (isQuick && this.#hasIpvs) return Math.max(quickPause.question, this.#cost * share.quick);
    if (isQuick && this.#needsReadings()) return quickPause.reading;
    const rest = Math.min(Math.max(restPause.question, this.#cost * share.rest), longestPause.question);
    this.#pause = Math.min(this.#pause * 2, rest);
    return this.#pause;
  }

  async #askAgain(): Promise<void> {
    if (this.#hasIpvs) await this.#askServers();
    if (!this.#needsReadings() || Date.now() - this.#lastReading <= this.#readingPause()) return;
    this.#lastReading = Date.now();
    this.#onResult({ services: this.#services.map(nameOf) });
  }

  async #askServers(): Promise<void> {
    const askedAt = Date.now();
    const began = performance.now();
    const servers = await this.#ownServers();
    this.#cost = performance.now() - began;
    const before = this.#servers;
    this.#servers = servers;
    const difference = { earliest: this.#askedAt, latest: Date.now() + 1 };
    this.#askedAt = askedAt;
    const changed = this.#services.map(nameOf).filter((name) => before.get(name) !== servers.get(name));
    if (changed.length > 0) this.#onResult({ services: changed, difference });
  }

  #readingPause(): number {
    return Date.now() < this.#quickUntil
      ? Math.max(quickPause.reading, this.#readingCost * share.quick)
      : Math.min(Math.max(restPause.reading, this.#readingCost * share.rest), longestPause.reading);
  }

  /** The lines of each Service's virtual servers, without their connections. */
  async #ownServers(): Promise<Map<string, string>> {
    const text = await readFile('/proc/net/ip_vs', 'utf8').catch(() => '');
    const blocks = new Map<string, string>();
    let lines: string[] = [];
    let key: string | undefined;
    const close = (): void => {
      if (key !== undefined) blocks.set(key, lines.join('\n'));
      lines = [];
    };
    for (const line of text.split('\n')) {
      // Forwarding and weight come before the connections: `  -> 0AF40104:1F90      Masq    1      0          0`.
      if (line.startsWith('  ->')) lines.push(line.trim().split(/\s+/).slice(0, 4).join(' '));
      else {
        close();
        const [server] = parseProcVirtualServers(line);
        key = server === undefined ? undefined : keyOf(server);
        lines.push(line);
      }
    }
    close();
    const own = ownAddresses();
    return new Map(
      this.#services.map((service) => [
        nameOf(service),
        frontendKeys(service, own)
          .map((each) => blocks.get(each) ?? 'absent')
          .join('\n'),
      ]),
    );
  }
}

function keyOf({
  protocol,
  address,
  port,
}: {
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
}): string {
  return `${protocol} ${comparableAddress(address)} ${String(port)}`;
}

function frontendKeys(
  { clusterIPs, externalIPs, loadBalancerIPs, ports }: ProbeRequestService,
  nodeAddresses: readonly string[],
): string[] {
  const node = (['IPv4', 'IPv6'] as const).flatMap((family) => reachableAddresses(nodeAddresses, family));
  return ports.flatMap(({ protocol, port, nodePort }) => [
    ...[...clusterIPs, ...externalIPs, ...loadBalancerIPs].map((address) => keyOf({ protocol, address, port })),
    ...(nodePort === undefined ? [] : node.map((address) => keyOf({ protocol, address, port: nodePort }))),
  ]);
}

function nameOf({ namespace, name }: ProbeRequestService): string {
  return `${namespace}/${name}`;
}
