/**
 * What a probe prints: NDJSON, one record a line, in the order it was read. The records carry what the kernel's
 * tools printed, cut to the asked Services: they are parsed where they are used, so that a recorded bundle can be
 * read by a newer parser. The line with kind `end` closes a report; a report without it is truncated.
 */
import { connectionResult } from '../net/connection-result.ts';
import { oncePer } from '../lib/once-per.ts';
import type { Family } from '../net/family.ts';
import * as z from 'zod';

/** `namespace/name` of the Service that a record belongs to. */
const service = z.string();
const family = z.enum(['IPv4', 'IPv6']);

const start = z.object({
  kind: z.literal('start'),
  version: z.literal(1),
  node: z.string(),
  /** RFC 3339, by the node's clock. */
  startedAt: z.string(),
  kernel: z.string(),
  probeVersion: z.string(),
  /** The node's own addresses, of all interfaces: a packet from one of them enters at OUTPUT. */
  addresses: z.array(z.string()),
});

/** What kube-proxy says of itself on 127.0.0.1; a field is absent where that endpoint did not answer. */
/** refused: nobody has the port; late: it is open, and nobody answers in time. */
const failureCauses = ['refused', 'late', 'other'] as const;

const kubeProxy = z.object({
  kind: z.literal('kubeProxy'),
  /** Body of 127.0.0.1:10249/proxyMode. */
  proxyMode: z.string().optional(),
  /** Status and body of 127.0.0.1:10256/livez (/healthz where livez is absent). */
  livez: z.object({ path: z.string(), status: z.number().int(), body: z.string() }).optional(),
  /**
   * Lines of 127.0.0.1:10249/metrics that begin with kubeproxy_, and a few of the Go program and its client of the API
   * server. Of histograms, only two have their buckets here, and of those only each that holds something.
   */
  metrics: z.array(z.string()).optional(),
  /** Body of 127.0.0.1:10249/configz. */
  configz: z.string().optional(),
  /** The reason, for each endpoint that did not answer. */
  errors: z.array(z.string()),
  /** The same as a program reads it; older probes have it in their errors alone. */
  failures: z.array(z.object({ port: z.number().int(), cause: z.enum(failureCauses) })).optional(),
});

/** The tables that the kernel holds, read before any of them is asked for more. */
const tables = z.object({
  kind: z.literal('tables'),
  /** `nft -j list tables`; absent where nft did not answer. */
  nftables: z.array(z.object({ family: z.string(), name: z.string() })).optional(),
  /** /proc/net/ip_tables_names and /proc/net/ip6_tables_names: tables of the legacy backend. */
  legacy: z.object({ IPv4: z.array(z.string()), IPv6: z.array(z.string()) }),
  /** Virtual servers are present in /proc/net/ip_vs. */
  ipvs: z.boolean(),
});

/** Rules of one iptables chain, as `iptables -v -S CHAIN` prints them (`-A … -c PACKETS BYTES …`). */
const iptablesChain = z.object({
  kind: z.literal('iptablesChain'),
  service,
  backend: z.enum(['nf_tables', 'legacy']),
  family,
  table: z.string(),
  chain: z.string(),
  /** all: every rule of the chain. matching: the chain is shared, and only the rules that concern the Service are here. */
  scope: z.enum(['all', 'matching']),
  /** The chain is not in the kernel. */
  absent: z.boolean(),
  lines: z.array(z.string()),
});

/** A chain of raw, mangle, filter or security that packets of any Service may meet, whoever wrote it; and of nat the built-in chains and the third-party chains that these jump to. */
const hookChain = z.object({
  kind: z.literal('hookChain'),
  backend: z.enum(['nf_tables', 'legacy']),
  family,
  table: z.string(),
  chain: z.string(),
  /** Of a built-in chain. */
  policy: z.string().optional(),
  /** As iptables-save -c prints them. */
  lines: z.array(z.string()),
  /** Rules behind them that were left out. */
  omitted: z.number().int(),
});

