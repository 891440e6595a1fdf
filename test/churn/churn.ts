/**
 * Traces Services of all kinds in Watch mode while they, their pods and their neighbours change all the time, and
 * compares every finding that appears with what is meant. One Service is broken on purpose: a run that finds nothing
 * at all has failed too.
 */
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import type { FindingStatus, ServiceTraceStatus } from '../../core/api/service-trace.ts';
import { findingKey } from '../../core/status/changes.ts';
import { createTraceEngine } from '../../engine/trace-engine.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { Dice } from '../fuzz/dice.ts';
import { probeImage } from '../setup/images.ts';
import { actions, apply, burnCpu, kubectl, pause, scaleUpAndDown, type Workbench } from './actions.ts';
import { factsOfTheMachine } from '../faults/run-group.ts';
import { deployments, meantAlways, namespace, serviceNamed, services } from './objects.ts';

export interface ChurnOptions {
  readonly cluster: Cluster;
  readonly seconds: number;
  readonly seed: number;
  /** Replicas that `web` is scaled to. */
  readonly most: number;
  readonly log: (line: string) => void;
}

/** A finding when it was first there. */
export interface Appearance {
  readonly at: string;
  readonly service: string;
  readonly finding: FindingStatus;
  /** What was done in the half minute before. */
  readonly after: readonly string[];
}

export interface ChurnResult {
  readonly collections: number;
  readonly actions: number;
  /** Findings that appeared, those that are meant among them. */
  readonly appeared: number;
  /** Answers of nodes that did not come in time. */
  readonly unanswered: number;
  /** Findings that nothing explains. */
  readonly wrong: readonly Appearance[];
  /** Times at which `broken` was broken, and that was not found. */
  readonly missed: readonly string[];
  /** Collections that failed, such as for an API server that was too busy. */
  readonly failed: readonly string[];
}

const brokenService = 'broken';
const meantWhileBroken = ['EPS-EMPTY', 'SVC-SELECTOR-NOMATCH'];
/** A finding is there for as long as this after its cause is gone: the collection before it takes its time on a busy machine. */
const lingerMilliseconds = 20_000;
/** It stays broken until that is found, and not longer than this. */
const brokenSeconds = 120;

/**
 * What is reported of one collection alone, and true of it, while everything changes: EndpointSlices that changed meanwhile, and
 * a node that gave no answer in 20 s, or whose kube-proxy writes slowly, for somebody takes all of its CPUs. Nothing of the
 * Service is judged by any of them.
 */
const trueOfCollection: ReadonlySet<string> = new Set(['DATA-TORN', 'DATA-NODE-MISSING', ...factsOfTheMachine]);

