/** `kubectl svctrace simulate`: what rules do with one packet; those of dumps, of a recorded trace, or of a Service's nodes now. */
import { effectText } from '../../core/evaluate/action.ts';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { hostPort, isSameAddress } from '../../core/net/address.ts';
import type { Bundle } from '../../core/wire/bundle.ts';
import { frontendText } from '../../core/diagnose/checks/frontend-drift.ts';
import { entryOf } from '../../core/evaluate/walk-hooks.ts';
import { summarize, walkPacket, type Walk } from '../../core/program/walk-packet.ts';
import { walkRuleset } from '../../core/evaluate/walk-ruleset.ts';
import { ChainLoopError, type Packet } from '../../core/evaluate/walk.ts';
import { parseServiceList, ServiceListError, type ServiceNames } from '../../core/api/service-list.ts';
import { checkedFrontends } from '../../core/api/frontends.ts';
import { recordsOf } from '../../core/wire/node-report.ts';
import { mergeRulesets, RulesetDump } from '../../core/ruleset/read-dumps.ts';
import { RulesetError, type Ruleset } from '../../core/ruleset/ruleset.ts';
import { connect } from '../cluster/cluster-client.ts';
import { collectBundle } from '../sources/collect-bundle.ts';
import { UsageError } from '../cli/errors.ts';
import { exitStatus } from '../cli/exit-status.ts';
import type { Io } from '../cli/io.ts';
import { writeResult } from '../cli/output.ts';
import { visible } from '../../core/lib/visible.ts';
import { createProgress } from '../cli/progress.ts';
import type { SimulateRequest } from '../cli/request.ts';
import { shareText } from '../tables/words.ts';
import { fileTrouble } from '../cli/file-errors.ts';
import { familyOf } from '../../core/net/family.ts';
import { checkClient } from '../cluster/find-client.ts';
import { clientsOf } from '../tables/client-packet-paths.ts';
import { readServiceBundle } from '../sources/read-service.ts';
import { requireRights, standaloneAccess } from '../cluster/rights.ts';
import { checkNodes } from '../cli/trace-nodes.ts';

/**
 * @param connectTo replaced by tests
 * @returns 5 where a part of what was asked could not be read: the answer then says what it does not know
 * @throws UsageError where a file cannot be read or understood, or the packet is none of the Service's
 */
export async function runSimulate(
  request: SimulateRequest,
  io: Io,
  connectTo: typeof connect = connect,
): Promise<number> {
  const { origin } = request;
  if (origin.kind === 'ruleset') {
    const { ruleset, problems } = await readRulesets(origin.files);
    for (const { isNote, text } of problems) io.stderr.write(`${isNote ? 'note' : 'error'}: ${text}\n`);
    const { from } = request;
    // options.ts refuses a pod with dumps.
    if ('pod' in from) throw new UsageError(`--from ${from.pod}: dumps know no pods.`);
    const names = origin.services === undefined ? undefined : await readServiceNames(origin.services);
    const answer = withNames(answerOf(walkDumps(ruleset, from, request), [], from), request, names);
    print([answer], from, request, io);
    return problems.every(({ isNote }) => isNote) && isKnown(answer) ? exitStatus.ok : exitStatus.partial;
  }
  if (origin.kind === 'bundle') {
    return walkBundle(await readServiceBundle(origin), request, io);
  }
  const progress = createProgress(io.stderr);
  const clusterClient = connectTo(request.flags, io.env, (line) => {
    io.stderr.write(`${line}\n`);
  });
  await checkClient(clusterClient, clusterClient.namespace, 'pod' in request.from ? request.from : undefined);
  await requireRights(
    clusterClient,
    standaloneAccess(clusterClient.namespace, origin.probeNamespace),
    'simulate SERVICE',
  );
  const { bundle } = await collectBundle(
    clusterClient,
    {
      ...origin,
      nodes: request.nodes,
      collect: { conntrack: 'None', dns: false },
      ...('pod' in request.from ? { from: request.from } : {}),
    },
    progress,
    io,
  );
  return walkBundle(bundle, request, io);
}

