/**
 * Whether the lags that a trace shows are true: EndpointSlices are changed on the embedded cluster, and what the operator's own
 * parts say of each change and node is compared with when the rules really changed (rule-times.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DiscoveryV1Api, KubeConfig } from '@kubernetes/client-node';
import type { NodeLagStatus, ServiceTraceStatus, SliceChangeStatus } from '../../core/api/service-trace.ts';
import type { Cluster, ClusterNode } from '../cluster/cluster.ts';
import { Dice } from '../fuzz/dice.ts';
import { eventually } from '../support/eventually.ts';
import { cuttableApi } from './cut-connections.ts';
import { operatorHere } from './operator-here.ts';
import { applyObjects, freshNamespace, serviceByHand, sliceByHand } from './service-by-hand.ts';
import { startRuleTimes, writingTimes, type RuleSight, type RuleTimes, type Span } from './rule-times.ts';

export interface LagProofOptions {
  readonly cluster: Cluster;
  /** Changes that are waited for, one after the other. */
  readonly changes: number;
  /** Changes as quick as the API server takes them. */
  readonly quick: number;
  /** Moments at which all connections of the operator's parts are cut. */
  readonly cuts: number;
  /** How long kube-proxy stands still; 5000 if not given. */
  readonly stoppedMilliseconds?: number;
  readonly seed: number;
  readonly log: (line: string) => void;
}

export interface NodeProof {
  readonly node: string;
  /** iptables on nf_tables, nftables, iptables on the legacy tables. */
  readonly mode: string;
  readonly changes: number;
  /** The rules changed within the bounds that are shown. */
  readonly contained: number;
  /** And neither bound is farther than 20 ms from that moment. */
  readonly near: number;
  /** How far the farther bound is from the moment, in milliseconds: of half of them, of 99 %, of all, at most. */
  readonly median: number;
  readonly p99: number;
  readonly worst: number;
  /** How far the two witnesses leave the moment open, in milliseconds, at most. */
  readonly witness: number;
  /** Moments that lie in what kube-proxy's log calls its writing. */
  readonly logged: number;
  /** Transactions of the Service that the kernel reported, and how many of these the watch did not give, or gave twice; absent for what is polled. */
  readonly transactions?: { readonly all: number; readonly missed: number; readonly twice: number };
  /** While its kube-proxy was stopped: its lag, and the most of another node, in milliseconds. */
  readonly stopped: {
    readonly min: number;
    readonly max: number;
    readonly real: Span;
    readonly others: number;
    readonly lastNode: string;
  };
  /** What is shown of a change that was undone while kube-proxy was stopped, and whether it came into the rules all the same. */
  readonly undone: NodeLagStatus['state'];
  readonly undoneCame: boolean;
}

export interface LagProof {
  readonly nodes: readonly NodeProof[];
  readonly changes: Counted;
  readonly quick: Counted;
  /** Changes while connections were cut, and those that a node does not have by them. */
  readonly cuts: Counted & { readonly connections: number; readonly unarrived: number; readonly outside: number };
  readonly problems: readonly string[];
}

/** Changes that were made, and what the history has of them. */
export interface Counted {
  readonly made: number;
  readonly missed: number;
  readonly twice: number;
}

interface Change extends Span {
  readonly resourceVersion: string;
  readonly address: string;
}

const namespace = 'lag-proof';
const service = 'lag';
const nearMilliseconds = 20;
/** Of the range for benchmarks (RFC 2544): nobody is there. */
const range = '198.18.0.0/15';

/** Of the trace, over all its statuses. */
class Histories {
  /** By resourceVersion, as it was last. */
  readonly last = new Map<string, SliceChangeStatus>();
  readonly twice: string[] = [];
  /** With those that were left out, in the status now. */
  count = 0;
  status: ServiceTraceStatus | undefined;

  add(status: ServiceTraceStatus): void {
    const { changes = [], omittedChanges = 0 } = status.convergence ?? {};
    const versions = changes.map(({ resourceVersion }) => resourceVersion);
    this.twice.push(...versions.filter((version, index) => versions.indexOf(version) !== index));
    for (const change of changes) this.last.set(change.resourceVersion, change);
    this.count = omittedChanges + changes.length;
    this.status = status;
  }

