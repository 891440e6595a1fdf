/**
 * The rules that are watched on the nodes, for all traces of mode Watch together: one watch for each node, whose Services come and
 * go with the traces that want them. What it holds of a Service is what its rules are now; what it does not hold is to be read.
 */
import { recordsOf, type NodeReport, type NodeReportRecord } from '../core/wire/node-report.ts';
import type { ClockOffset } from '../core/wire/clock-offset.ts';
import type { ProbeRequest, ProbeRequestService } from '../core/wire/probe-request.ts';
import type { RuleRecord, WatchRecord } from '../core/wire/watch-records.ts';
import { present } from '../core/lib/present.ts';
import { ConnectionLog } from './connection-log.ts';
import type { Dispatch } from './dispatch-reading.ts';
import type { NodeProbes } from './node-probes.ts';
import type { TracedNode } from './observe.ts';

/** What came of a Service's rules on one node, when it came, by this process's clock in milliseconds since 1970. */
export interface SeenChange {
  readonly record: RuleRecord;
  /** What its rules were before, as far as that is known. */
  readonly before?: RuleRecord;
  readonly clock: ClockOffset | undefined;
  readonly at: number;
}

/** The rules as they are: nothing has changed since they were read. */
export interface HeldRules {
  /** Those of a report that have to do with rules. */
  readonly records: readonly NodeReportRecord[];
  readonly dispatch: Dispatch;
  /** When they had been read, by this process's clock: at the latest. */
  readonly readAt: number;
  /** kube-proxy's own word for its mode, by which they were read. */
  readonly proxyMode: string | undefined;
  /** When everything was last read, as without a watch. */
  readonly wholeAt: number;
}

interface Watched {
  readonly service: ProbeRequestService;
  /** Milliseconds since 1970. */
  until: number;
  /** Until when its connections are followed, with each detail; 0 where they are not. */
  readonly follow: { Summary: number; Entries: number; viewed: number };
  /** Of what came so far; a reading that began at another count may be older. */
  count: number;
  /** Its watch is open, and has given its rules. */
  isKnown: boolean;
  /** Read whole, by a trace; without those that a watch gives again. */
  whole: { readonly at: number; readonly others: readonly NodeReportRecord[] } | undefined;
  held: Omit<HeldRules, 'wholeAt'> | undefined;
  seen: SeenChange[];
}

/** Whose connections are followed, too. */
export interface Follow {
  readonly detail: 'Summary' | 'Entries';
  /** Somebody looks at it: a result is due where some came. */
  readonly isViewed: boolean;
}

interface WatchedNode {
  readonly services: Map<string, Watched>;
  readonly watch: ReturnType<NodeProbes['watch']>;
  isPolled: boolean;
}

/** Readings of everything, as a safety net, are so far apart. */
export const wholeMilliseconds = 600_000;
/** Of one Service and node, so many changes are kept for those who have not seen them. */
const keptChanges = 50;
const sweepMilliseconds = 5000;
/** Results of connections alone are so far apart. */
const viewMilliseconds = 1000;

export class NodeWatches {
  readonly #probes: Pick<NodeProbes, 'watch'>;
  readonly #onChange: (service: string) => void;
  readonly #nodes = new Map<string, WatchedNode>();
  /** By Service, as they were last seen. */
  readonly #slices = new Map<string, string>();
  readonly connections = new ConnectionLog();
  /** Services whose connections somebody looks at, and a result is due of. */
  readonly #due = new Map<string, NodeJS.Timeout>();
  #timer: NodeJS.Timeout | undefined;

  /** @param onChange called with `namespace/name` when rules of the Service have changed on some node */
  constructor(probes: Pick<NodeProbes, 'watch'>, onChange: (service: string) => void) {
    this.#probes = probes;
    this.#onChange = onChange;
  }

  /** Wants the Service watched for a time, on a node that answers. */
  want(node: TracedNode, service: ProbeRequestService, milliseconds: number, follow?: Follow): void {
    const key = nameOf(service);
    const watched = this.#nodes.get(node.name) ?? this.#begin(node);
    const until = Date.now() + milliseconds;
    const known = watched.services.get(key);
    if (known !== undefined && JSON.stringify(known.service) === JSON.stringify(service)) {
      known.until = Math.max(known.until, until);
      const before = detailOf(known);
      followUntil(known, follow, until);
      if (detailOf(known) !== before) this.#send(node.name, watched, false);
      return;
    }
    const follows = { Summary: 0, Entries: 0, viewed: 0 };
    followUntil({ follow: follows }, follow, until);
    watched.services.set(key, {
      service,
      until,
      follow: follows,
      count: 0,
      isKnown: false,
      whole: undefined,
      held: undefined,
      seen: [],
    });
    this.#send(node.name, watched, false);
  }