/**
 * A table of nftables that another program made, by its own family: the objects of `nft -j list table`, without metainfo.
 * Sets with so many elements that the table was not kept, and tables of the family netdev, have only their names here.
 */
const foreignTable = z.object({
  kind: z.literal('foreignTable'),
  family: z.string(),
  name: z.string(),
  objects: z.array(z.record(z.string(), z.unknown())),
  /** Why it is not whole; absent where it is. */
  omitted: z.string().optional(),
});

/**
 * KUBE-SERVICES was not listed: how many rules jump to the Service's chains, by the kernel's own count, is exactly what
 * its frontends need. The rules themselves and their counters are unknown.
 */
const dispatchReferences = z.object({
  kind: z.literal('dispatchReferences'),
  service,
  backend: z.enum(['nf_tables', 'legacy']),
  family,
  table: z.string(),
  /** The chain that was not listed. */
  chain: z.string(),
  references: z.array(
    z.object({
      chain: z.string(),
      /** Rules of the table that jump to the chain. */
      total: z.number().int(),
      /** Those among them that were read: in chains of the Service, and in KUBE-NODEPORTS. */
      read: z.number().int(),
    }),
  ),
  /** Where each frontend of an address enters. */
  entries: z.array(
    z.object({
      address: z.string(),
      protocol: z.enum(['TCP', 'UDP', 'SCTP']),
      port: z.number().int(),
      chain: z.string(),
    }),
  ),
  /** One rule jumps to KUBE-NODEPORTS, which is asked for packets to the node's own addresses. */
  nodePorts: z.boolean(),
});

/** A chain of kube-proxy's nftables table: the objects of `nft -j list chain`, without metainfo. */
const nftChain = z.object({
  kind: z.literal('nftChain'),
  service,
  family,
  table: z.string(),
  chain: z.string(),
  scope: z.enum(['all', 'matching']),
  absent: z.boolean(),
  objects: z.array(z.record(z.string(), z.unknown())),
});

/** The elements of a map or set that concern the Service, as `nft -j get element` prints them. */
const nftElements = z.object({
  kind: z.literal('nftElements'),
  service,
  family,
  table: z.string(),
  /** Name of the map or set, such as service-ips. */
  name: z.string(),
  /** The elements in nft's JSON: [key, value] for a map. Of a set that remembers clients (affinity-…), none. */
  elements: z.array(z.unknown()),
  /** Seconds after which an element goes, where the set says so for all of them. */
  timeout: z.number().optional(),
});

/** The Service's virtual servers, as `ipvsadm -L -n --exact` and the same with `--stats` print them, one after the other. */
const ipvs = z.object({ kind: z.literal('ipvs'), service, family, lines: z.array(z.string()) });

/** A set of kube-proxy's: its `create` line and the elements that concern the Service, as `ipset save` prints them. */
const ipSet = z.object({ kind: z.literal('ipSet'), service, family, name: z.string(), lines: z.array(z.string()) });

/** The Service's conntrack entries, as `conntrack -L -o extended` prints them. */
const conntrack = z.object({
  kind: z.literal('conntrack'),
  service,
  /** Entries of the Service. */
  matched: z.number().int(),
  /** Number of entries by group; every entry of the Service is in exactly one group. */
  groups: z.array(
    z.object({
      family,
      protocol: z.string(),
      state: z.string().optional(),
      unreplied: z.boolean(),
      /** Of state CLOSE alone: whether it was a connection before it was reset (ASSURED). */
      assured: z.boolean().optional(),
      /** Of unreplied SYN_SENT alone: the seconds that are left to the entry that goes first; each SYN restarts them. */
      leastTimeout: z.number().int().optional(),
      destination: z.string(),
      destinationPort: z.number().int(),
      /** Source of the reply tuple: who answers. */
      replySource: z.string(),
      replySourcePort: z.number().int(),
      entries: z.number().int(),
      /** Addresses that they come from, counted up to 1,000; absent in reports of earlier versions. */
      clients: z.number().int().optional(),
    }),
  ),
  /** collect Entries: the entries themselves, at most maxConntrackEntries. */
  lines: z.array(z.string()),
  /** Entries to a cluster IP on a port that the Service does not have, and whose destination no rule changed: counted here alone, at most 20 ports, the most used first. */
  otherPorts: z
    .array(
      z.object({
        family,
        protocol: z.string(),
        destination: z.string(),
        destinationPort: z.number().int(),
        entries: z.number().int(),
        sources: z.array(z.string()),
      }),
    )
    .optional(),
});

