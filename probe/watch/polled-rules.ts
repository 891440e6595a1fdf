/**
 * What the kernel does not report, and is asked for: by the cheapest question that shows a change. Of IPVS, the Service's
 * lines of /proc/net/ip_vs, which show all of it. Of the legacy tables, their sizes (IPT_SO_GET_INFO): where they change, and at times
 * where they do not, the rules are read, for a table that was written again may be as large. Quick for a while after a change,
 * slow at rest, and never so often that it costs more than a small part of a CPU.
 */
import { readFile } from 'node:fs/promises';
import { parseProcVirtualServers } from '../../core/proc/ip-vs.ts';
import { comparableAddress, reachableAddresses } from '../../core/net/address.ts';
import type { NodeReportRecord } from '../../core/wire/node-report.ts';
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';
import { startLineHelper, type Commands, type LineHelper } from '../io/commands.ts';
import { ownAddresses } from '../io/own-addresses.ts';
import { legacySockets, legacySystemCalls } from '../rules/legacy-table.ts';

export type Polled = 'legacy' | 'ipvs';

/** How long it is asked quickly after a change, and how often. */
const quickMilliseconds = 5000;
const quickPause = 100;
/** At rest, a question; a reading where sizes say nothing. */
const restPause = { question: 2000, reading: 10_000 };
const longestPause = { question: 30_000, reading: 300_000 };
/** At rest, of a CPU; while it is quick, so much. */
const share = { rest: 500, quick: 5 };

/** `FAMILY LEVEL TABLE`, answered by `SIZE ENTRIES`, or `absent`; as in probe/rules/legacy-table.ts. */
const script = String.raw`
my ($call) = @ARGV;
my %sockets;
$| = 1;
while (my $line = <STDIN>) {
  my ($domain, $level, $table) = split " ", $line;
  if (!defined $sockets{$domain}) { socket($sockets{$domain}, $domain, 2, 0) or die "socket: $!\n" }
  my $info = pack("a32x52", $table);
  my $length = pack("L", 84);
  my $failed = syscall($call + 0, fileno($sockets{$domain}), $level + 0, 64, $info, $length);
  print $failed ? "absent\n" : join(" ", unpack("LL", substr($info, 76, 8))) . "\n";
}
`;

export interface PollResult {
  readonly services: readonly string[];
  /** The rules are to be read; where not, the question has shown that nothing changed. */
  readonly isDifferent: boolean;
  /** By the node's clock. */
  readonly askedAt: number;
  /** When the question had shown the change itself; absent where only the rules do. */
  readonly seenAt?: number;
}

export class PolledRules {
  readonly #commands: Commands;
  readonly #onResult: (result: PollResult) => void;
  #services: readonly ProbeRequestService[] = [];
  #tables: readonly string[] = [];
  #hasIpvs = false;
  #helper: LineHelper | undefined;
  #sizes: string | undefined;
  /** By Service. */
  #servers = new Map<string, string>();
  #quickUntil = 0;
  #pause = quickPause;
  #cost = 0;
  #readingCost = 0;
  #lastReading = 0;
  #timer: NodeJS.Timeout | undefined;
  #hasEnded = false;

  constructor(commands: Commands, onResult: (result: PollResult) => void) {
    this.#commands = commands;
    this.#onResult = onResult;
  }

  watch(services: readonly ProbeRequestService[]): void {
    this.#services = services;
  }

  /** A change is near, or was just now. */
  hurry(): void {
    this.#quickUntil = Date.now() + quickMilliseconds;
    this.#pause = quickPause;
    if (this.#timer !== undefined) this.#next();
  }

  /** By what was read, what has to be asked. @param milliseconds that the reading took */
  learn(records: readonly NodeReportRecord[], milliseconds: number): Polled[] {
    this.#readingCost = milliseconds;
    this.#lastReading = Date.now();
    const hasLegacy = records.some(
      (record) => record.kind === 'iptablesChain' && record.backend === 'legacy' && !record.absent,
    );
    this.#hasIpvs = records.some(({ kind }) => kind === 'ipvs');
    const tables = records.find((record) => record.kind === 'tables');
    this.#tables = !hasLegacy
      ? []
      : (['IPv4', 'IPv6'] as const).flatMap((family) =>
          (tables?.legacy[family] ?? []).map((table) => [...legacySockets[family], table].join(' ')),
        );
    if (this.#timer === undefined && !this.#hasEnded && (hasLegacy || this.#hasIpvs)) this.#next();
    return [...(hasLegacy ? (['legacy'] as const) : []), ...(this.#hasIpvs ? (['ipvs'] as const) : [])];
  }

  end(): void {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.#helper?.end();
  }

  #next(): void {
    clearTimeout(this.#timer);
    if (this.#hasEnded) return;
    this.#timer = setTimeout(() => {
      void this.#ask().finally(() => {
        this.#next();
      });
    }, this.#pauseNow());
  }

  #pauseNow(): number {
    if (Date.now() < this.#quickUntil) return Math.max(quickPause, this.#cost * share.quick);
    const rest = Math.min(Math.max(restPause.question, this.#cost * share.rest), longestPause.question);
    this.#pause = Math.min(this.#pause * 2, rest);
    return this.#pause;
  }

  async #ask(): Promise<void> {
    const askedAt = Date.now();
    const began = performance.now();
    const [sizes, servers] = await Promise.all([this.#legacySizes(), this.#hasIpvs ? this.#ownServers() : undefined]);
    this.#cost = performance.now() - began;
    const names = this.#services.map(nameOf);
    if (servers !== undefined) {
      const before = this.#servers;
      this.#servers = servers;
      const changed = names.filter((name) => before.get(name) !== servers.get(name));
      const same = names.filter((name) => before.get(name) === servers.get(name));
      if (changed.length > 0) this.#onResult({ services: changed, isDifferent: true, askedAt, seenAt: Date.now() + 1 });
      if (same.length > 0 && sizes === undefined) this.#onResult({ services: same, isDifferent: false, askedAt });
    }
    if (sizes === undefined) return;
    const isChanged = this.#sizes !== sizes;
    this.#sizes = sizes;
    const pause =
      Date.now() < this.#quickUntil
        ? Math.max(quickPause, this.#readingCost * share.quick)
        : Math.min(Math.max(restPause.reading, this.#readingCost * share.rest), longestPause.reading);
    if (isChanged || Date.now() - this.#lastReading > pause) {
      this.#lastReading = Date.now();
      this.#onResult({ services: names, isDifferent: true, askedAt });
    }
  }

  /** Undefined where there are no such tables; where they cannot be asked, a text that says nothing. */
  async #legacySizes(): Promise<string | undefined> {
    if (this.#tables.length === 0) return undefined;
    const calls = legacySystemCalls[process.arch];
    if (calls === undefined) return '';
    if (this.#helper?.hasFinished !== false)
      this.#helper = startLineHelper(this.#commands, ['perl', '-e', script, String(calls[0])]);
    const helper = this.#helper;
    const tables = this.#tables;
    const lines: string[] = [];
    const answered = new Promise<void>((resolve) => {
      helper.onLine = (line) => {
        lines.push(line);
        if (lines.length === tables.length) resolve();
      };
    });
    helper.write(tables.map((table) => `${table}\n`).join(''));
    await Promise.race([answered, helper.finished]);
    return lines.join('\n');
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
