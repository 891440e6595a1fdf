/** What `kubectl svctrace dns` shows, from facts alone: the keys of its JSON, which others script against. */
import { clientResolvConf, sourceTexts } from '../../core/diagnose/checks/client-resolv-conf.ts';
import { topicOf } from '../../core/diagnose/catalogue.ts';
import { dataNodeMissing } from '../../core/diagnose/findings/data-node-missing.ts';
import { diagnose } from '../../core/diagnose/diagnose.ts';
import type { Facts } from '../../core/diagnose/checks/finding.ts';
import {
  answerText,
  askedDomain,
  compareAnswer,
  expectedText,
  isWord,
  type Comparison,
  type DnsAnswer,
} from '../../core/dns/answers.ts';
import { desiredOfTrace } from '../../core/api/desired-of-trace.ts';
import {
  defaultClusterDomain,
  expectedAnswers,
  healthQuestion,
  serviceDomain,
  type ExpectedAnswer,
} from '../../core/dns/names.ts';
import { askedNames } from '../../core/dns/resolv-conf.ts';
import { podResolvConf } from '../../core/dns/pod-resolv-conf.ts';
import { familyOf } from '../../core/net/family.ts';
import type { FindingStatus, NodeStatus, ServiceTrace, ServiceTraceStatus } from '../../core/api/service-trace.ts';

export interface DnsResult {
  readonly service: string;
  readonly namespace: string;
  readonly clusterDomain: string;
  readonly client?: ClientDnsResult;
  /** Equal responses to several nodes are one row. */
  readonly questions: readonly QuestionResult[];
  /** The trace of the DNS Service itself; absent where there is none, or it was not recorded. */
  readonly dnsService?: DnsServiceResult;
  readonly findings: readonly FindingStatus[];
}

export interface QuestionResult {
  readonly nodes: readonly string[];
  readonly server: string;
  readonly port: number;
  /** Service: through the DNS Service. Endpoint: that server directly. */
  readonly role: DnsAnswer['role'];
  readonly name: string;
  readonly type: DnsAnswer['type'];
  readonly answer: string;
  readonly expected: string;
  readonly result: Comparison['kind'];
  /** Of the slowest node; absent where the probe did not report it. */
  readonly milliseconds?: number;
}

export interface ClientDnsResult {
  readonly pod: string;
  readonly source: (typeof sourceTexts)[keyof typeof sourceTexts];
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
  /** The node's part of it is not known. */
  readonly isPartial: boolean;
  /** The names that it asks for when a program looks up the Service's short name. */
  readonly asks: readonly string[];
  /** How the file in the pod differs from what its spec makes. */
  readonly differences?: readonly string[];
}

export interface DnsServiceResult {
  readonly endpoints: string;
  readonly nodes: string;
  readonly convergedNodes: number;
  readonly findings: readonly FindingStatus[];
}

export function dnsResult(facts: Facts, dnsService: ServiceTraceStatus | undefined): DnsResult {
  const { desired, nodes } = facts;
  const clusterDomain =
    nodes.flatMap(({ read }) => askedDomain(read?.dnsAnswers ?? [], desired) ?? [])[0] ?? defaultClusterDomain;
  const client = clientDnsResult(facts);
  return {
    service: desired.name,
    namespace: desired.namespace,
    clusterDomain,
    ...(client === undefined ? {} : { client }),
    questions: questionResults(facts, clusterDomain),
    ...(dnsService === undefined
      ? {}
      : {
          dnsService: {
            endpoints: dnsService.summary?.endpoints ?? 'unknown',
            nodes: dnsService.summary?.nodes ?? 'unknown',
            convergedNodes: dnsService.convergence?.convergedNodes ?? 0,
            findings: dnsService.findings ?? [],
          },
        }),
    findings: dnsFindings(diagnose(facts)),
  };
}

function dnsFindings(findings: readonly FindingStatus[]): FindingStatus[] {
  return findings.filter(({ id }) => topicOf(id) === 'dns' || id === dataNodeMissing.id);
}

/**
 * The same of an operator's trace, as far as its status holds it: the addresses of the Service's own name, as the DNS
 * Service answered each node, and all that was found of DNS.
 */
export function dnsResultOfTrace(trace: ServiceTrace): DnsResult {
  const { nodes = [], findings = [] } = trace.status ?? {};
  const desired = desiredOfTrace(trace);
  const prefix = serviceDomain(desired, '');
  const asked = nodes.find(({ dns }) => dns?.name.startsWith(prefix) === true)?.dns;
  const clusterDomain = asked === undefined ? defaultClusterDomain : asked.name.slice(prefix.length);
  const name = serviceDomain(desired, clusterDomain);
  const expected = expectedAnswers(desired, clusterDomain).filter((each) => each.name === name && each.type !== 'SRV');
  const rows = new Map<string, QuestionResult>();
  const responses = nodes.flatMap(({ name: node, dns }) => (dns === undefined ? [] : [{ node, dns }]));
  for (const { node, dns } of responses)
    for (const wanted of expected) {
      const row = statusRow(node, dns, wanted);
      const key = [row.server, row.type, row.answer].join(' ');
      const before = rows.get(key);
      rows.set(key, before === undefined ? row : together(before, row));
    }
  return {
    service: desired.name,
    namespace: desired.namespace,
    clusterDomain,
    questions: [...rows.values()],
    findings: dnsFindings(findings),
  };
}

