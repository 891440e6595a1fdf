/** What a watch gives of a node's rules, and what it cannot know of them. */
import { expect, it } from 'vitest';
import type { RuleRecord } from '../../core/wire/watch-records.ts';
import { NodeWatches } from '../../engine/node-watches.ts';
import type { NodeProbes } from '../../engine/node-probes.ts';

const service = {
  namespace: 'shop',
  name: 'auth',
  clusterIPs: ['10.96.0.7'],
  externalIPs: [],
  loadBalancerIPs: [],
  ports: [],
};
const change = { earliest: 10, latest: 20 };
const record: RuleRecord = {
  kind: 'rules',
  service: 'shop/auth',
  changes: [change],
  omitted: 0,
  hasLost: false,
  isSettled: true,
  polled: [],
  read: { began: 30, ended: 40 },
  records: [],
};

it('takes no change of the first record of a watch for what made the rules so: they may have been so before', () => {
  let handlers: Parameters<NodeProbes['watch']>[1] | undefined;
  const watches = new NodeWatches(
    {
      watch: (_node, own) => {
        handlers = own;
        return { set: () => undefined, end: () => undefined };
      },
    },
    () => undefined,
  );
  try {
    watches.want({ name: 'node-a', isReady: true, internalIPs: [] }, service, 60_000);
    const lost = (): boolean[] => (watches.seen('shop/auth', 0).get('node-a') ?? []).map((seen) => seen.record.hasLost);
    handlers?.onRecord(record, undefined);
    handlers?.onRecord(record, undefined);
    expect(lost()).toEqual([true, false]);
    // Its session was cut, and opened again.
    handlers?.onUnwatched('its stream broke');
    handlers?.onRecord(record, undefined);
    handlers?.onRecord(record, undefined);
    expect(lost()).toEqual([true, false, true, false]);
  } finally {
    watches.close();
  }
});
