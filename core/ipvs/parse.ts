/**
 * IPVS's virtual servers: `ipvsadm -Ln`, `-Ln --stats`, `-Ln --rate` (with --exact or not), `ipvsadm -Sn` and
 * /proc/net/ip_vs. Formats: print_service_entry and print_title in ipvsadm.c (1.31), ip_vs_info_seq_show in the
 * kernel's net/netfilter/ipvs/ip_vs_ctl.c.
 */
import { canonicalAddress, parseHostPort, comparableAddress } from '../net/address.ts';
import { familyOf, type Protocol } from '../net/family.ts';
import type { IpvsTraffic, RealServer, VirtualServer } from './virtual-server.ts';
import { DumpLines, type DumpParser, type DumpProblem } from '../dump/lines.ts';

/** What names a virtual server: an address, port and protocol, or a firewall mark with its family. */
export type VirtualServerName = Pick<VirtualServer, 'protocol' | 'address' | 'port' | 'firewallMark' | 'family'>;

/** What a list of --stats or --rate says of one virtual server; that list has no scheduler and no weights. */
export interface IpvsTrafficRow {
  readonly server: VirtualServerName;
  readonly kind: 'stats' | 'rate';
  readonly traffic: IpvsTraffic;
  readonly realServers: readonly { readonly address: string; readonly port: number; readonly traffic: IpvsTraffic }[];
  readonly line: number;
}

export interface IpvsTable {
  readonly virtualServers: readonly VirtualServer[];
  /** Traffic of servers that no other list of the dump describes. */
  readonly traffic: readonly IpvsTrafficRow[];
}

/** All virtual servers of a text. */
export function parseIpvsadm(text: string): ReturnType<IpvsadmDump['end']> {
  const dump = new IpvsadmDump();
  dump.push(text);
  return dump.end();
}

/** Puts the numbers of `--stats` and `--rate` beside the servers that they are of; what fits none is left over. */
export function mergeIpvsTraffic(virtualServers: readonly VirtualServer[], rows: readonly IpvsTrafficRow[]): IpvsTable {
  const servers = new Map(virtualServers.map((server) => [keyOf(server), server]));
  const left: IpvsTrafficRow[] = [];
  for (const row of rows) {
    const key = keyOf(row.server);
    const server = servers.get(key);
    if (server === undefined) {
      left.push(row);
      continue;
    }
    const known = new Set(server.realServers.map(endpointOf));
    const traffic = new Map(row.realServers.map((real) => [endpointOf(real), real.traffic]));
    servers.set(key, {
      ...server,
      [row.kind]: row.traffic,
      realServers: server.realServers.map((real) => {
        const own = traffic.get(endpointOf(real));
        return own === undefined ? real : { ...real, [row.kind]: own };
      }),
    });
    const unknown = row.realServers.filter((real) => !known.has(endpointOf(real)));
    if (unknown.length > 0) left.push({ ...row, realServers: unknown });
  }
  return { virtualServers: [...servers.values()], traffic: left };
}

/**
 * As `ipvsadm -Sn` prints them, and `ipvsadm -R` reads them.
 * @throws RangeError for a persistence that is known in ticks only: printing none, or ipvsadm's default, would be another rule
 */
export function printIpvsadmSave(virtualServers: readonly VirtualServer[]): string {
  return virtualServers
    .flatMap((server) => {
      const name = saveName(server);
      return [saveServer(name, server), ...server.realServers.map((real) => saveRealServer(name, real))];
    })
    .map((line) => `${line}\n`)
    .join('');
}

interface OpenServer {
  server: Omit<VirtualServer, 'realServers'>;
  readonly realServers: Map<string, RealServer>;
}

/** Which list the lines are of, as its heading says. */
type Form = 'list' | 'proc' | 'stats' | 'rate' | 'not known';

