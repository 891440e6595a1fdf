/** One client's packet path, from the name to the pod and back: the steps A to E. */
import { effectText } from '../evaluate/action.ts';
import { hostPort, isSameAddress, reachableAddresses } from '../net/address.ts';
import type { Bundle } from '../wire/bundle.ts';
import { connectionText } from '../diagnose/checks/connections.ts';
import { askedDomain, isWord, problemOf, readDnsAnswers, type DnsAnswer } from '../dns/answers.ts';
import { defaultClusterDomain, serviceDomain } from '../dns/names.ts';
import { entryOf } from '../evaluate/walk-hooks.ts';
import { answerTo, fateOf } from '../evaluate/answer.ts';
import { ipvsTable } from '../api/chain-name.ts';
import type { Leaf, Packet, Step, WalkResult } from '../evaluate/walk.ts';
import { isKubeStep, trackingStep } from '../diagnose/checks/foreign-rules.ts';
import type { Frontend } from '../api/frontends.ts';
import { recordsOf, type NodeReport, type RecordOf } from '../wire/node-report.ts';
import { parseConntrackLine } from '../conntrack/parse-entry.ts';
import { walkNodeReportRules } from '../program/walk-node-report.ts';
import { walkAllRules } from '../program/walk-all-rules.ts';
import { readNodeReportRules } from '../program/read-node-report.ts';
import { familyOf } from '../net/family.ts';
import { explainProgram, namesOf } from './explain-program.ts';
import { frontendName } from './rule-frontends.ts';
import type { RuleExplanation } from './explanation.ts';
import { withPod } from './explained.ts';
import { percent, shareSuffix } from './sentence.ts';
import { shareFields, shareOf } from '../evaluate/share.ts';
import { plural } from '../lib/plural.ts';

export interface Client {
  readonly address: string;
  readonly pod?: string;
}

export interface PacketPathRule extends Pick<
  RuleExplanation,
  'text' | 'sentence' | 'lines' | 'unknown' | 'counters' | 'countsAll'
> {
  readonly table: string;
  readonly chain: string;
  /** Of this client's connections; absent where it is not known. */
  readonly share?: number;
}

export interface PacketPathStep {
  readonly letter: 'A' | 'B' | 'C' | 'D' | 'E';
  readonly title: string;
  /** Before the rules. */
  readonly sentences: readonly string[];
  /** Those that the packet meets at this step, in their order. */
  readonly rules: readonly PacketPathRule[];
  /** Their result. */
  readonly outcome: readonly string[];
}

export interface PacketPath {
  readonly node: string;
  /** `entersAt` is absent where it is not known. */
  readonly client: Client & { readonly entersAt?: Packet['entersAt'] };
  readonly frontend: string;
  readonly verdict: Leaf['verdict'];
  readonly steps: readonly PacketPathStep[];
  /** What could not be followed: what depends on it is not known. */
  readonly unknown: readonly string[];
  /** What third-party rules do to connections, or to their answers, so that the client gets none: a sentence each. */
  readonly faults: readonly string[];
}

/**
 * The packet path of one client's connection to one frontend over one node.
 * @returns undefined where the node's rules are not known, or the node has no address for the NodePort
 */
