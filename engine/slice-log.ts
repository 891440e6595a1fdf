/** The EndpointSlices of traced Services, version by version, as lists and a watch show them. */
import type { EndpointSliceStatus, ServiceTraceStatus } from '../core/api/service-trace.ts';
import {
  compareResourceVersions,
  sliceChanges,
  type SliceChange,
  type SliceVersion,
} from '../core/convergence/slice-changes.ts';
import type { StatusInput } from '../core/status/input.ts';
import { present } from '../core/lib/present.ts';
import type { SliceList } from './desired-service.ts';
import { changeAnnotation, serviceKeyOf, type KeptSlice } from './kept-objects.ts';
import { endpointSliceStatusOf } from './observe.ts';

/** Versions of one Service that are kept; of older ones, what came of them alone. */
const keptVersions = 200;
/** Services that are kept; those that nobody asked for the longest go first. */
const keptServices = 1000;

interface Entry {
  /** The slices as they were at `baseVersion`, by name. */
  base: ReadonlyMap<string, EndpointSliceStatus>;
  baseVersion: string;
  /** After that, in the order of their resourceVersions. */
  versions: SliceVersion[];
  /** When the last list was asked for, and when the first one had come: milliseconds since 1970. */
  askedAt: number;
  readonly firstSeenAt: number;
}

export class SliceLog {
  readonly #entries = new Map<string, Entry>();

  /**
   * What the watch delivered. A Service that was never listed is not followed.
   * @param at milliseconds since 1970
   * @param notBefore the same, where the watch may be late: it was not there yet
   * @returns whether it is new, and changes what rules are made from
   */
  saw(slice: KeptSlice, isGone: boolean, at: number, notBefore?: number): boolean {
    const { resourceVersion } = slice.metadata ?? {};
    const entry = this.#entries.get(serviceKeyOf(slice));
    if (entry === undefined || resourceVersion === undefined) return false;
    const before = [...lastVersions(entry).values()].map(({ slice: own }) => own);
    const late = notBefore === undefined ? {} : { notBefore: Math.max(notBefore, entry.askedAt) };
    const version = versionOf(slice, { resourceVersion, isGone, seenAt: at, ...late });
    return add(entry, version) && sliceChanges({ before, versions: [version] }).length > 0;
  }

  /** The last change that is not in the status. @param key `namespace/name` */
  lastAfter(key: string, status: ServiceTraceStatus): SliceChange | undefined {
    const history = this.since(key, status)?.history;
    return history === undefined ? undefined : sliceChanges(history).at(-1);
  }

  /** What a list showed; one without a resourceVersion is in no order with others. @param key `namespace/name` */
  listed(key: string, { items, resourceVersion, askedAt, seenAt }: SliceList): void {
    if (resourceVersion === undefined) return;
    const entry = this.#entries.get(key);
    this.#entries.delete(key);
    if (entry === undefined) {
      this.#entries.set(key, {
        base: new Map(items.map((slice) => [slice.metadata?.name ?? '', endpointSliceStatusOf(slice)])),
        baseVersion: resourceVersion,
        versions: [],
        askedAt,
        firstSeenAt: seenAt,
      });
      for (const [oldest] of this.#entries) {
        if (this.#entries.size <= keptServices) break;
        this.#entries.delete(oldest);
      }
      return;
    }
    // One that was asked for is the newest.
    this.#entries.set(key, entry);
    const seen = { seenAt, notBefore: entry.askedAt };
    for (const slice of items)
      if (slice.metadata?.resourceVersion !== undefined)
        add(entry, versionOf(slice, { resourceVersion: slice.metadata.resourceVersion, isGone: false, ...seen }));
    const listed = new Set(items.map(({ metadata }) => metadata?.name));
    for (const [name, { slice, version }] of lastVersions(entry))
      // A deletion that the watch has not delivered yet; one that is newer than the list is in no list.
      if (!listed.has(name) && compareResourceVersions(version, resourceVersion) < 0)
        add(entry, { slice, resourceVersion, isGone: true, ...seen });
    // What is kept of a watch may be of before a list that was asked for.
    entry.askedAt = Math.max(entry.askedAt, askedAt);
  }

  /** What a status after this one is made from; undefined where the Service was never listed. */
  since(key: string, previous: ServiceTraceStatus | undefined): StatusInput['slices'] {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const resourceVersion = entry.versions.at(-1)?.resourceVersion ?? entry.baseVersion;
    const from = previous?.convergence?.resourceVersion;
    if (from === undefined) return { resourceVersion };
    if (compareResourceVersions(from, entry.baseVersion) < 0)
      return { resourceVersion, ...afterRestart(entry, previous) };
    const [old, versions] = [
      entry.versions.filter((version) => compareResourceVersions(version.resourceVersion, from) <= 0),
      entry.versions.filter((version) => compareResourceVersions(version.resourceVersion, from) > 0),
    ];
    if (versions.length === 0) return { resourceVersion };
    return { resourceVersion, history: { before: [...statesAfter(entry.base, old).values()], versions } };
  }
}

