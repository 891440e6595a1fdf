import { describe, expect, it } from 'vitest';
import type { EndpointSliceStatus, ServiceTraceStatus } from '../../../core/api/service-trace.ts';
import type { SliceVersion } from '../../../core/convergence/slice-changes.ts';
import { statusInputOf } from '../../../core/status/input.ts';
import { buildStatus } from '../../../core/status/status.ts';
import type { Bundle } from '../../../core/wire/bundle.ts';
import { driftedBundle, recordedBundle } from '../../support/drifted-bundle.ts';

const recorded = recordedBundle('auth-service');
const slice = recorded.desired.endpointSlices.find(({ addressType }) => addressType === 'IPv4');
if (slice === undefined) throw new Error('the recorded trace has no slice of IPv4');
const all: EndpointSliceStatus = slice;
const asked = Math.min(
  ...recorded.answers.flatMap((answer) => ('report' in answer ? Date.parse(answer.askedAt ?? answer.collectedAt) : [])),
);
const read = Math.max(
  ...recorded.answers.flatMap((answer) => ('report' in answer ? Date.parse(answer.collectedAt) : [])),
);
/** The endpoint that the drifted node has no rule for. */
const lost = buildStatus(statusInputOf(driftedBundle()))
  .nodes?.find(({ name }) => name === 'node-c')
  ?.ports.flatMap(({ drift }) => drift?.missingTargets ?? [])
  .find(({ address }) => address.includes('.'))?.address;
const without: EndpointSliceStatus = {
  ...all,
  endpoints: all.endpoints.filter(({ addresses }) => addresses[0] !== lost),
};

function version(resourceVersion: string, seenAt: number, to: EndpointSliceStatus): SliceVersion {
  return { slice: to, resourceVersion, isGone: false, seenAt, notBefore: seenAt };
}

/** The recorded nodes as they were when `versions` had come after a first status that had the slices `before`. */
function statusAfter(
  bundle: Bundle,
  before: EndpointSliceStatus,
  versions: readonly SliceVersion[],
  previous: ServiceTraceStatus | undefined,
  laterMilliseconds = 0,
): ServiceTraceStatus {
  const later = (time: string): string => new Date(Date.parse(time) + laterMilliseconds).toISOString();
  return buildStatus({
    ...statusInputOf(bundle),
    answers: bundle.answers.map((answer) =>
      'report' in answer
        ? {
            ...answer,
            collectedAt: later(answer.collectedAt),
            ...(answer.askedAt === undefined ? {} : { askedAt: later(answer.askedAt) }),
          }
        : answer,
    ),
    now: later(bundle.recordedAt),
    previous,
    slices: {
      resourceVersion: versions.at(-1)?.resourceVersion ?? '100',
      ...(versions.length === 0 ? {} : { history: { before: [before], versions } }),
    },
  });
}

const first = statusAfter(recorded, all, [], undefined);
const changedAt = asked - 2000;
const came = [version('101', changedAt, all)];
const converged = (status: ServiceTraceStatus): unknown => status.conditions?.find(({ type }) => type === 'Converged');