export function followClient(
  bundle: Bundle,
  report: NodeReport,
  client: Client,
  frontend: Frontend,
): PacketPath | undefined {
  const { desired } = bundle;
  const rules = readNodeReportRules(report, `${desired.namespace}/${desired.name}`, frontend.family);
  const own = recordsOf(report, 'start')[0]?.addresses ?? [];
  const destination =
    frontend.address === ''
      ? own.find(
          (address) =>
            address.includes(':') === (frontend.family === 'IPv6') && !/^(?:127\.|::1$|fe80:)/i.test(address),
        )
      : frontend.address;
  if (rules === undefined || destination === undefined) return undefined;
  const entersAt = entryOf(own, client.address);
  const packet: Packet = {
    source: client.address,
    destination,
    destinationPort: frontend.port,
    protocol: frontend.protocol,
    entersAt,
  };
  const result =
    walkAllRules(report, `${desired.namespace}/${desired.name}`, packet, bundle.cluster) ??
    walkNodeReportRules(rules, packet);
  const path = new PathSentences(bundle, report, client, packet, result, namesOf(desired, rules));
  const met = rulesMet(report, bundle, frontend, result);
  return {
    node: report.node,
    client: { ...client, entersAt },
    frontend: frontendName(frontend),
    verdict:
      (['DNAT', 'UNKNOWN', 'REJECT', 'DROP', 'ACCEPT'] as const).find((verdict) =>
        result.leaves.some((leaf) => leaf.verdict === verdict),
      ) ?? 'NONE',
    steps: [
      { letter: 'A', title: 'the name becomes an address', sentences: path.dns(frontend), rules: [], outcome: [] },
      {
        letter: 'B',
        title: 'the client connects',
        sentences: path.connect(frontend),
        rules: [],
        outcome: path.triedFrontend(frontend),
      },
      {
        letter: 'C',
        title: "kube-proxy's rules choose an endpoint",
        sentences: path.entry(),
        rules: met.choosing,
        outcome: path.choice(),
      },
      ...(result.leaves.some(({ verdict }) => verdict === 'DNAT')
        ? [
            {
              letter: 'D' as const,
              title: 'conntrack, routing and the source address',
              sentences: path.conntrack(),
              rules: met.leaving,
              outcome: path.routing(),
            },
            {
              letter: 'E' as const,
              title: 'the pod, and the packet path back',
              sentences: path.back(),
              rules: [],
              outcome: [...path.triedEndpoints(), ...path.entries()],
            },
          ]
        : []),
    ],
    unknown: result.unknown,
    faults: path.faults(),
  };
}

/** The rules of the walk with their sentences, before the destination is chosen and after it. */
function rulesMet(
  report: NodeReport,
  { desired }: Bundle,
  frontend: Frontend,
  { steps, leaves }: WalkResult,
): { choosing: PacketPathRule[]; leaving: PacketPathRule[] } {
  const stages =
    explainProgram(report, desired, {
      wants: (each) => each === frontend || frontendName(each) === frontendName(frontend),
    }).find(({ family }) => family === frontend.family)?.stages ?? [];
  const known = new Map(
    stages.flatMap(({ part, chains }) =>
      chains.flatMap(({ table, chain, rules }) =>
        rules.map((rule) => [`${table}\n${chain}\n${rule.text}`, { rule, part }] as const),
      ),
    ),
  );
  const choosing: PacketPathRule[] = [];
  const leaving: PacketPathRule[] = [];
  let isChosen = false;
  for (const step of steps) {
    const { table, chain, rule: text, counters } = step;
    const found = known.get(`${table}\n${chain}\n${text}`);
    const share = shareOf(leaves.filter(({ path }) => path.includes(step)));
    const own = found?.rule ?? {
      text,
      sentence: `${effectText(step)}.`,
      lines: [],
      unknown: [],
      countsAll: false,
      ...(counters === undefined ? {} : { counters }),
    };
    const { sentence, lines, unknown, countsAll } = own;
    const met: PacketPathRule = {
      table,
      chain,
      text,
      sentence,
      lines,
      unknown,
      countsAll,
      ...(share === undefined ? {} : { share: Math.min(1, share) }),
      ...(own.counters === undefined ? {} : { counters: own.counters }),
    };
    isChosen ||=
      found?.part === 'leaving' ||
      (found?.part === 'afterRouting' && leaves.some(({ verdict }) => verdict === 'DNAT') && table !== ipvsTable);
    (isChosen ? leaving : choosing).push(met);
  }
  return { choosing, leaving };
}