/** nf_conntrack_count and nf_conntrack_max of the node. */
const conntrackTable = z.object({ kind: z.literal('conntrackTable'), count: z.number().int(), max: z.number().int() });

/**
 * What the kernel counted since it started, of all CPUs together, by the names of conntrack(8) -S: the same twice, when
 * the probe began and when it ended.
 */
const conntrackStatistics = z.object({
  kind: z.literal('conntrackStatistics'),
  /** "/proc/net/stat/nf_conntrack" or "conntrack -S". */
  source: z.string(),
  first: z.record(z.string(), z.number().int()),
  last: z.record(z.string(), z.number().int()),
  milliseconds: z.number().int(),
});

/** Settings of the node's kernel, by their path below /proc/sys (net/ipv4/ip_forward); one that it does not have is absent. */
const system = z.object({
  kind: z.literal('system'),
  sysctls: z.record(z.string(), z.string()),
  cpus: z.number().int(),
  /** By its UTS namespace, which a pod of the host's network shares. */
  hostname: z.string(),
});

/** The node's interfaces, at most 512, in the kernel's order. */
const interfaces = z.object({
  kind: z.literal('interfaces'),
  interfaces: z.array(
    z.object({
      name: z.string(),
      /** Of an interface that is down, its IPv4 addresses are not known here. */
      addresses: z.array(z.string()),
      /** A bridge, by /sys/class/net/NAME/bridge. */
      bridge: z.boolean().optional(),
      /** Of its own: absent where it is as net/ipv4/conf/default (net/ipv6) says. */
      rpFilter: z.number().int().optional(),
      forwarding: z.object({ IPv4: z.number().int().optional(), IPv6: z.number().int().optional() }).optional(),
    }),
  ),
  /** Interfaces past the 512th. */
  omitted: z.number().int(),
});

/** Which of the Service's virtual addresses the node holds as its own: where kube-proxy runs in mode ipvs, all of them (kube-ipvs0). */
const localAddresses = z.object({
  kind: z.literal('localAddresses'),
  service,
  local: z.array(z.string()),
  missing: z.array(z.string()),
});

/** Sockets of the node's network namespace that listen on the Service's node ports or its healthCheckNodePort. */
const sockets = z.object({
  kind: z.literal('sockets'),
  service,
  listening: z.array(
    z.object({ protocol: z.enum(['TCP', 'UDP']), address: z.string(), port: z.number().int(), uid: z.number().int() }),
  ),
});

/** The answer of http://ADDRESS:healthCheckNodePort/, asked from the node itself; the first address that answered. */
const healthCheck = z.object({
  kind: z.literal('healthCheck'),
  service,
  port: z.number().int(),
  address: z.string().optional(),
  status: z.number().int().optional(),
  /** As kube-proxy says in the body. */
  localEndpoints: z.number().int().optional(),
  serviceProxyHealthy: z.boolean().optional(),
  /** The reason, for each address that did not answer. */
  errors: z.array(z.string()),
});

/** The Service's rules of other proxy modes than the one that kube-proxy runs in: left from an earlier one. */
const otherModes = z.object({
  kind: z.literal('otherModes'),
  service,
  found: z.array(
    z.object({
      mode: z.enum(['iptables', 'nftables', 'ipvs']),
      family,
      /** What is there, such as "chain KUBE-SVC-TCOU7JCQXEZGVUNU of nat (legacy)". */
      what: z.string(),
    }),
  ),
});