/** A status has the answers of both families together, and one failure of them: which question failed is not in it. */
function statusRow(node: string, dns: NonNullable<NodeStatus['dns']>, wanted: ExpectedAnswer): QuestionResult {
  const family = wanted.type === 'A' ? 'IPv4' : 'IPv6';
  const responses: DnsAnswer = {
    server: dns.server,
    port: 53,
    role: 'Service',
    name: wanted.name,
    type: wanted.type,
    answers: dns.answers.filter((address) => familyOf(address) === family),
    responseCode: 'NOERROR',
  };
  const compared = wanted.kind === 'alias' ? 'unknown' : compareAnswer(responses, wanted).kind;
  const isOpen = compared !== 'right' && dns.error !== undefined;
  return {
    nodes: [node],
    server: responses.server,
    port: responses.port,
    role: responses.role,
    name: responses.name,
    type: responses.type,
    answer: isOpen ? [...responses.answers, dns.error].join(', ') : answerText(responses),
    expected: expectedText(wanted),
    result: isOpen ? 'unknown' : compared,
  };
}

function questionResults({ nodes, desired }: Facts, clusterDomain: string): QuestionResult[] {
  const rows = new Map<string, QuestionResult>();
  const health = healthQuestion(clusterDomain);
  const expected = expectedAnswers(desired, clusterDomain);
  for (const { node, read } of nodes) {
    for (const answer of read?.dnsAnswers ?? []) {
      const wanted = expected.find(({ name, type }) => name === answer.name && type === answer.type);
      const isHealth = answer.name === health.name && wanted === undefined;
      const result =
        wanted !== undefined
          ? compareAnswer(answer, wanted).kind
          : !isWord(answer)
            ? 'unknown'
            : answer.answers.length > 0
              ? 'right'
              : 'absent';
      const row: QuestionResult = {
        nodes: [node],
        server: answer.server,
        port: answer.port,
        role: answer.role,
        name: answer.name,
        type: answer.type,
        answer: answerText(answer),
        expected: wanted !== undefined ? expectedText(wanted) : isHealth ? 'any address' : 'unknown',
        result,
        ...(answer.milliseconds === undefined ? {} : { milliseconds: answer.milliseconds }),
      };
      const key = [row.role, row.server, row.port, row.name, row.type, row.answer].join(' ');
      const before = rows.get(key);
      rows.set(key, before === undefined ? row : together(before, row));
    }
  }
  const order = (row: QuestionResult): string => {
    const position = expected.findIndex(({ name, type }) => name === row.name && type === row.type);
    return `${row.role === 'Service' ? '0' : '1'} ${row.server} ${String(position + 1).padStart(4, '0')} ${row.nodes[0] ?? ''}`;
  };
  return [...rows.values()].sort((one, other) => (order(one) < order(other) ? -1 : 1));
}

function together(one: QuestionResult, other: QuestionResult): QuestionResult {
  const slowest = Math.max(one.milliseconds ?? 0, other.milliseconds ?? 0);
  return {
    ...one,
    nodes: [...one.nodes, ...other.nodes],
    ...(one.milliseconds === undefined && other.milliseconds === undefined ? {} : { milliseconds: slowest }),
  };
}

function clientDnsResult(facts: Facts): ClientDnsResult | undefined {
  const known = clientResolvConf(facts);
  if (known === undefined) return undefined;
  const { client, conf, source, isPartial, clusterDns, clusterDomain } = known;
  const made = podResolvConf(
    client,
    clusterDns,
    clusterDomain,
    facts.nodes.find(({ node }) => node === client.node)?.read?.resolvConf,
  );
  const differences = (['nameservers', 'searches', 'options'] as const).flatMap((part) => {
    // Where the node's part is not known, more than the spec makes is not a difference.
    const missing = made[part].filter((each) => !conf[part].includes(each));
    const extra = made.isPartial ? [] : conf[part].filter((each) => !made[part].includes(each));
    return missing.length + extra.length === 0
      ? []
      : [`${part}: the pod has ${conf[part].join(' ') || 'none'}, its spec makes ${made[part].join(' ') || 'none'}`];
  });
  return {
    pod: client.pod,
    source: sourceTexts[source],
    nameservers: conf.nameservers,
    searches: conf.searches,
    options: conf.options,
    isPartial,
    asks: askedNames(conf, facts.desired.name),
    ...(source === 'pod' ? { differences } : {}),
  };
}