/** Reads all forms, one after the other too: servers that two lists describe are one. */
export class IpvsadmDump implements DumpParser<IpvsTable> {
  readonly #lines: DumpLines;
  readonly #problems: DumpProblem[] = [];
  readonly #servers = new Map<string, OpenServer>();
  readonly #rows: (IpvsTrafficRow & {
    readonly realServers: { address: string; port: number; traffic: IpvsTraffic }[];
  })[] = [];
  #form: Form | undefined;
  /** Whose real servers follow in a list. */
  #current: OpenServer | 'skipped' | undefined;
  /** Servers that the current list has already. */
  #seen = new Set<string>();

  constructor() {
    this.#lines = new DumpLines(
      (text, line) => {
        this.#read(text, line);
      },
      (problem) => this.#problems.push(problem),
    );
  }

  push(chunk: Uint8Array | string): void {
    this.#lines.push(chunk);
  }

  end(): { readonly result: IpvsTable; readonly problems: readonly DumpProblem[] } {
    this.#lines.end();
    const servers = [...this.#servers.values()].map(({ server, realServers }) => ({
      ...server,
      realServers: [...realServers.values()],
    }));
    return { result: mergeIpvsTraffic(servers, this.#rows), problems: this.#problems };
  }

  #read(raw: string, line: number): void {
    const text = raw.trim();
    if (text === '') return;
    const words = text.split(/\s+/);
    const [first = ''] = words;
    if (text.startsWith('IP Virtual Server version ')) this.#begin(undefined);
    else if (first === 'Prot' && words[1] === 'LocalAddress:Port') this.#begin(formOfHeading(words.slice(2)));
    else if (first === '->' && words[1] === 'RemoteAddress:Port') this.#readSecondHeading(raw, words, line);
    else if (first === '-A' || first === '--add-service') this.#readSavedServer(words.slice(1), text, line);
    else if (first === '-a' || first === '--add-server') this.#readSavedRealServer(words.slice(1), text, line);
    else if (this.#form === 'not known')
      this.#problem(
        line,
        `stands in a list that is not known (that of --thresholds, --persistent-conn or -c); give ipvsadm -Ln: ${excerpt(text)}`,
      );
    else if (first === '->') this.#readRealServer(words.slice(1), text, line);
    else this.#readServer(words, text, line);
  }

  #begin(form: Form | undefined): void {
    this.#form = form;
    this.#current = undefined;
    this.#seen = new Set();
  }

  /** /proc/net/ip_vs and ipvsadm -Ln have the same words in it, and differ in the columns' width. */
  #readSecondHeading(raw: string, words: readonly string[], line: number): void {
    if (this.#form !== 'list' || words.length <= 2) return;
    if (words.slice(2).join(' ') !== 'Forward Weight ActiveConn InActConn') {
      this.#form = 'not known';
      this.#problem(line, `is the heading of a list that is not known; give ipvsadm -Ln: ${excerpt(raw.trim())}`);
    } else if (raw.includes('RemoteAddress:Port Forward')) this.#form = 'proc';
  }

  #readServer(words: readonly string[], text: string, line: number): void {
    this.#current = 'skipped';
    const named =
      this.#form === 'stats' || this.#form === 'rate' ? readListName(words, false) : this.#readName(words, text, line);
    if (named === 'reported') return;
    if (named === undefined) {
      this.#problem(line, `is not a line of ipvsadm -Ln, ipvsadm -Sn or /proc/net/ip_vs: ${excerpt(text)}`);
      return;
    }
    const { name, rest } = named;
    this.#form ??= named.isHex ? 'proc' : 'list';
    if (this.#form === 'stats' || this.#form === 'rate') {
      const traffic = readTraffic(rest);
      if (traffic === undefined)
        this.#problem(line, `has other columns than a list of --${this.#form}: ${excerpt(text)}`);
      else {
        this.#rows.push({ server: name, kind: this.#form, traffic, realServers: [], line });
        this.#current = undefined;
      }
      return;
    }
    const server = readListed(name, rest, named.isHex, line);
    if (typeof server === 'string') this.#problem(line, `${server}: ${excerpt(text)}`);
    else this.#current = this.#declare(server, line);
  }

  /** Without a heading, hexadecimal and decimal numbers are distinguished where they can be. */
  #readName(words: readonly string[], text: string, line: number): ReturnType<typeof readListName> | 'reported' {
    if (this.#form !== undefined) return readListName(words, this.#form === 'proc');
    const listed = readListName(words, false);
    const proc = readListName(words, true);
    if (listed !== undefined && proc !== undefined) {
      this.#problem(
        line,
        `can be a line of ipvsadm -Ln or of /proc/net/ip_vs, which has hexadecimal numbers; give the list with its heading: ${excerpt(text)}`,
      );
      return 'reported';
    }
    return listed ?? proc;
  }

  #readRealServer(words: readonly string[], text: string, line: number): void {
    const row = this.#form === 'stats' || this.#form === 'rate' ? this.#rows.at(-1) : undefined;
    if (this.#current === 'skipped') {
      this.#problem(line, `is a real server of a virtual server that could not be read: ${excerpt(text)}`);
    } else if (row !== undefined) {
      const endpoint = readEndpoint(words[0] ?? '', false);
      const traffic = readTraffic(words.slice(1));
      if (endpoint === undefined || traffic === undefined)
        this.#problem(line, `is not a real server of a list of --${row.kind}: ${excerpt(text)}`);
      else row.realServers.push({ ...endpoint, traffic });
    } else if (this.#current === undefined) {
      this.#problem(
        line,
        `is a real server with no virtual server before it: the list begins too late; capture it again: ${excerpt(text)}`,
      );
    } else {
      const { realServers } = this.#current;
      const real = readListedRealServer(words, this.#form === 'proc');
      if (real === undefined)
        this.#problem(line, `is not a real server of a list of virtual servers: ${excerpt(text)}`);
      else {
        if (real.forward === 'unknown')
          this.#problem(line, `has a way of forwarding that is not known: ${excerpt(text)}`);
        addRealServer(realServers, real);
      }
    }
  }

  #readSavedServer(words: readonly string[], text: string, line: number): void {
    if (this.#form !== undefined) this.#begin(undefined);
    const saved = readSavedName(words);
    if (saved === undefined) {
      this.#problem(line, `names no virtual server as ipvsadm -Sn does (make the dump with -n): ${excerpt(text)}`);
      return;
    }
    const server = readSavedOptions(saved.name, saved.rest, line);
    if (typeof server === 'string') this.#problem(line, `${server}: ${excerpt(text)}`);
    else this.#declare(server, line);
  }

  #readSavedRealServer(words: readonly string[], text: string, line: number): void {
    const saved = readSavedName(words);
    const open = saved === undefined ? undefined : this.#servers.get(keyOf(saved.name));
    if (saved === undefined)
      this.#problem(line, `names no virtual server as ipvsadm -Sn does (make the dump with -n): ${excerpt(text)}`);
    else if (open === undefined)
      this.#problem(
        line,
        `is a real server of a virtual server that no -A line before it adds: the dump begins too late; capture it again: ${excerpt(text)}`,
      );
    else {
      const real = readSavedRealServer(saved.rest, saved.name.port ?? 0);
      if (typeof real === 'string') this.#problem(line, `${real}: ${excerpt(text)}`);
      else addRealServer(open.realServers, real);
    }
  }

  #declare(server: Omit<VirtualServer, 'realServers'>, line: number): OpenServer {
    const key = keyOf(server);
    const open = this.#servers.get(key);
    if (open === undefined) {
      const opened: OpenServer = { server, realServers: new Map() };
      this.#servers.set(key, opened);
      this.#seen.add(key);
      return opened;
    }
    if (this.#seen.has(key))
      this.#problem(
        line,
        `declares the virtual server of line ${open.server.line} again; their real servers are taken together`,
      );
    this.#seen.add(key);
    // Another list of the same servers: what only one of the two says is kept.
    open.server = {
      ...open.server,
      ...server,
      schedulerFlags: server.schedulerFlags.length > 0 ? server.schedulerFlags : open.server.schedulerFlags,
      isOnePacket: server.isOnePacket || open.server.isOnePacket,
      others: [...new Set([...open.server.others, ...server.others])],
      line: open.server.line,
    };
    return open;
  }

  #problem(line: number, message: string): void {
    this.#problems.push({ line, message });
  }
}