  /**
   * What a look sees of the Service's EndpointSlices: where a change is on its way to the rules, as `hurry`.
   * @param slices differs where they have changed
   * @param isArriving it was on its way at the last look, and may still be
   */
  expect(service: string, slices: string, isArriving: boolean): void {
    const before = this.#slices.get(service);
    this.#slices.set(service, slices);
    if (isArriving || (before !== undefined && before !== slices)) this.hurry(service);
  }

  /** A change of the Service's EndpointSlices is on its way to the rules: where they are asked for, they are asked quickly. */
  hurry(service: string): void {
    for (const [node, watched] of this.#nodes)
      if (watched.isPolled && watched.services.has(service)) this.#send(node, watched, true);
  }

  /** Undefined where they are to be read. */
  held(node: string, service: ProbeRequestService): HeldRules | undefined {
    const watched = this.#watched(node, service);
    if (watched?.held === undefined || watched.whole === undefined || !watched.isKnown) return undefined;
    return { ...watched.held, records: [...watched.held.records, ...watched.whole.others], wholeAt: watched.whole.at };
  }

  /** How many records came: for `keep`. */
  count(node: string, service: ProbeRequestService): number | undefined {
    return this.#watched(node, service)?.count;
  }

  /** A trace has read everything, beginning when so many records had come. */
  keep(node: string, request: ProbeRequest, report: NodeReport, count: number | undefined): void {
    const [service] = request.services;
    const watched = service === undefined ? undefined : this.#watched(node, service);
    if (watched === undefined || !report.complete || recordsOf(report, 'tables').length === 0) return;
    const others = report.records.filter(({ kind }) => kind === 'otherModes' || kind === 'localAddresses');
    watched.whole = { at: Date.now(), others };
    // It may have been read before the newest change.
    if (count !== watched.count || !watched.isKnown) return;
    watched.held = {
      records: report.records.filter(isOfRules),
      dispatch: request.collect.dispatch ?? 'Rules',
      readAt: Date.now(),
      proxyMode: proxyModeOf(report),
    };
  }

  /** What came of the Service's rules since a time, by node. @param since milliseconds since 1970 */
  seen(service: string, since: number): Map<string, readonly SeenChange[]> {
    return new Map(
      [...this.#nodes].flatMap(([node, { services }]) => {
        const own = services.get(service)?.seen.filter(({ at }) => at > since) ?? [];
        return own.length === 0 ? [] : [[node, own] as const];
      }),
    );
  }

  /** Watches nothing any more. */
  close(): void {
    for (const { watch } of this.#nodes.values()) watch.end();
    this.#nodes.clear();
    this.#slices.clear();
    this.connections.clear();
    for (const timer of this.#due.values()) clearTimeout(timer);
    this.#due.clear();
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #watched(node: string, service: ProbeRequestService): Watched | undefined {
    const watched = this.#nodes.get(node)?.services.get(nameOf(service));
    return JSON.stringify(watched?.service) === JSON.stringify(service) ? watched : undefined;
  }

  #begin(node: TracedNode): WatchedNode {
    const services = new Map<string, Watched>();
    const watched: WatchedNode = {
      services,
      watch: this.#probes.watch(node, {
        onRecord: (record, clock) => {
          if (record.kind === 'rules') this.#received(watched, record, clock);
          else this.#receivedConnections(node.name, watched, record, clock);
        },
        onUnwatched: (reason) => {
          for (const each of services.values()) each.isKnown = false;
          this.#notFollowed(node.name, watched, reason);
        },
        onUnfollowed: (reason) => {
          this.#notFollowed(node.name, watched, reason);
        },
      }),
      isPolled: false,
    };
    this.#nodes.set(node.name, watched);
    this.#timer ??= setInterval(() => {
      this.#sweep();
    }, sweepMilliseconds).unref();
    return watched;
  }

  #receivedConnections(
    name: string,
    { services }: WatchedNode,
    record: Exclude<WatchRecord, RuleRecord>,
    clock: ClockOffset | undefined,
  ): void {
    const watched = services.get(record.service);
    if (watched === undefined || detailOf(watched) === undefined) return;
    const now = Date.now();
    this.connections.received(name, record, clock, now);
    if (watched.follow.viewed < now || this.#due.has(record.service)) return;
    this.#due.set(
      record.service,
      setTimeout(() => {
        this.#due.delete(record.service);
        this.#onChange(record.service);
      }, viewMilliseconds).unref(),
    );
  }

  #notFollowed(name: string, { services }: WatchedNode, reason: string): void {
    for (const [key, watched] of services)
      if (detailOf(watched) !== undefined) this.connections.notFollowed(name, key, reason, Date.now());
  }

  #received(node: WatchedNode, given: RuleRecord, clock: ClockOffset | undefined): void {
    node.isPolled = given.polled.length > 0;
    const watched = node.services.get(given.service);
    if (watched === undefined) return;
    const isFirst = !watched.isKnown;
    // Of what was before its watch began, a record has nothing: also what it found then may have come before its changes.
    const record = isFirst ? { ...given, hasLost: true } : given;
    const at = Date.now();
    watched.isKnown = true;
    watched.count += 1;
    // What a trace has read says more; it is as good where nothing has changed since.
    const isUnchanged = isFirst && watched.held === undefined;
    watched.held = {
      records: record.records.filter(isOfRules),
      dispatch: 'References',
      readAt:
        clock === undefined ? at : Math.min(at, Math.ceil(record.read.ended - clock.milliseconds + clock.uncertainty)),
      proxyMode: proxyModeOf(record),
    };
    const before = watched.seen.at(-1)?.record;
    watched.seen = [...watched.seen, { record, clock, at, ...present({ before }) }].slice(-keptChanges);
    if (!isUnchanged) this.#onChange(record.service);
  }

  #send(name: string, { services, watch }: WatchedNode, isExpecting: boolean): void {
    const connections = [...services].flatMap(([service, watched]) => {
      const detail = detailOf(watched);
      return detail === undefined ? [] : [{ service, detail }];
    });
    watch.set({
      version: 1,
      node: name,
      services: [...services.values()].map(({ service }) => service),
      isExpecting,
      ...(connections.length === 0 ? {} : { connections }),
    });
  }

  /** Ends what nobody wants any more. */
  #sweep(): void {
    const now = Date.now();
    for (const [name, watched] of this.#nodes) {
      const old = [...watched.services].filter(([, { until }]) => until < now);
      const unfollowed = [...watched.services].filter(([, each]) => endFollowing(each, now));
      for (const [key] of [...old, ...unfollowed]) this.connections.forget(name, key);
      if (old.length + unfollowed.length === 0) continue;
      for (const [key] of old) watched.services.delete(key);
      if (watched.services.size > 0) this.#send(name, watched, false);
      else {
        watched.watch.end();
        this.#nodes.delete(name);
      }
    }
  }
}