describe('status.convergence', () => {
  it('begins with no change, and says up to where it knows the EndpointSlices', () => {
    expect(first.convergence).toMatchObject({ resourceVersion: '100', convergedNodes: 3 });
    expect(first.convergence?.changes).toBeUndefined();
  });

  it('says when each node had a change, and of the last node in the condition', () => {
    const status = statusAfter(recorded, without, came, first);
    const [change] = status.convergence?.changes ?? [];
    expect(change?.endpoints).toMatchObject([{ address: lost, change: 'Added', is: { ready: true } }]);
    expect(change?.lag).toMatchObject({ nodes: 3, arrived: 3, pending: 0 });
    for (const node of change?.nodes ?? []) {
      expect(node).toMatchObject({ state: 'Arrived', minMilliseconds: 0 });
      expect(node.maxMilliseconds).toBeGreaterThanOrEqual(2000);
      expect(node.maxMilliseconds).toBeLessThanOrEqual(read - changedAt);
    }
    expect(converged(status)).toMatchObject({
      status: 'True',
      message: expect.stringMatching(
        /^the rules of 3 nodes equal the EndpointSlices; the last change took < .* s, node-. had it last$/,
      ),
    });
  });

  it('waits for the one node without it, and has its lag when it has it: also in another process', () => {
    const waiting = statusAfter(driftedBundle(), without, came, first);
    expect(waiting.convergence?.changes?.[0]?.lag).toMatchObject({ arrived: 2, pending: 1 });
    // What another process reads is what was written.
    const stored = JSON.parse(JSON.stringify(waiting)) as ServiceTraceStatus;
    const then = statusAfter(recorded, all, [], stored, 5000);
    const [change] = then.convergence?.changes ?? [];
    expect(change?.lag).toMatchObject({ arrived: 3, pending: 0, lastNode: 'node-c' });
    const late = change?.nodes.find(({ node }) => node === 'node-c');
    expect(late?.minMilliseconds).toBeGreaterThanOrEqual(2000);
    expect(late?.maxMilliseconds).toBeGreaterThanOrEqual(7000);
  });

  it('says what changed in the rules beside what changed in the EndpointSlices', () => {
    const waiting = statusAfter(driftedBundle(), without, came, first);
    const then = statusAfter(recorded, all, [], waiting, 5000);
    const rules = then.convergence?.changes?.[0]?.rules ?? [];
    expect(rules.map(({ nodes }) => nodes)).toEqual([['node-c']]);
    expect(rules[0]).toMatchObject({ changes: 1, addedChains: [], removedChains: [] });
    expect(rules[0]?.rewrittenChains).toEqual([expect.stringMatching(/^IPv4 nat KUBE-SVC-/)]);
    expect(rules[0]?.untouchedRules).toBeGreaterThan(5);
  });

  it.each([
    { full: 0, partial: 1, restore: 'Partial', when: 'only partial syncs were counted' },
    { full: 2, partial: 0, restore: 'Full', when: 'only full syncs were counted' },
    { full: 1, partial: 1, restore: undefined, when: 'both were counted' },
    { full: 0, partial: 0, restore: undefined, when: 'none was counted' },
    { full: -5, partial: 1, restore: undefined, when: 'kube-proxy was started again' },
    { full: undefined, partial: undefined, restore: undefined, when: 'nothing was counted before' },
  ])('says how kube-proxy wrote the change: $restore, where $when', ({ full, partial, restore }) => {
    const waiting = statusAfter(driftedBundle(), without, came, first);
    const { fullSyncs, partialSyncs } =
      statusAfter(recorded, all, [], waiting, 5000).nodes?.find(({ name }) => name === 'node-c')?.kubeProxy ?? {};
    if (fullSyncs === undefined || partialSyncs === undefined) throw new Error('the recorded node has no counters');
    const before = waiting.nodes?.map((node) => {
      const others = { ...node.kubeProxy };
      delete others.fullSyncs;
      delete others.partialSyncs;
      const counted = full === undefined ? {} : { fullSyncs: fullSyncs - full, partialSyncs: partialSyncs - partial };
      return node.name === 'node-c' ? { ...node, kubeProxy: { ...others, ...counted } } : node;
    });
    const then = statusAfter(
      recorded,
      all,
      [],
      { ...waiting, ...(before === undefined ? {} : { nodes: before }) },
      5000,
    );
    const [rules] = then.convergence?.changes?.[0]?.rules ?? [];
    expect(rules?.nodes).toEqual(['node-c']);
    expect(rules?.restore).toBe(restore);
  });

  it('says what conntrack keeps to an endpoint that went, and when it had none', () => {
    const groups = recorded.answers.flatMap((answer) =>
      'report' in answer
        ? answer.report.records.flatMap((record) => (record.kind === 'conntrack' ? record.groups : []))
        : [],
    );
    const [kept] = groups.filter(({ replySource }) =>
      all.endpoints.some(({ addresses }) => addresses[0] === replySource),
    );
    if (kept === undefined) throw new Error('the recorded trace has no connection');
    const entries = groups
      .filter(
        ({ replySource, replySourcePort }) =>
          replySource === kept.replySource && replySourcePort === kept.replySourcePort,
      )
      .reduce((sum, group) => sum + group.entries, 0);
    const fewer: EndpointSliceStatus = {
      ...all,
      endpoints: all.endpoints.filter(({ addresses }) => addresses[0] !== kept.replySource),
    };
    const went = statusAfter(recorded, all, [version('101', changedAt, fewer)], first);
    expect(went.convergence?.changes?.[0]?.conntrack).toMatchObject([
      { address: kept.replySource, port: kept.replySourcePort, entries, most: entries },
    ]);
    const silent: Bundle = {
      ...recorded,
      answers: recorded.answers.map((answer) =>
        'report' in answer
          ? {
              ...answer,
              report: {
                ...answer.report,
                records: answer.report.records.map((record) =>
                  record.kind === 'conntrack' ? { ...record, groups: [], matched: 0 } : record,
                ),
              },
            }
          : answer,
      ),
    };
    const [gone] = statusAfter(silent, fewer, [], went, 5000).convergence?.changes?.[0]?.conntrack ?? [];
    expect(gone).toMatchObject({ entries: 0, most: entries });
    expect(Date.parse(gone?.goneBy ?? '')).toBe(Date.parse(recorded.recordedAt) + 5000);
  });

  it('is kept where nobody follows the EndpointSlices', () => {
    const status = statusAfter(recorded, without, came, first);
    expect(buildStatus({ ...statusInputOf(recorded), previous: status }).convergence?.changes).toEqual(
      status.convergence?.changes,
    );
  });
});