function formOfHeading(columns: readonly string[]): Form {
  switch (columns.join(' ')) {
    case 'Scheduler Flags':
      return 'list';
    case 'Conns InPkts OutPkts InBytes OutBytes':
      return 'stats';
    case 'CPS InPPS OutPPS InBPS OutBPS':
      return 'rate';
    default:
      return 'not known';
  }
}

function addRealServer(realServers: Map<string, RealServer>, real: RealServer): void {
  const earlier = realServers.get(endpointOf(real));
  realServers.set(
    endpointOf(real),
    earlier === undefined
      ? real
      : {
          ...earlier,
          ...real,
          forward: mergedForward(earlier, real),
          others: [...new Set([...earlier.others, ...real.others])],
        },
  );
}

/** -Sn cannot say Local. */
function mergedForward(earlier: RealServer, later: RealServer): RealServer['forward'] {
  return earlier.forward === 'Local' && later.forward === 'Route' ? 'Local' : later.forward;
}

function keyOf({ protocol, address, port, firewallMark, family }: VirtualServerName): string {
  return firewallMark === undefined
    ? `${protocol ?? ''} ${address ?? ''} ${port ?? ''}`
    : `mark ${firewallMark} ${family ?? ''}`;
}

function endpointOf({ address, port }: { readonly address: string; readonly port: number }): string {
  return `${address} ${port}`;
}