/** What one node, or several that do the very same, do with the packet. The keys of design.md, in its order; others script against them. */
interface Answer extends Pick<Walk, 'verdict' | 'probability' | 'masquerade'> {
  readonly destinations: readonly NamedDestination[];
  /** Where the packet's branches come to several verdicts. */
  readonly verdicts?: Walk['verdicts'];
  readonly path: readonly {
    readonly table: string;
    readonly chain: string;
    readonly rule: string;
    readonly effect: string;
  }[];
  readonly unknown?: readonly string[];
  /** Absent where the rules are those of dumps. */
  readonly nodes?: readonly string[];
  /** The pod of --from, as the trace knows it; absent where --from is an address. */
  readonly source?: Source;
  /** `namespace/name:port` by --services; absent where they have none that the packet is for. */
  readonly service?: string;
}

type NamedDestination = Walk['destinations'][number] & {
  /** `namespace/name` by --services. */
  readonly pod?: string;
};

/** Where the packet comes from; of a pod, with its name and its node. */
interface Source {
  readonly address: string;
  readonly port?: number;
  readonly pod?: string;
  readonly node?: string;
}

/** @throws UsageError where the trace does not know the pod, or it has no address of the packet's family */
function sourceOf(bundle: Bundle, { from, to }: SimulateRequest): Source {
  if ('address' in from) return from;
  const clients = clientsOf(bundle, from);
  const family = familyOf(to.address);
  const own = clients.find(({ address }) => familyOf(address) === family);
  if (own !== undefined) return { ...own, pod: from.pod };
  throw new UsageError(
    `--from ${from.pod} and --to ${to.address}: the pod has no ${family} address, only ${clients.map(({ address }) => address).join(', ')}.`,
  );
}

function answerOf(
  { verdict, probability, verdicts, destinations, masquerade, path, unknown }: Walk,
  nodes: readonly string[],
  source: Source,
): Answer {
  return {
    verdict,
    ...(probability === undefined ? {} : { probability }),
    ...(verdicts.length > 1 ? { verdicts } : {}),
    destinations,
    masquerade,
    path: path.map((step) => ({ table: step.table, chain: step.chain, rule: step.rule, effect: effectText(step) })),
    ...(unknown.length === 0 ? {} : { unknown }),
    ...(nodes.length === 0 ? {} : { nodes }),
    ...(source.pod === undefined ? {} : { source }),
  };
}

function withNames(answer: Answer, { to }: SimulateRequest, names: ServiceNames | undefined): Answer {
  if (names === undefined) return answer;
  const service = names.serviceAt(to.address, to.port, to.protocol, answer.verdict !== 'NONE');
  return {
    ...answer,
    destinations: answer.destinations.map((each) => {
      const pod = names.podAt(each.address);
      return pod === undefined ? each : { ...each, pod };
    }),
    ...(service === undefined ? {} : { service }),
  };
}

async function readServiceNames(file: string): Promise<ServiceNames> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`--services ${file} cannot be read: ${fileTrouble(error)}`, { cause: error });
  }
  try {
    return parseServiceList(text);
  } catch (error) {
    if (error instanceof ServiceListError)
      throw new UsageError(`--services ${file}: ${error.message}.`, { cause: error });
    throw error;
  }
}

/** Whether no part of the answer is UNKNOWN. */
function isKnown({ verdict, verdicts = [] }: Answer): boolean {
  return verdict !== 'UNKNOWN' && verdicts.every((each) => each.verdict !== 'UNKNOWN');
}

function packetOf(from: Source, { to, interfaces }: SimulateRequest, nodeAddresses: readonly string[]): Packet {
  return {
    source: from.address,
    ...(from.port === undefined ? {} : { sourcePort: from.port }),
    destination: to.address,
    destinationPort: to.port,
    protocol: to.protocol,
    entersAt: entryOf(nodeAddresses, from.address),
    ...(interfaces.in === undefined ? {} : { inInterface: interfaces.in }),
    ...(interfaces.out === undefined ? {} : { outInterface: interfaces.out }),
  };
}