/** What versions before 0.2 reported of DNS: the addresses of both families in one record. */
const dns = z.object({
  kind: z.literal('dns'),
  service,
  name: z.string(),
  server: z.string(),
  /** Addresses (A and AAAA), sorted. */
  answers: z.array(z.string()),
  /** The resolver's code, such as ENOTFOUND or ETIMEOUT, where there was no answer. */
  error: z.string().optional(),
});

/** One question to one server of the cluster's DNS, and what came back. */
const dnsAnswer = z.object({
  kind: z.literal('dnsAnswer'),
  service,
  server: z.string(),
  port: z.number().int(),
  /** Service: a cluster IP of the DNS Service, which the node's rules send on. Endpoint: one of its servers, asked directly. */
  role: z.enum(['Service', 'Endpoint']),
  name: z.string(),
  type: z.enum(['A', 'AAAA', 'SRV']),
  /** Addresses, sorted; of SRV `PRIORITY WEIGHT PORT TARGET`. */
  answers: z.array(z.string()),
  /** Where the name is an alias: the name that it stands for. */
  alias: z.string().optional(),
  /** NOERROR, NXDOMAIN, SERVFAIL, REFUSED …; absent where no answer came. */
  responseCode: z.string().optional(),
  /** Why no answer came: ETIMEOUT, ECONNREFUSED, EHOSTUNREACH … */
  error: z.string().optional(),
  milliseconds: z.number().optional(),
});

/** One connection of the active check, which a trace has to ask for (spec.collect.connect). */
const connection = connectionResult.extend({ kind: z.literal('connection'), service });

/** The node's own resolv.conf, as the kubelet gives it to pods of dnsPolicy Default, of which the probe is one. */
const resolvConf = z.object({ kind: z.literal('resolvConf'), text: z.string() });

/** Something that could not be read: unknown, never "nothing there". */
/** Older probes have no part: with them, what is unread of the Service's rules begins with the word rules. */
const unread = z
  .object({
    kind: z.literal('unread'),
    service: service.optional(),
    family: family.optional(),
    /** rules: some of the rules of Services, without which nobody knows where their packets go. */
    part: z.enum(['rules', 'other']).optional(),
    /** In words, such as "conntrack entries" or "rules of iptables-legacy, table nat". */
    what: z.string(),
    reason: z.string(),
  })
  .transform(({ part, ...record }) => ({
    ...record,
    part: part ?? (record.what.startsWith('rules') ? ('rules' as const) : ('other' as const)),
  }));

/**
 * Of a request without rules, in a session that watches them: whether all of their changes that were committed before it was asked
 * have been given before this record.
 */
const watched = z.object({ kind: z.literal('watched'), isSettled: z.boolean() });

const end = z.object({ kind: z.literal('end'), finishedAt: z.string(), durationMilliseconds: z.number().int() });

export const nodeReportRecordSchema = z.discriminatedUnion('kind', [
  start,
  kubeProxy,
  tables,
  iptablesChain,
  hookChain,
  foreignTable,
  dispatchReferences,
  nftChain,
  nftElements,
  ipvs,
  ipSet,
  conntrack,
  conntrackTable,
  conntrackStatistics,
  system,
  interfaces,
  localAddresses,
  sockets,
  healthCheck,
  otherModes,
  dns,
  dnsAnswer,
  resolvConf,
  connection,
  unread,
  watched,
  end,
]);

export type NodeReportRecord = z.infer<typeof nodeReportRecordSchema>;
export type RecordOf<Kind extends NodeReportRecord['kind']> = Extract<NodeReportRecord, { kind: Kind }>;

/** The report of one node: all records of one run of a probe. */
export interface NodeReport {
  readonly node: string;
  readonly records: readonly NodeReportRecord[];
  /** False where the closing record is absent: the probe was cut off, and what is missing is unknown. */
  readonly complete: boolean;
}