const protocols = new Map<string, Protocol>([
  ['TCP', 'TCP'],
  ['UDP', 'UDP'],
  ['SCTP', 'SCTP'],
]);

interface ListName {
  readonly name: VirtualServerName;
  readonly rest: readonly string[];
  readonly isHex: boolean;
}

/** `TCP 10.96.0.1:443 …`, `TCP 0A600001:01BB …`, `FWM 1 …`, `FWM 1 IPv6 …`. */
function readListName(words: readonly string[], isHex: boolean): ListName | undefined {
  const [kind = '', subject = ''] = words;
  if (kind === 'FWM') {
    const firewallMark = isHex ? readHex(subject, 8) : readMark(subject);
    if (firewallMark === undefined) return undefined;
    if (isHex) return { name: { firewallMark }, rest: words.slice(2), isHex };
    const isIpv6 = words[2] === 'IPv6';
    return { name: { firewallMark, family: isIpv6 ? 'IPv6' : 'IPv4' }, rest: words.slice(isIpv6 ? 3 : 2), isHex };
  }
  const protocol = protocols.get(kind);
  const endpoint = readEndpoint(subject, isHex);
  return protocol === undefined || endpoint === undefined
    ? undefined
    : { name: { protocol, ...endpoint }, rest: words.slice(2), isHex };
}

/** ipvsadm prints a mark as a signed number. */
function readMark(text: string): number | undefined {
  return /^-?\d{1,10}$/.test(text) ? Number(text) >>> 0 : undefined;
}

function readHex(text: string, digits: number): number | undefined {
  return text.length === digits && /^[0-9A-F]+$/.test(text) ? Number.parseInt(text, 16) : undefined;
}