function walkDumps(ruleset: Ruleset, from: Source, request: SimulateRequest): Walk {
  try {
    return summarize(walkRuleset(ruleset, packetOf(from, request, request.nodeIps), request.nodeIps));
  } catch (error) {
    if (error instanceof ChainLoopError) throw new UsageError(`${error.message}.`, { cause: error });
    throw error;
  }
}

/** Walks the packet on each node where it may enter; a node that did not answer makes the result partial. */
function walkBundle(bundle: Bundle, request: SimulateRequest, io: Io): number {
  const { desired } = bundle;
  const answers: Answer[] = [];
  const asked = bundle.answers.filter(({ node }) => request.nodes.length === 0 || request.nodes.includes(node));
  checkNodes(
    request.nodes,
    bundle.answers.map(({ node }) => node),
  );
  const addressesOf = (answer: Bundle['answers'][number]): readonly string[] =>
    'report' in answer ? (recordsOf(answer.report, 'start')[0]?.addresses ?? []) : [];
  checkFrontend(bundle, request, bundle.answers.flatMap(addressesOf));
  const source = sourceOf(bundle, request);
  if (source.node !== undefined && !asked.some(({ node }) => node === source.node))
    throw new UsageError(
      `--from ${source.pod ?? source.address} is on ${source.node}, where its packets meet the rules: ${request.nodes.length > 0 ? `leave --node ${request.nodes.join(', ')} out` : 'the trace has no such node'}.`,
    );
  // The client's own node is where its packets meet rules; of a client outside, it may be any.
  const ownNode = asked.filter((answer) => addressesOf(answer).some((own) => isSameAddress(own, source.address)));
  const podNode =
    source.node ??
    desired.endpointSlices
      .flatMap(({ endpoints }) => endpoints)
      .find(({ addresses }) => addresses.some((each) => isSameAddress(each, source.address)))?.nodeName;
  const entered =
    ownNode.length > 0
      ? ownNode
      : asked.filter(
          ({ node }) =>
            podNode === undefined || node === podNode || (source.node === undefined && request.nodes.length > 0),
        );
  let missing = 0;
  for (const answer of entered) {
    if (!('report' in answer)) {
      missing += 1;
      io.stderr.write(`${answer.node} did not answer: ${answer.message}\n`);
      continue;
    }
    const packet = packetOf(source, request, addressesOf(answer));
    const own = answerOf(walkPacket(answer.report, desired, packet, bundle.cluster), [answer.node], source);
    const identical = answers.findIndex(
      (other) => JSON.stringify({ ...other, nodes: [] }) === JSON.stringify({ ...own, nodes: [] }),
    );
    const before = answers[identical];
    if (before === undefined) answers.push(own);
    else answers[identical] = { ...before, nodes: [...(before.nodes ?? []), answer.node] };
  }
  if (answers.length === 0)
    throw new UsageError(
      `No node's rules are there to walk the packet through${missing > 0 ? '' : `: ${desired.name} was traced on no node`}.`,
    );
  print(answers, source, request, io);
  return missing === 0 && answers.every(isKnown) ? exitStatus.ok : exitStatus.partial;
}

/** A trace holds the rules of its Service alone: for any other packet it would say "no rule", which nobody looked for. */
function checkFrontend({ desired }: Bundle, { to }: SimulateRequest, nodeAddresses: readonly string[]): void {
  const frontends = checkedFrontends(desired);
  const isThis = frontends.some(({ frontend, address, port, protocol }) => {
    const addresses = frontend === 'NodePort' ? nodeAddresses : [address];
    return port === to.port && protocol === to.protocol && addresses.some((each) => isSameAddress(each, to.address));
  });
  if (isThis) return;
  const list = frontends.map(frontendText).join(', ');
  throw new UsageError(
    `--to ${hostPort(to.address, to.port)}/${to.protocol.toLowerCase()} is not an address of Service ${desired.name}, and a trace holds no other's rules. ${list === '' ? `kube-proxy writes no rules for it, because ${desired.service.notProxied ?? 'it has no ports'}` : `It has ${list}`}.`,
  );
}