export async function churn({ cluster, seconds, seed, most, log }: ChurnOptions): Promise<ChurnResult> {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(cluster.kubeconfigPath);
  const engine = createTraceEngine({
    kubeConfig,
    probeNamespace: 'kube-system',
    probeImage,
    instance: `churn-${process.pid.toString(36)}`,
    probeIdleSeconds: 600,
  });
  const stop = new AbortController();
  const bench: Workbench = { cluster, dice: new Dice(seed, 0), signal: stop.signal };
  const done: { readonly at: number; readonly name: string }[] = [];
  const note = (name: string): void => {
    done.push({ at: Date.now(), name });
    log(name);
  };

  const appeared: Appearance[] = [];
  const wrong: Appearance[] = [];
  const failed: string[] = [];
  const broken: { from: number; to: number; isFound: boolean }[] = [];
  const isMeant = (service: string, { id }: FindingStatus): boolean => {
    if (trueOfCollection.has(id) || meantAlways.get(service)?.includes(id) === true) return true;
    return (
      service === brokenService &&
      meantWhileBroken.includes(id) &&
      broken.some(({ from, to }) => Date.now() >= from && Date.now() <= to + lingerMilliseconds)
    );
  };

  const states = new Map<string, ServiceTraceStatus>();
  let collections = 0;
  const collect = async (service: string): Promise<void> => {
    const previous = states.get(service);
    try {
      const { status } = await engine.trace({
        namespace,
        spec: { serviceRef: { name: service }, mode: 'Watch' },
        ...(previous === undefined ? {} : { previous }),
      });
      collections += 1;
      states.set(service, status);
      const known = new Set((previous?.findings ?? []).map(findingKey));
      for (const finding of status.findings ?? []) {
        if (service === brokenService)
          for (const window of broken)
            if (
              meantWhileBroken.includes(finding.id) &&
              Date.now() >= window.from &&
              Date.now() <= window.to + lingerMilliseconds
            )
              window.isFound = true;
        if (known.has(findingKey(finding))) continue;
        const appearance = {
          at: new Date().toISOString(),
          service,
          finding,
          after: done.filter(({ at }) => at > Date.now() - 30_000).map(({ name }) => name),
        };
        appeared.push(appearance);
        if (isMeant(service, finding)) continue;
        wrong.push(appearance);
        log(
          `NOT MEANT: ${service}: ${finding.id} ${finding.where}: ${finding.message} [${finding.evidence.slice(0, 4).join(' | ')}]`,
        );
      }
    } catch (error) {
      failed.push(`${service}: ${error instanceof Error ? error.message.slice(0, 300) : String(error)}`);
    }
  };
  const collectAll = async (): Promise<void> => {
    await Promise.all(services.map(async ({ metadata }) => collect(metadata.name)));
  };
  const watch = async (): Promise<void> => {
    while (!stop.signal.aborted || broken.some(({ to }) => to === Infinity)) {
      await collectAll();
      await pause(bench, 1);
    }
  };

  const move = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const action = bench.dice.of(actions);
      note(action.name);
      await action.run(bench);
      await pause(bench, 2 + bench.dice.below(5));
    }
  };
  const breakOnce = async (afterSeconds: number): Promise<void> => {
    await pause(bench, afterSeconds);
    if (stop.signal.aborted) return;
    note('take the selector of broken to nobody');
    const window = { from: Date.now(), to: Infinity, isFound: false };
    broken.push(window);
    await kubectl(bench, [
      'patch',
      'service',
      brokenService,
      '--type=merge',
      '--patch',
      JSON.stringify({ spec: { selector: { app: 'nobody' } } }),
    ]);
    for (const end = Date.now() + brokenSeconds * 1000; Date.now() < end && !window.isFound;) await sleep(500);
    await apply(bench, [serviceNamed(brokenService)]);
    window.to = Date.now();
  };
  const burn = async (): Promise<void> => {
    await pause(bench, seconds * 0.35);
    if (stop.signal.aborted) return;
    note('take all CPUs');
    await burnCpu(seconds * 0.25, availableParallelism(), stop.signal);
    note('leave the CPUs');
  };

  try {
    await cluster.kubectl(['create', 'namespace', namespace]);
    await eventually(async () => kubectl(bench, ['get', 'serviceaccount', 'default']), 30);
    await apply(bench, [...deployments, ...services]);
    for (const { metadata } of deployments)
      await kubectl(bench, ['rollout', 'status', `deployment/${metadata.name}`, '--timeout=110s']);
    const end = setTimeout(() => {
      stop.abort();
    }, seconds * 1000);
    const running = [
      watch(),
      move(),
      scaleUpAndDown(bench, most, note),
      burn(),
      breakOnce(seconds * 0.1),
      ...(seconds > 300 ? [breakOnce(seconds * 0.7)] : []),
    ];
    try {
      await Promise.all(running);
    } finally {
      clearTimeout(end);
      stop.abort();
      await Promise.allSettled(running);
    }
    // What stays when nothing changes any more.
    log('nothing is changed any more');
    await apply(bench, services);
    await kubectl(bench, ['scale', 'deployment/web', '--replicas=2']);
    for (const { metadata } of deployments)
      await kubectl(bench, ['rollout', 'status', `deployment/${metadata.name}`, '--timeout=110s']);
    await sleep(15_000);
    // A machine that was busy may need a while until every node answers in time.
    await eventually(async () => {
      await collectAll();
      const lasting = [...states.values()]
        .flatMap(({ findings = [] }) => findings)
        .find(({ id }) => trueOfCollection.has(id));
      if (lasting !== undefined)
        throw new Error(`${lasting.id} is found though nothing is changed any more: ${lasting.message}`);
    }, 120);
    for (const [service, { findings = [] }] of states) {
      for (const finding of findings)
        if (
          !isMeant(service, finding) &&
          !wrong.some((each) => each.service === service && findingKey(each.finding) === findingKey(finding))
        )
          wrong.push({ at: new Date().toISOString(), service, finding, after: ['nothing is changed any more'] });
    }
  } finally {
    await engine.close();
    await cluster.kubectl(['delete', 'namespace', namespace, '--wait=false'], { reject: false });
  }
  return {
    collections,
    actions: done.length,
    appeared: appeared.length,
    unanswered: appeared.filter(({ finding }) => finding.id === 'DATA-NODE-MISSING').length,
    wrong,
    missed: broken.filter(({ isFound }) => !isFound).map(({ from }) => new Date(from).toISOString()),
    failed,
  };
}