function readEndpoint(text: string, isHex: boolean): { readonly address: string; readonly port: number } | undefined {
  if (!isHex) {
    // Most are of IPv4, which has one spelling.
    const [, v4, v4Port] = /^((?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!:)|(?=:))){4}):(\d{1,5})$/.exec(text) ?? [];
    if (v4 !== undefined) return Number(v4Port) <= 65535 ? { address: v4, port: Number(v4Port) } : undefined;
    const endpoint = text.startsWith('[') ? parseHostPort(text) : undefined;
    const address = endpoint === undefined ? undefined : canonicalAddress(endpoint.address);
    return endpoint === undefined || address === undefined ? undefined : { address, port: endpoint.port };
  }
  const [, v6, v4 = '', portText = ''] =
    /^(?:\[((?:[0-9a-f]{4}:){7}[0-9a-f]{4})\]|([0-9A-F]{8})):([0-9A-F]{4})$/.exec(text) ?? [];
  const port = readHex(portText, 4);
  const value = readHex(v4, 8);
  if (port === undefined) return undefined;
  if (v6 !== undefined) return { address: comparableAddress(v6), port };
  return value === undefined ? undefined : { address: dotted(value), port };
}

function dotted(value: number): string {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join('.');
}

/** Behind the name: `SCHEDULER [(FLAGS)] [persistent N [mask M] [pe NAME]] [ops]`; in /proc: `SCHEDULER [ops] [persistent TICKS MASK]`. */
function readListed(
  name: VirtualServerName,
  words: readonly string[],
  isHex: boolean,
  line: number,
): Omit<VirtualServer, 'realServers'> | string {
  const [scheduler, ...rest] = words;
  if (scheduler === undefined || !/^[a-z]+$/.test(scheduler)) return 'has no scheduler where it is expected';
  const others: string[] = [];
  const found: {
    schedulerFlags?: string[];
    isOnePacket?: boolean;
    persistence?: number;
    persistenceTicks?: number;
    persistenceMask?: string;
  } = {};
  for (let index = 0; index < rest.length; index += 1) {
    const word = rest[index] ?? '';
    const value = rest[index + 1];
    if (word === 'ops') found.isOnePacket = true;
    else if (/^\(.*\)$/.test(word)) found.schedulerFlags = flagsOf(word.slice(1, -1));
    else if (word === 'persistent' && value !== undefined && /^\d+$/.test(value)) {
      index += 1;
      if (!isHex) found.persistence = Number(value);
      else {
        found.persistenceTicks = Number(value);
        const mask = readHex(rest[index + 1] ?? '', 8);
        if (mask === undefined) return 'has no mask of persistence where /proc/net/ip_vs has it';
        index += 1;
        const shown =
          name.address?.includes(':') === true ? prefixOfProc(mask) : mask === 0xffffffff ? undefined : dotted(mask);
        if (shown !== undefined) found.persistenceMask = shown;
      }
    } else if (word === 'mask' && value !== undefined) {
      found.persistenceMask = value;
      index += 1;
    } else if (word === 'pe' && value !== undefined) {
      others.push(`--pe ${value}`);
      index += 1;
    } else return `has a word that is not known, "${word}"`;
  }
  return { ...name, scheduler, schedulerFlags: [], isOnePacket: false, ...found, others, line };
}

/** The kernel prints the prefix length of IPv6 with its bytes turned round: 80000000 is 128. */
function prefixOfProc(mask: number): string | undefined {
  const length = ((mask & 255) << 24) | ((mask & 0xff00) << 8) | ((mask >>> 8) & 0xff00) | (mask >>> 24);
  return length === 128 ? undefined : String(length);
}

function flagsOf(text: string): string[] {
  return text.split(',').filter((flag) => flag !== '');
}

const forwards = new Map<string, RealServer['forward']>([
  ['Masq', 'Masq'],
  ['Route', 'Route'],
  ['Tunnel', 'Tunnel'],
  ['Local', 'Local'],
]);