/** The sentences of each step. */
class PathSentences {
  readonly #bundle: Bundle;
  readonly #report: NodeReport;
  readonly #client: Client;
  readonly #packet: Packet;
  readonly #result: WalkResult;
  readonly #names: ReturnType<typeof namesOf>;

  constructor(
    bundle: Bundle,
    report: NodeReport,
    client: Client,
    packet: Packet,
    result: WalkResult,
    names: ReturnType<typeof namesOf>,
  ) {
    this.#bundle = bundle;
    this.#report = report;
    this.#client = client;
    this.#packet = packet;
    this.#result = result;
    this.#names = names;
  }

  #who(): string {
    const { pod, address } = this.#client;
    return pod === undefined ? `The client ${address}` : `Pod ${pod} (${address})`;
  }

  dns(frontend: Frontend): string[] {
    const { desired, cluster } = this.#bundle;
    const answers = readDnsAnswers(this.#report, `${desired.namespace}/${desired.name}`);
    const name = serviceDomain(desired, askedDomain(answers, desired) ?? defaultClusterDomain);
    // A and AAAA are asked at the same time, and either may be answered first.
    const responses = answers
      .filter((answer) => answer.role === 'Service' && answer.name === name && answer.type !== 'SRV')
      .toSorted((one, other) => one.type.localeCompare(other.type));
    const policy = cluster?.pods?.find((pod) => pod.name === this.#client.pod)?.dnsPolicy;
    const dns = cluster?.dns;
    const servers = dns?.clusterIPs.join(', ') ?? responses[0]?.server;
    if (frontend.frontend !== 'ClusterIP')
      return [
        `The name ${name} resolves to the cluster IPs alone: a client of a ${frontend.frontend} knows the address itself, or by a name that is not the cluster's.`,
      ];
    const asker =
      this.#packet.entersAt === 'OUTPUT'
        ? `${this.#who()} is the node itself: its own /etc/resolv.conf need not know cluster names.`
        : `${this.#who()} asks for ${name}${this.#client.pod === undefined ? ', if it is a pod; a client outside of the cluster has to know the address' : ''}: ${policy === undefined || policy === 'ClusterFirst' ? `/etc/resolv.conf of a pod with the dnsPolicy ClusterFirst names the cluster's DNS${servers === undefined ? '' : `, ${servers}`}` : `its dnsPolicy is ${policy}`}.`;
    const state =
      dns === undefined
        ? []
        : dns === null
          ? ['There is no Service kube-system/kube-dns.']
          : [
              `${String(dns.readyEndpoints)} of ${plural(dns.endpoints, 'endpoint')} of the cluster's DNS ${dns.readyEndpoints === 1 ? 'is' : 'are'} ready.`,
            ];
    const wanted =
      desired.service.clusterIPs.length === 0
        ? 'the addresses of its pods, as the Service has no cluster IP'
        : `its cluster IP${desired.service.clusterIPs.length === 1 ? '' : 's'} ${desired.service.clusterIPs.join(' and ')}`;
    return [
      asker,
      ...state,
      `CoreDNS reads the Service from the API server, and answers ${wanted}; ${this.#responseText(responses)}.`,
    ];
  }

  /** The response to the node's own question for the name. */
  #responseText(answers: readonly DnsAnswer[]): string {
    const [first] = answers;
    if (first === undefined) return 'nobody asked it here';
    const asked = `asked from ${this.#report.node}, ${first.server}`;
    const failed = answers.find((answer) => !isWord(answer));
    if (failed !== undefined) return `${asked} gave ${problemOf(failed)}`;
    return `${asked} answered ${answers.flatMap((answer) => answer.answers).join(' and ') || 'no address'}`;
  }

  connect(frontend: Frontend): string[] {
    const { destination, destinationPort, protocol, entersAt } = this.#packet;
    const how = `${this.#who()} opens a ${protocol} connection to ${hostPort(destination, destinationPort)} (${frontendName(frontend)}).`;
    const entry =
      entersAt === 'OUTPUT'
        ? `The node ${this.#report.node} sends it itself, so that it meets the rules at OUTPUT.`
        : this.#client.pod === undefined
          ? `It comes to ${this.#report.node} by one of its interfaces, so that it meets the rules at PREROUTING.`
          : `It leaves the pod's network namespace and comes to ${this.#report.node} by the pod's interface, so that it meets the rules at PREROUTING.`;
    return [how, entry];
  }

  /** Results of the active check at this hop; nothing where it was not asked for. */
  triedFrontend({ frontend, protocol, port }: Frontend): string[] {
    const { destination } = this.#packet;
    const found = this.#connections().filter(
      (each) =>
        each.hop === frontend &&
        each.protocol === protocol &&
        each.port === port &&
        isSameAddress(each.address, destination),
    );
    return found.map((each) => `Active check from node ${this.#report.node} itself: ${connectionText(each)}.`);
  }

  triedEndpoints(): string[] {
    const { protocol } = this.#packet;
    const targets = this.#destinations();
    const found = this.#connections().flatMap((each) => {
      const target =
        each.hop === 'Endpoint' && each.protocol === protocol
          ? targets.find(({ target: own }) => own === hostPort(each.address, each.port))
          : undefined;
      return target === undefined ? [] : [each];
    });
    return found.map(
      (each) => `Active check from node ${this.#report.node} itself, past the rules: ${connectionText(each)}.`,
    );
  }

  #connections(): RecordOf<'connection'>[] {
    return recordsOf(this.#report, 'connection').filter(
      ({ service }) => service === `${this.#bundle.desired.namespace}/${this.#bundle.desired.name}`,
    );
  }

  entry(): string[] {
    return this.#result.steps.length === 0
      ? ['No rule of this Service matches it.']
      : ['The first packet is evaluated; conntrack does the same to all others of the connection.'];
  }

  /** What the rules made of the destination. */
  choice(): string[] {
    const { destination, destinationPort } = this.#packet;
    const from = hostPort(destination, destinationPort);
    const lines = this.#destinations().map(
      ({ text, leaves }) => `${from} → DNAT → ${text}${shareSuffix(shareFields(leaves))}.`,
    );
    const others = Map.groupBy(
      this.#result.leaves.filter(({ verdict }) => verdict !== 'DNAT'),
      (leaf) => `${endWords.get(leaf.verdict) ?? leaf.verdict}${endedBy(leaf)}`,
    );
    for (const [text, leaves] of others) lines.push(`${partOf(leaves)} of the connections: ${text}.`);
    return lines;
  }

  conntrack(): string[] {
    const { source, destination, destinationPort } = this.#packet;
    const back =
      this.#destinations()
        .slice(0, 1)
        .map(
          ({ target, masquerade }) => `${target} → ${masquerade ? 'the address that the node put in' : source}`,
        )[0] ?? '';
    return [
      `conntrack keeps both directions of the connection: ${source} → ${hostPort(destination, destinationPort)} as the client sent it, and ${back} as the answer is to come${this.#destinations().length > 1 ? ' (with the endpoint that was chosen)' : ''}.`,
    ];
  }

  routing(): string[] {
    const { node } = this.#report;
    const places = this.#destinations().map(({ text, node: on }) =>
      on === undefined
        ? `${text}: its node is not known; the routing table decides.`
        : on === node
          ? `${text} is on this node: the packet goes to the pod's interface.`
          : `${text} is on ${on}: the node sends it there by the pod network.`,
    );
    return [...places, ...this.#sourceSentences()];
  }

  #sourceSentences(): string[] {
    const leaves = this.#result.leaves.filter(({ verdict }) => verdict === 'DNAT');
    const masked = leaves.filter(({ masquerade }) => masquerade);
    const [total, part] = [shareOf(leaves), shareOf(masked)];
    const by = masked[0]?.masqueradedBy;
    const policy = this.#bundle.desired.service.externalTrafficPolicy;
    const note = policy === undefined ? '' : ` (externalTrafficPolicy is ${policy})`;
    if (masked.length === 0) return [`The source stays ${this.#packet.source}: no rule masquerades it${note}.`];
    const rule = by === undefined ? '' : `, by the rule ${by.rule} of ${by.table} ${by.chain}`;
    return [
      `The source becomes an address of ${this.#report.node} (masquerade) for ${total === undefined || part === undefined ? 'some' : percent(part / (total === 0 ? 1 : total))} of the connections${rule}${note}: the pod does not see ${this.#packet.source}, and its answers come back over this node.`,
    ];
  }

  back(): string[] {
    const { source, destination, destinationPort } = this.#packet;
    const fates = this.#destinations().map((each) => ({ ...each, fate: this.#fateOf(each) }));
    const isTurned = fates.some(({ fate }) => fate === undefined);
    return [
      ...fates.map(({ text, masquerade, fate }) =>
        fate === undefined
          ? `${text} receives the connection from ${masquerade ? `${this.#report.node}, which stands for ${source}` : source}, and answers it.`
          : fate.sentence,
      ),
      ...(isTurned
        ? [
            `On ${this.#report.node}, conntrack finds the answer by its reply direction and turns it back: the client sees ${hostPort(destination, destinationPort)} answer.`,
          ]
        : []),
    ];
  }

  /** What third-party rules do, here, on the endpoint's own node, or to the answers. */
  faults(): string[] {
    const ended = Map.groupBy(this.#result.leaves, foreignEnd);
    const here = [...ended].flatMap(([text, leaves]) =>
      text === undefined ? [] : [`${partOf(leaves)} of the connections are ${text}.`],
    );
    const behind = this.#destinations()
      .filter(({ leaf: { dnat } }) => dnat !== undefined && !isForeignDnat(dnat))
      .flatMap((each) => {
        const fate = this.#fateOf(each);
        return fate === undefined || fate.isUnknown ? [] : [fate.sentence];
      });
    return [...new Set([...here, ...behind])];
  }

  /** undefined where the endpoint receives the connection and its answer comes to the client, as far as rules were read. */
  #fateOf({ leaf, text, node }: Destination): Fate | undefined {
    const { dnat } = leaf;
    if (dnat === undefined) return undefined;
    if (isForeignDnat(dnat))
      return {
        isUnknown: false,
        sentence: `The connection goes to ${text} and not to an endpoint of the Service, by ${ruleText(dnat.by)}.`,
      };
    const { source, protocol } = this.#packet;
    const [own = source] = this.#ownAddresses(this.#report);
    const there =
      node === undefined || node === this.#report.node
        ? undefined
        : this.#bundle.answers.find((answer) => answer.node === node);
    if (there !== undefined && 'report' in there) {
      const sent: Packet = {
        source: leaf.masquerade ? own : source,
        destination: dnat.address,
        destinationPort: dnat.port,
        protocol,
        entersAt: 'PREROUTING',
      };
      const arrived = this.#walk(there.report, sent);
      const stopped =
        arrived.find(({ verdict, dnat: away }) => verdict === 'DROP' || verdict === 'REJECT' || away !== undefined) ??
        arrived.find(({ verdict }) => verdict === 'UNKNOWN');
      if (stopped !== undefined)
        return {
          isUnknown: stopped.verdict === 'UNKNOWN',
          sentence:
            stopped.verdict === 'UNKNOWN'
              ? `Whether ${text} receives the connection is not known: it depends on rules of ${node ?? ''}${endedBy(stopped)}.`
              : `${text} does not receive the connection: on ${node ?? ''}, it is ${stopped.verdict === 'DNAT' ? 'sent elsewhere' : stopped.verdict === 'DROP' ? 'dropped' : 'refused'}${endedBy(stopped)}.`,
        };
      const [first] = arrived;
      const answered = first === undefined ? undefined : this.#answerOn(there.report, sent, first, text);
      if (answered !== undefined) return answered;
    }
    const comesBack =
      leaf.masquerade ||
      this.#packet.entersAt === 'OUTPUT' ||
      this.#client.pod !== undefined ||
      node === undefined ||
      node === this.#report.node;
    return comesBack ? this.#answerOn(this.#report, this.#packet, leaf, text) : undefined;
  }

  /** The result of the endpoint's answer on one node. */
  #answerOn(report: NodeReport, first: Packet, leaf: Leaf, text: string): Fate | undefined {
    const addresses = this.#ownAddresses(report);
    const answer = answerTo(
      first,
      leaf,
      { addresses: recordsOf(report, 'start')[0]?.addresses ?? [], ipSets: new Map() },
      addresses[0] ?? first.source,
    );
    const fates = this.#walk(report, answer).map((each) => ({ each, fate: fateOf(first, answer, each) }));
    const bad =
      fates.find(({ fate }) => fate === 'stopped' || fate === 'lost') ?? fates.find(({ fate }) => fate === 'unknown');
    if (bad === undefined) return undefined;
    const asked = hostPort(this.#packet.destination, this.#packet.destinationPort);
    if (bad.fate === 'unknown')
      return {
        isUnknown: true,
        sentence: `${text} receives the connection; whether its answer comes to the client is not known: it depends on rules of ${report.node}${endedBy(bad.each)}.`,
      };
    if (bad.fate === 'stopped')
      return {
        isUnknown: false,
        sentence: `${text} receives the connection, and its answer does not come to the client: on ${report.node}, it is dropped${endedBy(bad.each)}.`,
      };
    const by = trackingStep(bad.each) ?? trackingStep(leaf);
    return {
      isUnknown: false,
      sentence: `${text} receives the connection, and the client has no use for its answer: conntrack of ${report.node} does not know it${by === undefined ? '' : ` (by ${ruleText(by)})`}, so that it does not come from ${asked}.`,
    };
  }

  #walk(report: NodeReport, packet: Packet): readonly Leaf[] {
    return (
      walkAllRules(
        report,
        `${this.#bundle.desired.namespace}/${this.#bundle.desired.name}`,
        packet,
        this.#bundle.cluster,
      )?.leaves ?? []
    );
  }

  #ownAddresses(report: NodeReport): string[] {
    return reachableAddresses(recordsOf(report, 'start')[0]?.addresses ?? [], familyOf(this.#packet.destination));
  }

  /** Connections of this client that conntrack held. */
  entries(): string[] {
    const { source, destination, destinationPort } = this.#packet;
    const record = recordsOf(this.#report, 'conntrack').find(
      ({ service }) => service === `${this.#bundle.desired.namespace}/${this.#bundle.desired.name}`,
    );
    if (record === undefined || record.lines.length === 0) return [];
    const own = record.lines
      .flatMap((line) => parseConntrackLine(line) ?? [])
      .filter(
        ({ original }) =>
          isSameAddress(original.source, source) &&
          isSameAddress(original.destination, destination) &&
          original.destinationPort === destinationPort,
      );
    if (own.length === 0)
      return [
        `conntrack of ${this.#report.node} holds no connection of ${source} to ${hostPort(destination, destinationPort)} now.`,
      ];
    const shown = own
      .slice(0, mostEntries)
      .map(
        ({ state, original, reply, unreplied }) =>
          `conntrack now: ${state === undefined ? '' : `${state} `}${hostPort(original.source, original.sourcePort)} → ${hostPort(original.destination, original.destinationPort)}, ${unreplied ? 'not answered: an answer is expected from' : 'answered by'} ${withPod(hostPort(reply.source, reply.sourcePort), reply.source, this.#names)} to ${hostPort(reply.destination, reply.destinationPort)}.`,
      );
    return own.length <= mostEntries
      ? shown
      : [...shown, `conntrack now: ${String(own.length - mostEntries)} more of this client.`];
  }

  #destinations(): Destination[] {
    const found = new Map<string, Destination & { readonly leaves: Leaf[] }>();
    for (const leaf of this.#result.leaves) {
      const { dnat, masquerade } = leaf;
      if (dnat === undefined) continue;
      const target = hostPort(dnat.address, dnat.port);
      const before = found.get(target);
      if (before !== undefined) {
        before.leaves.push(leaf);
        continue;
      }
      const endpoint = this.#bundle.desired.endpointSlices
        .flatMap(({ endpoints }) => endpoints)
        .find(({ addresses }) => addresses.some((address) => isSameAddress(address, dnat.address)));
      found.set(target, {
        text: withPod(target, dnat.address, this.#names),
        target,
        leaves: [leaf],
        node: endpoint?.nodeName,
        masquerade,
        leaf,
      });
    }
    return [...found.values()];
  }
}