/** A node's report, or why there is none. */
export type NodeAnswer =
  | {
      readonly node: string;
      readonly report: NodeReport;
      /** When the report was whole, and when the probe began to be asked: RFC 3339, by the collector's clock. */
      readonly collectedAt: string;
      readonly askedAt?: string;
      /** When its rules were read, by the same clock; absent where that was with the rest. They have not changed since. */
      readonly rulesReadAt?: string;
      /** When they are known to have been so still: the same clock. */
      readonly rulesKnownAt?: string;
    }
  | {
      readonly node: string;
      readonly state: 'Waiting' | 'Failed' | 'Skipped';
      readonly reason: string;
      readonly message: string;
    };

/** Thrown for a line of a report that is not a record: says which line, and why. */
export class NodeReportError extends Error {
  override readonly name = 'NodeReportError';
}

/**
 * Parses what a probe printed.
 * @throws NodeReportError where a line is not a record of this version, or there is no start record.
 */
export function parseNodeReport(ndjson: string): NodeReport {
  const reader = new NodeReportReader();
  for (const line of ndjson.split('\n')) reader.line(line);
  return reader.end();
}

/** The same, line by line: those who have other work can do it in between. */
export class NodeReportReader {
  readonly #records: NodeReportRecord[] = [];
  #lines = 0;

  /**
   * @param line without its end
   * @throws NodeReportError where it is not a record of this version
   */
  line(line: string): void {
    this.#lines += 1;
    if (line.trim() !== '') this.#records.push(parseNodeReportRecord(line, this.#lines));
  }

  /**
   * @param value that a line was parsed to
   * @throws NodeReportError where it is not a record of this version
   */
  record(value: unknown): void {
    this.#lines += 1;
    this.#records.push(recordOf(value, this.#lines));
  }

  /** @throws NodeReportError where there is no start record */
  end(): NodeReport {
    const records = this.#records;
    const first = records[0];
    if (first === undefined) throw new NodeReportError('the probe printed nothing');
    if (first.kind !== 'start')
      throw new NodeReportError(`line 1 is a ${first.kind} record; a report begins with start`);
    return { node: first.node, records, complete: records.at(-1)?.kind === 'end' };
  }
}

function parseNodeReportRecord(line: string, lineNumber: number): NodeReportRecord {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new NodeReportError(`line ${lineNumber} is not JSON: ${excerpt(line)}`);
  }
  return recordOf(value, lineNumber, line);
}

function recordOf(value: unknown, lineNumber: number, line?: string): NodeReportRecord {
  const parsed = nodeReportRecordSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new NodeReportError(
      `line ${lineNumber}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is not a record'}: ${excerpt(line ?? JSON.stringify(value))}`,
    );
  }
  return parsed.data;
}

function excerpt(line: string): string {
  return line.length > 120 ? `${line.slice(0, 120)}…` : line;
}

/** The records of one kind, in order. A report is never changed: each kind is looked for once. */
export function recordsOf<Kind extends NodeReportRecord['kind']>(
  { records }: NodeReport,
  kind: Kind,
): readonly RecordOf<Kind>[] {
  const known: { [Each in Kind]?: readonly RecordOf<Each>[] } = recordsByKind(records);
  return (known[kind] ??= records.filter((record): record is RecordOf<Kind> => record.kind === kind));
}

const recordsByKind = oncePer(
  (_records: readonly NodeReportRecord[]): { [Kind in NodeReportRecord['kind']]?: readonly RecordOf<Kind>[] } => ({}),
);

/** What was not read of the Service's rules, each with the reason; a report that was cut off may lack any of them. */
export function unreadRules(report: NodeReport, service: string, family: Family): string[] {
  return [
    ...recordsOf(report, 'unread')
      .filter(
        (record) =>
          record.part === 'rules' && (record.service ?? service) === service && (record.family ?? family) === family,
      )
      .map(({ what, reason }) => `${what}: ${reason}`),
    ...(report.complete ? [] : ['the end of the report: the probe was cut off before it finished']),
  ];
}