/** `10.244.0.2:6443 Masq 1 3 0`. */
function readListedRealServer(words: readonly string[], isHex: boolean): RealServer | undefined {
  const [subject = '', forward = '', ...numbers] = words;
  const endpoint = readEndpoint(subject, isHex);
  const [weight, activeConnections, inactiveConnections] = numbers.map((number) =>
    /^-?\d+$/.test(number) ? Number(number) : undefined,
  );
  if (
    endpoint === undefined ||
    numbers.length !== 3 ||
    weight === undefined ||
    activeConnections === undefined ||
    inactiveConnections === undefined
  )
    return undefined;
  return {
    ...endpoint,
    forward: forwards.get(forward) ?? 'unknown',
    weight,
    activeConnections,
    inactiveConnections,
    others: forwards.has(forward) ? [] : [forward],
  };
}

const magnitudes = new Map([
  ['', 1],
  ['K', 1e3],
  ['M', 1e6],
  ['G', 1e9],
  ['T', 1e12],
]);

function readTraffic(words: readonly string[]): IpvsTraffic | undefined {
  const numbers = words.map((word) => {
    const [, digits, letter = ''] = /^(\d+)([KMGT]?)$/.exec(word) ?? [];
    return digits === undefined ? undefined : Number(digits) * (magnitudes.get(letter) ?? 1);
  });
  const [connections, inPackets, outPackets, inBytes, outBytes] = numbers;
  if (
    words.length !== 5 ||
    connections === undefined ||
    inPackets === undefined ||
    outPackets === undefined ||
    inBytes === undefined ||
    outBytes === undefined
  )
    return undefined;
  return {
    connections,
    inPackets,
    outPackets,
    inBytes,
    outBytes,
    isRounded: words.some((word) => /[KMGT]$/.test(word)),
  };
}

const serviceOptions = new Map<string, Protocol>([
  ['-t', 'TCP'],
  ['--tcp-service', 'TCP'],
  ['-u', 'UDP'],
  ['--udp-service', 'UDP'],
  ['--sctp-service', 'SCTP'],
]);

/** `-t 10.96.0.1:443 …` or `-f 1 [-6] …`. */
function readSavedName(
  words: readonly string[],
): { readonly name: VirtualServerName; readonly rest: readonly string[] } | undefined {
  const [option = '', subject = ''] = words;
  if (option === '-f' || option === '--fwmark-service') {
    const firewallMark = readMark(subject);
    const isIpv6 = words[2] === '-6' || words[2] === '--ipv6';
    return firewallMark === undefined
      ? undefined
      : { name: { firewallMark, family: isIpv6 ? 'IPv6' : 'IPv4' }, rest: words.slice(isIpv6 ? 3 : 2) };
  }
  const protocol = serviceOptions.get(option);
  const endpoint = readEndpoint(subject, false);
  return protocol === undefined || endpoint === undefined
    ? undefined
    : { name: { protocol, ...endpoint }, rest: words.slice(2) };
}

/** ipvsadm(8): wlc where -s is not given, 300 seconds where -p has no number. */
function readSavedOptions(
  name: VirtualServerName,
  words: readonly string[],
  line: number,
): Omit<VirtualServer, 'realServers'> | string {
  const others: string[] = [];
  const found: {
    scheduler?: string;
    schedulerFlags?: string[];
    isOnePacket?: boolean;
    persistence?: number;
    persistenceMask?: string;
  } = {};
  for (let index = 0; index < words.length; index += 1) {
    const option = words[index] ?? '';
    const value = words[index + 1]?.startsWith('-') === true ? undefined : words[index + 1];
    if (value !== undefined && option !== '-o' && option !== '--ops') index += 1;
    if ((option === '-s' || option === '--scheduler') && value !== undefined) found.scheduler = value;
    else if (option === '-p' || option === '--persistent') {
      if (value !== undefined && !/^\d+$/.test(value))
        return `has a persistence that is not a number of seconds, "${value}"`;
      found.persistence = value === undefined ? 300 : Number(value);
    } else if ((option === '-M' || option === '--netmask') && value !== undefined) found.persistenceMask = value;
    else if (option === '-o' || option === '--ops') found.isOnePacket = true;
    else if (option === '-b' || option === '--sched-flags') found.schedulerFlags = flagsOf(value ?? '');
    else if (!option.startsWith('-')) return `has a word that belongs to no option, "${option}"`;
    else others.push(value === undefined ? option : `${option} ${value}`);
  }
  return { ...name, scheduler: 'wlc', schedulerFlags: [], isOnePacket: false, ...found, others, line };
}

