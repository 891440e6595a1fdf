/** A change of the EndpointSlices as text. */
import { plural } from '../lib/plural.ts';
import type { EndpointChangeStatus, SliceChangeStatus } from '../api/service-trace.ts';

/** `endpoint 10.244.1.9 (auth-7c9 on node-b) came, ready`; of several, how many came, went and changed. */
export function sliceChangeText(
  change: Pick<SliceChangeStatus, 'endpointSlice' | 'endpoints' | 'omittedEndpoints'>,
): string {
  const { endpoints, omittedEndpoints = 0, endpointSlice } = change;
  const [first] = endpoints;
  if (first === undefined) return `the ports of EndpointSlice ${endpointSlice} changed`;
  if (endpoints.length === 1 && omittedEndpoints === 0) return endpointChangeText(first);
  if (omittedEndpoints > 0) return `${plural(endpoints.length + omittedEndpoints, 'endpoint')} changed`;
  const parts = (['Added', 'Removed', 'Changed'] as const).flatMap((kind) => {
    const count = endpoints.filter((each) => each.change === kind).length;
    return count === 0 ? [] : [`${String(count)} ${words[kind]}`];
  });
  return `${plural(endpoints.length, 'endpoint')}: ${parts.join(', ')}`;
}

const words: Readonly<Record<EndpointChangeStatus['change'], string>> = {
  Added: 'came',
  Removed: 'went',
  Changed: 'changed',
};

/** `endpoint 10.244.1.9 (auth-7c9 on node-b) is terminating, was ready`. */
export function endpointChangeText({ address, change, pod, nodeName, was, is }: EndpointChangeStatus): string {
  const place = pod === undefined ? '' : ` (${pod}${nodeName === undefined ? '' : ` on ${nodeName}`})`;
  const name = `endpoint ${address}${place}`;
  switch (change) {
    case 'Added':
      return `${name} came${is === undefined ? '' : `, ${endpointStateText(is)}`}`;
    case 'Removed':
      return `${name} left the EndpointSlices${was === undefined ? '' : `, was ${endpointStateText(was)}`}`;
    case 'Changed':
      return was === undefined || is === undefined || endpointStateText(was) === endpointStateText(is)
        ? `${name} has other nodes or hints`
        : `${name} is ${endpointStateText(is)}, was ${endpointStateText(was)}`;
  }
}

/** In the words of the API's conditions. */
export function endpointStateText({ ready, serving, terminating }: NonNullable<EndpointChangeStatus['is']>): string {
  if (ready) return 'ready';
  if (terminating) return serving ? 'terminating and serving' : 'terminating';
  return 'not ready';
}
