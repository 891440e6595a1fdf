/** What changed in the EndpointSlices of a Service from one version of a slice to the next. */
import { comparableAddress } from '../net/address.ts';
import type { EndpointChangeStatus, EndpointSliceStatus, EndpointStatus } from '../api/service-trace.ts';
import { present } from '../lib/present.ts';

/** An EndpointSlice as the API server had it at one time. */
export interface SliceVersion {
  readonly slice: EndpointSliceStatus;
  /** Of the slice; where it is gone, of its deletion or of the list without it. */
  readonly resourceVersion: string;
  readonly isGone: boolean;
  /** When the watch delivered it, or a list with it had come: milliseconds since 1970, the collector's clock. */
  readonly seenAt: number;
  /** It was not there yet: the same clock; absent where nobody looked. */
  readonly notBefore?: number;
  /** When it was written, by the API server's clock, in whole seconds cut off (metadata.managedFields). */
  readonly writtenAt?: number;
  /** When the pod or Service changed that it is for, RFC 3339. */
  readonly triggered?: string;
}

/** The slices as they were, and what came after that, in any order. */
export interface SliceHistory {
  readonly before: readonly EndpointSliceStatus[];
  readonly versions: readonly SliceVersion[];
}

export interface SliceChange {
  readonly endpointSlice: string;
  readonly resourceVersion: string;
  /** Bounds of the time from which on the API server had it: milliseconds since 1970. */
  readonly earliest: number;
  readonly latest: number;
  readonly triggered?: string;
  readonly endpoints: readonly EndpointChangeStatus[];
  /** All slices of the Service. */
  readonly before: readonly EndpointSliceStatus[];
  readonly after: readonly EndpointSliceStatus[];
}

/** The clock of the API server cuts off what is less than a second. */
const secondMilliseconds = 1000;

/**
 * Every change once, in the order in which the API server made them: versions that come twice, that are older than what is
 * there, or that change no endpoint and no port, are none.
 */
export function sliceChanges({ before, versions }: SliceHistory): SliceChange[] {
  const changes: SliceChange[] = [];
  let now = [...before];
  const known = new Map<string, string>();
  for (const version of [...versions].sort((one, other) =>
    compareResourceVersions(one.resourceVersion, other.resourceVersion),
  )) {
    const { slice, isGone, resourceVersion } = version;
    if (known.get(slice.name) === resourceVersion) continue;
    known.set(slice.name, resourceVersion);
    const old = now.find(({ name }) => name === slice.name);
    const others = now.filter(({ name }) => name !== slice.name);
    const after = isGone ? others : [...others, slice].sort((one, other) => (one.name < other.name ? -1 : 1));
    const endpoints = endpointChanges(old, isGone ? undefined : slice);
    if (endpoints.length > 0 || (old !== undefined && !isGone && !hasSamePorts(old, slice)))
      changes.push({
        endpointSlice: slice.name,
        resourceVersion,
        ...timesOf(version),
        ...present({ triggered: version.triggered }),
        endpoints,
        before: now,
        after,
      });
    now = after;
  }
  return changes;
}

/** Whole numbers of any length in decimal digits, as the API server counts (etcd's revision). */
export function compareResourceVersions(one: string, other: string): number {
  return one.length - other.length || (one < other ? -1 : Number(one > other));
}

/** The stamp narrows the bounds of the collector's clock; where it lies outside of them, the two clocks differ, and it says nothing. */
function timesOf({ seenAt, notBefore, writtenAt }: SliceVersion): { earliest: number; latest: number } {
  const least = notBefore ?? Math.min(writtenAt ?? seenAt, seenAt);
  if (writtenAt === undefined || writtenAt > seenAt || writtenAt + secondMilliseconds <= least)
    return { earliest: least, latest: seenAt };
  return { earliest: Math.max(least, writtenAt), latest: Math.min(seenAt, writtenAt + secondMilliseconds - 1) };
}

function endpointChanges(
  before: EndpointSliceStatus | undefined,
  after: EndpointSliceStatus | undefined,
): EndpointChangeStatus[] {
  const [old, now] = [byAddress(before), byAddress(after)];
  return [
    ...[...old]
      .filter(([address]) => !now.has(address))
      .map(([address, endpoint]) => changeOf('Removed', address, endpoint, { was: conditionsOf(endpoint) })),
    ...[...now].flatMap(([address, endpoint]): EndpointChangeStatus[] => {
      const former = old.get(address);
      const is = conditionsOf(endpoint);
      if (former === undefined) return [changeOf('Added', address, endpoint, { is })];
      return isSame(former, endpoint)
        ? []
        : [changeOf('Changed', address, endpoint, { was: conditionsOf(former), is })];
    }),
  ];
}

function changeOf(
  change: EndpointChangeStatus['change'],
  address: string,
  { targetRef, nodeName }: EndpointStatus,
  conditions: Pick<EndpointChangeStatus, 'was' | 'is'>,
): EndpointChangeStatus {
  return {
    address,
    change,
    ...present({ pod: targetRef?.kind === 'Pod' ? targetRef.name : undefined, nodeName }),
    ...conditions,
  };
}

function byAddress(slice: EndpointSliceStatus | undefined): Map<string, EndpointStatus> {
  return new Map(
    (slice?.endpoints ?? []).flatMap((endpoint) =>
      endpoint.addresses.map((address) => [comparableAddress(address), endpoint] as const),
    ),
  );
}

function conditionsOf({ ready, serving, terminating }: EndpointStatus): NonNullable<EndpointChangeStatus['is']> {
  return { ready, serving, terminating };
}

/** In all that rules are made from. */
function isSame(one: EndpointStatus, other: EndpointStatus): boolean {
  const [first, second] = [one, other].map(({ ready, serving, terminating, nodeName, hints, nodeHints, targetRef }) =>
    JSON.stringify([ready, serving, terminating, nodeName, hints ?? [], nodeHints ?? [], targetRef?.uid]),
  );
  return first === second;
}

function hasSamePorts(one: EndpointSliceStatus, other: EndpointSliceStatus): boolean {
  const textOf = ({ ports }: EndpointSliceStatus): string =>
    JSON.stringify(ports.map(({ name, protocol, port }) => [name, protocol, port]));
  return textOf(one) === textOf(other);
}