const forwardOptions = new Map<string, RealServer['forward']>([
  ['-m', 'Masq'],
  ['--masquerading', 'Masq'],
  ['-i', 'Tunnel'],
  ['--ipip', 'Tunnel'],
  ['-g', 'Route'],
  ['--gatewaying', 'Route'],
]);

/** ipvsadm(8): Route where no forwarding method is given, weight 1, and the virtual server's port. */
function readSavedRealServer(words: readonly string[], port: number): RealServer | string {
  const others: string[] = [];
  const found: { forward?: RealServer['forward']; weight?: number } = {};
  let endpoint: { readonly address: string; readonly port: number } | undefined;
  for (let index = 0; index < words.length; index += 1) {
    const option = words[index] ?? '';
    const forward = forwardOptions.get(option);
    if (forward !== undefined) {
      found.forward = forward;
      continue;
    }
    const value = words[index + 1]?.startsWith('-') === true ? undefined : words[index + 1];
    if (value !== undefined) index += 1;
    if ((option === '-r' || option === '--real-server') && value !== undefined) {
      endpoint = readEndpoint(value, false) ?? readAddressAlone(value, port);
    } else if (option === '-w' || option === '--weight') {
      if (value === undefined || !/^\d+$/.test(value)) return 'has a weight that is not a number';
      found.weight = Number(value);
    } else if (!option.startsWith('-')) return `has a word that belongs to no option, "${option}"`;
    else others.push(value === undefined ? option : `${option} ${value}`);
  }
  return endpoint === undefined
    ? 'names no real server by its address (make the dump with -n)'
    : { ...endpoint, forward: 'Route', weight: 1, ...found, others };
}

function readAddressAlone(text: string, port: number): { readonly address: string; readonly port: number } | undefined {
  const address = canonicalAddress(text.replace(/^\[(.*)\]$/, '$1'));
  return address === undefined ? undefined : { address, port };
}

function saveName({ protocol, address = '', port = 0, firewallMark, family }: VirtualServer): string {
  if (firewallMark !== undefined) return `-f ${firewallMark | 0}${family === 'IPv6' ? ' -6' : ''}`;
  const option = protocol === 'UDP' ? '-u' : protocol === 'SCTP' ? '--sctp-service' : '-t';
  return `${option} ${saveEndpoint(address, port)}`;
}

function saveEndpoint(address: string, port: number): string {
  return familyOf(address) === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}

function saveServer(
  name: string,
  { scheduler, schedulerFlags, isOnePacket, persistence, persistenceTicks, persistenceMask, others }: VirtualServer,
): string {
  if (persistence === undefined && persistenceTicks !== undefined)
    throw new RangeError(
      `the persistence of ${name} is known as ${persistenceTicks} ticks of the kernel, not in seconds`,
    );
  return [
    `-A ${name} -s ${scheduler}`,
    ...(persistence === undefined ? [] : [`-p ${persistence}`]),
    ...(persistenceMask === undefined ? [] : [`-M ${persistenceMask}`]),
    ...others,
    ...(isOnePacket ? ['-o'] : []),
    ...(schedulerFlags.length === 0 ? [] : [`-b ${schedulerFlags.join(',')}`]),
  ].join(' ');
}

function saveRealServer(name: string, { address, port, forward, weight, others }: RealServer): string {
  const flag = forward === 'Masq' ? '-m' : forward === 'Tunnel' ? '-i' : '-g';
  return [`-a ${name} -r ${saveEndpoint(address, port)} ${flag} -w ${weight}`, ...others].join(' ');
}

function excerpt(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