/** Where the rules send connections, with the branches that go there, and one of them. */
interface Destination {
  readonly text: string;
  readonly target: string;
  readonly leaves: readonly Leaf[];
  readonly node: string | undefined;
  readonly masquerade: boolean;
  readonly leaf: Leaf;
}

/** Why the client gets no answer of an endpoint, or why that is not known. */
interface Fate {
  readonly isUnknown: boolean;
  readonly sentence: string;
}

/** `33.3 %`; `Some` where it is not known how many. */
function partOf(leaves: readonly Leaf[]): string {
  const share = shareOf(leaves);
  return share === undefined ? 'Some' : percent(share);
}

function isForeignDnat({ by }: NonNullable<Leaf['dnat']>): boolean {
  return !isKubeStep(by) && by.table !== ipvsTable;
}

/** `dropped, by the rule …`: what a third-party rule does to a branch. */
function foreignEnd(leaf: Leaf): string | undefined {
  const { verdict, dnat, path, droppedByPolicyOf } = leaf;
  if (verdict === 'DROP' || verdict === 'REJECT') {
    const last = path.at(-1);
    const isForeign =
      droppedByPolicyOf !== undefined || (last !== undefined && !isKubeStep(last) && last.table !== ipvsTable);
    return isForeign ? `${verdict === 'DROP' ? 'dropped' : 'refused'}${endedBy(leaf)}` : undefined;
  }
  if (dnat !== undefined)
    return !isForeignDnat(dnat) ? undefined : `sent to ${hostPort(dnat.address, dnat.port)}, by ${ruleText(dnat.by)}`;
  const untracking = trackingStep(leaf);
  return verdict === 'UNKNOWN' || untracking === undefined ? undefined : `not rewritten, by ${ruleText(untracking)}`;
}

function ruleText({ table, chain, rule }: Step): string {
  return `the rule ${rule} of ${table} ${chain}`;
}

/** `, by the rule …`, of a branch that a rule or a policy ended. */
function endedBy({ verdict, droppedByPolicyOf, path, dnat }: Leaf): string {
  if (verdict === 'NONE' || verdict === 'ACCEPT') return '';
  if (droppedByPolicyOf !== undefined) return `, by the policy of ${droppedByPolicyOf}`;
  const step = dnat?.by ?? path.at(-1);
  return step === undefined ? '' : `, by ${ruleText(step)}`;
}

/** More connections of one client show nothing new. */
const mostEntries = 5;

const endWords: ReadonlyMap<string, string> = new Map([
  ['REJECT', 'refused, and the client gets a refusal at once'],
  ['DROP', 'dropped, and the client waits until its time is out'],
  ['ACCEPT', 'not rewritten: they go to the address as it is'],
  ['UNKNOWN', 'not known: a rule takes them of which it is not known what it does'],
  ['NONE', 'not rewritten: no rule of the Service matches them, and they go to the address as it is'],
]);