  lagOf({ resourceVersion }: Change, node: string): NodeLagStatus | undefined {
    return this.last.get(resourceVersion)?.nodes.find((each) => each.node === node);
  }
}

export async function proveLag(options: LagProofOptions): Promise<LagProof> {
  const { cluster, log, stoppedMilliseconds = 5000 } = options;
  const dice = new Dice(options.seed, 0);
  const direct = new KubeConfig();
  direct.loadFromFile(cluster.kubeconfigPath);
  const slices = direct.makeApiClient(DiscoveryV1Api);
  const problems: string[] = [];
  const histories = new Histories();
  const generations = new Map<string, number[]>(cluster.nodes.map(({ name }) => [name, []]));

  await freshNamespace(cluster, namespace);
  await applyObjects(cluster, serviceByHand(namespace, service));
  let number = 0;
  const nextAddress = (): string => {
    number += 1;
    return `198.${String(18 + Math.floor(number / 62_500))}.${String(Math.floor(number / 250) % 250)}.${String((number % 250) + 1)}`;
  };
  const write = async (addresses: readonly string[]): Promise<Change> => {
    const from = Date.now();
    const { metadata } = await slices.replaceNamespacedEndpointSlice({
      namespace,
      name: service,
      body: sliceByHand(namespace, service, addresses),
    });
    return {
      resourceVersion: metadata?.resourceVersion ?? '',
      address: addresses.at(-1) ?? '',
      from,
      to: Date.now() + 1,
    };
  };
  const replace = async (): Promise<Change> => write([nextAddress()]);

  const first = nextAddress();
  await slices.createNamespacedEndpointSlice({ namespace, body: sliceByHand(namespace, service, [first]) });
  const times = new Map<string, RuleTimes>();
  const api = await cuttableApi(cluster.kubeconfigPath);
  const operator = operatorHere({
    kubeConfig: api.kubeConfig,
    namespace,
    service,
    onStatus: (status) => {
      histories.add(status);
    },
    onRecord: (node, record) => {
      if (record.kind === 'rules')
        generations.get(node)?.push(...record.changes.flatMap(({ generation }) => generation ?? []));
    },
    onFailure: (message) => {
      log(`the trace failed: ${message}`);
    },
  });
  const arrivedAt = async (change: Change, nodes: readonly ClusterNode[] = cluster.nodes): Promise<void> => {
    const end = Date.now() + 30_000;
    while (nodes.some(({ name }) => times.get(name)?.cameAt(change.address) === undefined)) {
      if (Date.now() > end) throw new Error(`${change.address} did not come into the rules within 30 s`);
      await sleep(5);
    }
  };
  /** Nothing is expected any more of these changes. */
  const settled = async (changes: readonly Change[], seconds = 30): Promise<void> => {
    await eventually(() => {
      const open = changes.filter((change) => {
        const known = histories.last.get(change.resourceVersion);
        return known === undefined || known.lag.pending > 0;
      });
      return open.length === 0
        ? Promise.resolve()
        : Promise.reject(
            new Error(
              `${String(open.length)} of ${String(changes.length)} changes are not known, or pending, such as ${JSON.stringify(histories.last.get(open[0]?.resourceVersion ?? '') ?? open[0])}`,
            ),
          );
    }, seconds).catch((error: unknown) => {
      problems.push(error instanceof Error ? error.message : String(error));
    });
  };
  const counted = (made: number, before: number, twice: number): Counted => ({
    made,
    missed: Math.max(0, before + made - histories.count),
    twice: twice + Math.max(0, histories.count - before - made),
  });

  try {
    for (const node of cluster.nodes) times.set(node.name, await startRuleTimes(cluster, node, range));
    await eventually(() => {
      const nodes = histories.status?.nodes ?? [];
      return nodes.length === cluster.nodes.length && nodes.every(({ probe }) => probe.rulesReadAt !== undefined)
        ? Promise.resolve()
        : Promise.reject(new Error('the rules are not watched on all nodes yet'));
    });

    for (const of of times.values()) of.forget();
    log(`${String(options.changes)} changes, one after the other`);
    const countBefore = histories.count;
    const single: Change[] = [];
    for (let count = 0; count < options.changes; count += 1) {
      const change = await replace();
      single.push(change);
      await arrivedAt(change);
      await sleep(dice.below(200));
      if (single.length % 50 === 0) log(`${String(single.length)} changes are in the rules`);
    }
    await settled(single);
    const changes = counted(single.length, countBefore, histories.twice.length);

    log(`kube-proxy stands still for ${String(stoppedMilliseconds / 1000)} s, on one node after the other`);
    const stopped = new Map<string, NodeProof['stopped']>();
    for (const node of cluster.nodes) stopped.set(node.name, await stopOne(node));
    async function stopOne(node: ClusterNode): Promise<NodeProof['stopped']> {
      node.pauseKubeProxy();
      let change: Change;
      try {
        await sleep(200);
        change = await replace();
        await sleep(stoppedMilliseconds);
      } finally {
        node.resumeKubeProxy();
      }
      await arrivedAt(change);
      await settled([change]);
      const { minMilliseconds = 0, maxMilliseconds = Infinity } = histories.lagOf(change, node.name) ?? {};
      const came = times.get(node.name)?.cameAt(change.address);
      const others = cluster.nodes
        .filter(({ name }) => name !== node.name)
        .map(({ name }) => histories.lagOf(change, name)?.maxMilliseconds ?? Infinity);
      return {
        min: minMilliseconds,
        max: maxMilliseconds,
        real: { from: (came?.from ?? NaN) - change.to, to: (came?.to ?? NaN) - change.from },
        others: Math.max(...others),
        lastNode: histories.last.get(change.resourceVersion)?.lag.lastNode ?? 'nobody',
      };
    }

    log('a change is undone while kube-proxy stands still, on one node after the other');
    const undone = new Map<string, Pick<NodeProof, 'undone' | 'undoneCame'>>();
    for (const node of cluster.nodes) {
      const kept = nextAddress();
      await arrivedAt(await write([kept]));
      await sleep(1200);
      node.pauseKubeProxy();
      let change: Change;
      try {
        await sleep(200);
        change = await write([kept, nextAddress()]);
        await arrivedAt(
          change,
          cluster.nodes.filter(({ name }) => name !== node.name),
        );
        await write([kept]);
        await sleep(1500);
      } finally {
        node.resumeKubeProxy();
      }
      // Something that arrives, so that what came before is known.
      const last = await replace();
      await arrivedAt(last);
      await settled([change, last]);
      undone.set(node.name, {
        undone: histories.lagOf(change, node.name)?.state ?? 'Pending',
        // A kube-proxy that goes on may write the first of two changes before it hears of the second.
        undoneCame: times.get(node.name)?.cameAt(change.address) !== undefined,
      });
    }

    log(`${String(options.quick)} changes, as quick as the API server takes them`);
    const [beforeQuick, twiceBefore] = [histories.count, histories.twice.length];
    const beganQuick = Date.now();
    let last: Change | undefined;
    for (let count = 0; count < options.quick; count += 1) last = await replace();
    log(`they took ${((Date.now() - beganQuick) / 1000).toFixed(1)} s`);
    if (last !== undefined) {
      await arrivedAt(last);
      await settled([last]);
    }
    const quick = counted(options.quick, beforeQuick, histories.twice.length - twiceBefore);

    // What came into the rules while they were watched without a cut.
    const transactions = new Map(
      cluster.nodes.map(({ name }) => [
        name,
        transactionsOf(times.get(name)?.sights ?? [], generations.get(name) ?? []),
      ]),
    );

    log(`connections are cut at ${String(options.cuts)} moments`);
    const [beforeCuts, twiceBeforeCuts] = [histories.count, histories.twice.length];
    const whileCut: Change[] = [];
    let connections = 0;
    for (let count = 0; count < options.cuts; count += 1) {
      const change = await replace();
      whileCut.push(change);
      await sleep(dice.below(1500));
      connections += api.cut();
      await arrivedAt(change);
      await sleep(dice.below(800));
      if (count % 10 === 9) await settled(whileCut.slice(-10), 60);
    }
    await settled(whileCut.slice(-20), 60);
    const unarrived = whileCut.flatMap((change) =>
      cluster.nodes.filter(({ name }) => histories.lagOf(change, name)?.state !== 'Arrived'),
    ).length;
    const isOutside = (change: Change, name: string): boolean => errorOf(change, name)?.isContained === false;
    for (const change of whileCut)
      for (const { name } of cluster.nodes)
        if (isOutside(change, name))
          problems.push(
            `${name}, while connections were cut: ${JSON.stringify({ ...errorOf(change, name), change, known: histories.last.get(change.resourceVersion) })}`,
          );
    const outside = whileCut.flatMap((change) => cluster.nodes.filter(({ name }) => isOutside(change, name))).length;
    const cuts = {
      ...counted(whileCut.length, beforeCuts, histories.twice.length - twiceBeforeCuts),
      connections,
      unarrived,
      outside,
    };

    const nodes = cluster.nodes.map((node): NodeProof => {
      const errors = single.map((change) => errorOf(change, node.name));
      const far = errors.map((error) => error?.far ?? Infinity).sort((one, other) => one - other);
      const share = (part: number): number => far[Math.max(0, Math.ceil(part * far.length) - 1)] ?? NaN;
      const sights = single.flatMap(({ address }) => times.get(node.name)?.cameAt(address) ?? []);
      const writings = writingTimes(cluster, node.name);
      for (const [index, error] of errors.entries())
        if (error === undefined || !error.isContained || error.far > nearMilliseconds)
          problems.push(
            `${node.name}: ${JSON.stringify({ ...error, change: single[index], known: histories.last.get(single[index]?.resourceVersion ?? '') })}`,
          );
      return {
        node: node.name,
        mode: node.backend === null ? 'nftables' : node.backend === 'legacy' ? 'legacy' : 'iptables-nft',
        changes: errors.length,
        contained: errors.filter((error) => error?.isContained === true).length,
        near: errors.filter((error) => error?.isContained === true && error.far <= nearMilliseconds).length,
        median: share(0.5),
        p99: share(0.99),
        worst: share(1),
        witness: Math.max(0, ...sights.map(({ from, to }) => to - from)),
        logged: sights.filter((sight) => writings.some(({ from, to }) => sight.to >= from && sight.from <= to + 1))
          .length,
        ...(node.backend === 'legacy'
          ? {}
          : { transactions: transactions.get(node.name) ?? { all: 0, missed: 0, twice: 0 } }),
        stopped: stopped.get(node.name) ?? {
          min: 0,
          max: Infinity,
          real: { from: NaN, to: NaN },
          others: Infinity,
          lastNode: 'nobody',
        },
        ...(undone.get(node.name) ?? { undone: 'Pending', undoneCame: false }),
      };
    });
    return { nodes, changes, quick, cuts, problems };
  } finally {
    for (const each of times.values())
      await each.end().catch((error: unknown) => {
        problems.push(error instanceof Error ? error.message : String(error));
      });
    await operator.close();
    await api.close();
    await cluster.kubectl(['delete', 'namespace', namespace], { reject: false });
  }

  /** Undefined where nobody knows when it arrived, by the one or the other. */
  function errorOf(
    change: Change,
    node: string,
  ): { far: number; isContained: boolean; shown: Span; real: Span } | undefined {
    const known = histories.last.get(change.resourceVersion);
    const lag = histories.lagOf(change, node);
    const real = times.get(node)?.cameAt(change.address);
    if (known === undefined || lag?.maxMilliseconds === undefined || lag.state !== 'Arrived' || real === undefined)
      return undefined;
    const shown = {
      // Where only the end is known, from when the API server may have had it.
      from: Date.parse(known.earliest) + (lag.fromMilliseconds ?? 0),
      to: Date.parse(known.earliest) + lag.maxMilliseconds,
    };
    return {
      far: Math.max(0, real.from - shown.from, shown.to - real.to),
      isContained: shown.from <= real.to + 1 && shown.to >= real.from - 1,
      shown,
      real: { from: real.from, to: real.to },
    };
  }
}

/** Transactions with which something came, against those that the watch gave. */
function transactionsOf(
  sights: readonly RuleSight[],
  given: readonly number[],
): NonNullable<NodeProof['transactions']> {
  const real = new Set(sights.filter(({ added }) => added.length > 0).map(({ generation }) => generation));
  return {
    all: real.size,
    missed: [...real].filter((generation) => !given.includes(generation)).length,
    twice: given.length - new Set(given).size,
  };
}