/** All dumps as those of one machine, and what could not be read of them, in sentences. */
async function readRulesets(
  files: readonly string[],
): Promise<{ ruleset: Ruleset; problems: { readonly isNote: boolean; readonly text: string }[] }> {
  const read = await Promise.all(files.map(readRuleset));
  const ruleset = merged(read);
  const problems = read.flatMap(({ problems: own }, index) =>
    own
      .filter((problem) => ruleset.problems.includes(problem))
      .map(({ line, message, isNote = false }) => ({
        isNote,
        text: `--ruleset ${files[index] ?? ''}: line ${String(line)}: ${message}`,
      })),
  );
  return { ruleset, problems };
}

function merged(read: readonly Ruleset[]): Ruleset {
  try {
    return mergeRulesets(read);
  } catch (error) {
    if (error instanceof RulesetError) throw new UsageError(`--ruleset: ${error.message}.`, { cause: error });
    throw error;
  }
}

async function readRuleset(file: string): Promise<Ruleset> {
  const dump = new RulesetDump();
  try {
    for await (const chunk of file === '-' ? process.stdin : createReadStream(file)) dump.push(chunk as Uint8Array);
  } catch (error) {
    if (error instanceof RulesetError) throw new UsageError(`--ruleset ${file}: ${error.message}.`, { cause: error });
    throw new UsageError(`--ruleset ${file} cannot be read: ${fileTrouble(error)}`, { cause: error });
  }
  try {
    return dump.end();
  } catch (error) {
    if (error instanceof RulesetError) throw new UsageError(`--ruleset ${file}: ${error.message}.`, { cause: error });
    throw error;
  }
}

function print(answers: readonly Answer[], source: Source, request: SimulateRequest, io: Io): void {
  const [only] = answers;
  const result = answers.length === 1 ? only : { answers };
  writeResult(io, request.output, result, () =>
    visible(answers)
      .map((answer) => asText(answer, visible(source), request))
      .join('\n'),
  );
}

function asText(
  {
    verdict,
    probability,
    verdicts = [],
    destinations,
    masquerade: isMasqueraded,
    path,
    unknown = [],
    nodes = [],
    service,
  }: Answer,
  from: Source,
  { to, nodeIps }: SimulateRequest,
): string {
  const address = from.port === undefined ? from.address : hostPort(from.address, from.port);
  const source = from.pod === undefined ? address : `pod ${from.pod} (${address})`;
  const lines = [
    `${to.protocol} ${source} → ${hostPort(to.address, to.port)}${nodes.length === 0 ? `, enters at ${entryOf(nodeIps, from.address)}` : ` on ${nodes.join(', ')}`}`,
    ...(service === undefined ? [] : [`Service ${service}`]),
    '',
    ...path.map(({ table, chain, rule, effect }) => `${table} ${chain}: ${effect}\n    ${rule}`),
    ...(path.length === 0 ? ['no rule matches'] : []),
    '',
    `${verdict}${(probability ?? 0) >= 1 ? '' : `  ${shareText(probability === undefined ? {} : { probability })}`}${isMasqueraded && destinations.length === 0 ? ', masqueraded' : ''}`,
    ...destinations.map(
      (each) =>
        `  ${hostPort(each.address, each.port)}  ${shareText(each)}${each.masquerade ? ', masqueraded' : ''}${each.pod === undefined ? '' : `  ${each.pod}`}`,
    ),
    ...verdicts.slice(1).map((each) => `${each.verdict}  ${shareText(each)}`),
    ...(unknown.length === 0
      ? []
      : ['', 'not known, so nothing is said of what depends on it:', ...unknown.map((each) => `  ${each}`)]),
  ];
  return `${lines.join('\n')}\n`;
}