/** The most that is wanted of its connections; undefined where they are not followed. */
function detailOf({ follow }: Pick<Watched, 'follow'>): Follow['detail'] | undefined {
  return follow.Entries > 0 ? 'Entries' : follow.Summary > 0 ? 'Summary' : undefined;
}

function followUntil({ follow: until }: Pick<Watched, 'follow'>, follow: Follow | undefined, time: number): void {
  if (follow === undefined) return;
  until[follow.detail] = Math.max(until[follow.detail], time);
  if (follow.isViewed) until.viewed = Math.max(until.viewed, time);
}

/** @returns whether nobody wants its connections any more, who did before */
function endFollowing(watched: Pick<Watched, 'follow'>, now: number): boolean {
  const before = detailOf(watched);
  for (const detail of ['Summary', 'Entries'] as const) if (watched.follow[detail] < now) watched.follow[detail] = 0;
  return before !== undefined && detailOf(watched) === undefined;
}

const ruleKinds = new Set<NodeReportRecord['kind']>([
  'tables',
  'iptablesChain',
  'hookChain',
  'foreignTable',
  'dispatchReferences',
  'nftChain',
  'nftElements',
  'ipvs',
  'ipSet',
]);

function isOfRules(record: NodeReportRecord): boolean {
  return ruleKinds.has(record.kind) || (record.kind === 'unread' && record.part === 'rules');
}

export function proxyModeOf({ records }: { readonly records: readonly NodeReportRecord[] }): string | undefined {
  return records.find((record) => record.kind === 'kubeProxy')?.proxyMode;
}

/** A report that was made without rules, with those that are held. */
export function withRules(
  report: NodeReport,
  { records }: { readonly records: readonly NodeReportRecord[] },
): NodeReport {
  const [last] = report.records.slice(-1);
  const end = report.complete && last !== undefined ? [last] : [];
  return { ...report, records: [...report.records.slice(0, report.records.length - end.length), ...records, ...end] };
}

/** The same report with other rules than it has. */
export function withOtherRules(
  report: NodeReport,
  rules: { readonly records: readonly NodeReportRecord[] },
): NodeReport {
  const others = new Set<NodeReportRecord['kind']>(['otherModes', 'localAddresses']);
  const records = report.records.filter((record) => !isOfRules(record) && !others.has(record.kind));
  return withRules(
    { ...report, records },
    { records: rules.records.filter((record) => isOfRules(record) || others.has(record.kind)) },
  );
}

function nameOf({ namespace, name }: ProbeRequestService): string {
  return `${namespace}/${name}`;
}
