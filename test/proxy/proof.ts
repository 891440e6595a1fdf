/**
 * The evaluator against the kernel: random Services, programmed by the real kube-proxy in each of its modes, asked by
 * pods, nodes and clients outside with real packets; who answered, how often, and whom the answering one saw, is
 * compared with what the evaluator says of the node's rules.
 */
import { effectText } from '../../core/evaluate/action.ts';
import fc from 'fast-check';
import { hostPort } from '../../core/net/address.ts';
import { familyOf } from '../../core/net/family.ts';
import type { Answer, Question } from './ask.ts';
import { casesOf, type Case } from './cases.ts';
import { difference, frequenciesOf, questionOf } from './compare.ts';
import { expectationOf, readDumps, type Expectation } from './expectation.ts';
import { PooledChiSquare } from './frequencies.ts';
import { currentRelease, kubeProxyOf, type KubeProxyRelease } from './kube-proxy-releases.ts';
import { deleteServices, programServices } from './program-services.ts';
import { withProxyCluster, type ProxyCluster } from './proxy-cluster.ts';
import { randomService, writableOf } from './random-service.ts';

export interface ProofOptions {
  /** Of the cluster that is started for it. */
  readonly name: string;
  /** How many cases to compare at least. */
  readonly cases: number;
  readonly seed: number;
  /** Whose kube-proxy programs the nodes; the test cluster's own, if not given. */
  readonly release?: KubeProxyRelease;
  readonly onProgress?: (line: string) => void;
}

export interface Proof {
  readonly services: number;
  readonly cases: number;
  readonly connections: number;
  /** How many cases of each kind there were: `node-a DNAT`, `TCP`, `NodePort`, `masquerade` and the like. */
  readonly counts: ReadonlyMap<string, number>;
  readonly chiSquare: PooledChiSquare;
  /** Each with the Service, the packet, the evaluator's path and what was observed. */
  readonly disagreements: readonly string[];
}

/** Services that are there at once: waiting for kube-proxy costs about the same for one and for many. */
const servicesPerBatch = 40;
/** Of each Service's cases (some hundred), so many are tried. */
const casesPerService = 16;

/** Compares random cases until there are enough. */
export async function prove({ name, cases, seed, release = currentRelease, onProgress }: ProofOptions): Promise<Proof> {
  return withProxyCluster(
    { name, ...(await kubeProxyOf(release)), ...(onProgress && { onProgress }) },
    async (cluster) => {
      const proof = {
        services: 0,
        cases: 0,
        connections: 0,
        counts: new Map<string, number>(),
        chiSquare: new PooledChiSquare(),
        disagreements: [] as string[],
      };
      for (let batch = 1; proof.cases < cases; batch += 1) {
        for (const compared of await proveBatch(cluster, batch, seed + batch)) {
          proof.cases += 1;
          proof.connections += compared.answer.witnesses.reduce((sum, { count }) => sum + count, 0);
          for (const kind of kindsOf(compared)) proof.counts.set(kind, (proof.counts.get(kind) ?? 0) + 1);
          if (compared.difference !== undefined) proof.disagreements.push(describe(compared));
          else if (isFrequency(compared))
            proof.chiSquare.add(
              frequenciesOf(compared.expected, compared.answer, cluster.places, familyOf(compared.subject.destination)),
            );
        }
        proof.services += servicesPerBatch;
        onProgress?.(
          `${String(proof.cases)} cases of ${String(proof.services)} Services, ${String(proof.disagreements.length)} disagreements`,
        );
      }
      return proof;
    },
  );
}

interface Compared {
  readonly subject: Case;
  readonly expected: Expectation;
  readonly answer: Answer;
  readonly difference: string | undefined;
}

const isFrequency = ({ subject, expected }: Compared): boolean =>
  expected.verdict === 'DNAT' && subject.random.affinity === 'None';