/** Whoever collected the status before was another process: what changed in between is known by its end alone. */
function afterRestart(
  { base, baseVersion, versions, firstSeenAt: seenAt }: Entry,
  previous: ServiceTraceStatus | undefined,
): Pick<NonNullable<StatusInput['slices']>, 'history'> {
  const before = previous?.endpointSlices;
  // A status that was cut does not say what all slices were.
  if (before === undefined || (previous?.truncated ?? []).length > 0) return {};
  const since = Date.parse(previous?.collectedAt ?? '');
  const seen = { seenAt, ...(Number.isFinite(since) && since <= seenAt ? { notBefore: since } : {}) };
  const names = new Set([...base.keys(), ...before.map(({ name }) => name)]);
  const found = [...names].flatMap((name): SliceVersion[] => {
    const slice = base.get(name) ?? before.find((each) => each.name === name);
    return slice === undefined ? [] : [{ slice, resourceVersion: baseVersion, isGone: !base.has(name), ...seen }];
  });
  return { history: { before, versions: [...found, ...versions] } };
}

function versionOf(
  slice: KeptSlice,
  known: Pick<SliceVersion, 'resourceVersion' | 'isGone' | 'seenAt' | 'notBefore'>,
): SliceVersion {
  const { managedFields = [], annotations } = slice.metadata ?? {};
  // When an object is deleted, nothing of it is written.
  const written = known.isGone
    ? []
    : managedFields.flatMap(({ time }) => (time === undefined ? [] : [new Date(time).getTime()]));
  return {
    slice: endpointSliceStatusOf(slice),
    ...known,
    ...(written.length === 0 ? {} : { writtenAt: Math.max(...written) }),
    ...present({ triggered: known.isGone ? undefined : annotations?.[changeAnnotation] }),
  };
}

/** The first time that a version was seen counts. @returns whether it is new */
function add(entry: Entry, version: SliceVersion): boolean {
  const { resourceVersion, slice } = version;
  if (compareResourceVersions(resourceVersion, entry.baseVersion) <= 0) return false;
  if (entry.versions.some((known) => known.slice.name === slice.name && known.resourceVersion === resourceVersion))
    return false;
  const after = entry.versions.findLastIndex(
    (known) => compareResourceVersions(known.resourceVersion, resourceVersion) <= 0,
  );
  entry.versions.splice(after + 1, 0, version);
  const surplus = entry.versions.length - keptVersions;
  if (surplus <= 0) return true;
  const old = entry.versions.splice(0, surplus);
  entry.base = statesAfter(entry.base, old);
  entry.baseVersion = old.at(-1)?.resourceVersion ?? entry.baseVersion;
  return true;
}

function statesAfter(
  base: ReadonlyMap<string, EndpointSliceStatus>,
  versions: readonly SliceVersion[],
): ReadonlyMap<string, EndpointSliceStatus> {
  const slices = new Map(base);
  for (const { slice, isGone } of versions)
    if (isGone) slices.delete(slice.name);
    else slices.set(slice.name, slice);
  return slices;
}

/** Of the slices that are there, with the resourceVersion at which each was last seen. */
function lastVersions({
  base,
  baseVersion,
  versions,
}: Entry): ReadonlyMap<string, { slice: EndpointSliceStatus; version: string }> {
  const last = new Map([...base].map(([name, slice]) => [name, { slice, version: baseVersion }]));
  for (const { slice, isGone, resourceVersion } of versions)
    if (isGone) last.delete(slice.name);
    else last.set(slice.name, { slice, version: resourceVersion });
  return last;
}