async function proveBatch(cluster: ProxyCluster, batch: number, seed: number): Promise<Compared[]> {
  const randoms = fc.sample(randomService(cluster.places.length), { numRuns: servicesPerBatch, seed });
  const nameOf = (index: number): string => `random-${String(batch)}-${String(index)}`;
  const kept = await programServices(
    cluster,
    randoms.map((random, index) => writableOf(random, nameOf(index), index + 1, cluster.places)),
    batch,
  );
  const rulesets = new Map(
    await Promise.all(cluster.nodes.map(async (node) => [node.name, readDumps(await node.dump())] as const)),
  );
  const chosen = randoms.flatMap((random, index) => {
    const service = kept[index];
    return service === undefined ? [] : someOf(casesOf(service, random, index + 1, cluster), seed * 1000 + index);
  });
  const planned = chosen.map((subject, index) => {
    const ruleset = rulesets.get(subject.node.name);
    if (ruleset === undefined) throw new Error(`the rules of ${subject.node.name} were not read`);
    const {
      destination,
      port,
      protocol,
      client: { source, entersAt },
    } = subject;
    const expected = expectationOf(
      ruleset,
      { source, destination, port, protocol, entersAt },
      subject.node.ownAddresses,
    );
    return { subject, expected, question: questionOf(subject, String(index), expected) };
  });
  const answers = await askAll(planned);
  await deleteServices(cluster, batch);
  await Promise.all(cluster.nodes.map(async (node) => node.forgetConnections()));
  return planned.map(({ subject, expected, question }) => {
    const answer = answers.get(question.id);
    if (answer === undefined) throw new Error(`a question was not answered: ${JSON.stringify(question)}`);
    return { subject, expected, answer, difference: difference(subject, expected, answer, cluster.places) };
  });
}

function someOf(cases: readonly Case[], seed: number): readonly Case[] {
  const count = Math.min(casesPerService, cases.length);
  return (
    fc.sample(fc.shuffledSubarray([...cases], { minLength: count, maxLength: count }), { numRuns: 1, seed })[0] ?? []
  );
}

/** Asks everything; what one client asks of one Service goes one by one, for affinity remembers the client. */
async function askAll(
  planned: readonly { readonly subject: Case; readonly question: Question }[],
): Promise<ReadonlyMap<string, Answer>> {
  const byInquirer = Map.groupBy(planned, ({ subject }) => subject.client.inquirer);
  const answers = await Promise.all(
    [...byInquirer].map(async ([inquirer, asked]) => {
      const groups = Map.groupBy(asked, ({ subject }) => `${subject.service} ${subject.client.source}`);
      return inquirer.ask([...groups.values()].map((group) => group.map(({ question }) => question)));
    }),
  );
  return new Map(answers.flatMap((each) => [...each]));
}

function kindsOf({ subject, expected }: Compared): string[] {
  const { node, random, frontend, protocol, client } = subject;
  return [
    `${node.name} ${expected.verdict}`,
    `${frontend} ${expected.verdict}`,
    `${protocol} ${expected.verdict}`,
    `${familyOf(subject.destination)} ${expected.verdict}`,
    `from ${client.name.startsWith('outside') ? client.name : (client.name.split('-')[0] ?? '')} ${expected.verdict}`,
    ...(expected.verdict === 'DNAT'
      ? [expected.targets.some(({ masquerade }) => masquerade) ? 'masquerade' : 'no masquerade']
      : []),
    ...(expected.verdict === 'DNAT' && random.affinity === 'ClientIP' ? ['affinity'] : []),
    ...(expected.targets.some(({ address }) => address === subject.client.source) ? ['hairpin'] : []),
  ];
}

/** Everything that is needed to understand a disagreement. */
function describe({ subject, expected, difference: found }: Compared): string {
  const { service, random, node, client, frontend, protocol, destination, port } = subject;
  return [
    `${node.name} (${node.proxyMode}${node.backend === null ? '' : `, ${node.backend}`}): ${found ?? ''}`,
    `  packet: ${protocol} from ${client.name} ${client.source} to ${hostPort(destination, port)} (${frontend}), enters at ${client.entersAt}`,
    `  Service ${service}: ${JSON.stringify(random)}`,
    `  evaluator: ${expected.verdict} ${expected.targets.map(({ address, port: target, probability, masquerade }) => `${hostPort(address, target)} ${probability.toFixed(4)}${masquerade ? ' masqueraded' : ''}`).join(', ')}`,
    ...expected.path.map((step) => `    ${step.table} ${step.chain}: ${effectText(step)}\n      ${step.rule}`),
  ].join('\n');
}

/** The proof's figures as lines of text. */
export function proofText({ services, cases, connections, counts, chiSquare, disagreements }: Proof): string {
  return [
    ...disagreements,
    `${String(cases)} cases of ${String(services)} random Services, ${String(connections)} answered connections`,
    ...[...counts]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([kind, count]) => `  ${kind}: ${String(count)}`),
    `chi-square ${chiSquare.sum.toFixed(1)} with ${String(chiSquare.degrees)} degrees of freedom: ${chiSquare.deviation.toFixed(2)} standard deviations from the expected`,
    `${String(disagreements.length)} disagreements`,
  ].join('\n');
}
