import { describe, expect, it } from 'vitest';
import { ApiError, type Api, type ApiRequest } from '../../../cmd/cluster/api.ts';
import { listOwnedPods, watchOwnedPods } from '../../../cmd/cluster/rollout-pods.ts';
import { followOwnedPods, type OwnedPods } from '../../../cmd/sources/owned-pods.ts';
import { eventually } from '../../support/eventually.ts';

const deletedAt = Date.parse('2026-11-30T12:00:10Z');

/** As the API server has it. */
function pod(name: string, { grace, ip = '10.0.0.1' }: { grace?: number; ip?: string } = {}): object {
  return {
    metadata: {
      name,
      uid: `uid-${name}`,
      ownerReferences: [{ kind: 'ReplicaSet', name: 'auth-5d8', controller: true }],
      ...(grace === undefined
        ? {}
        : {
            deletionTimestamp: new Date(deletedAt + grace * 1000).toISOString(),
            deletionGracePeriodSeconds: grace,
          }),
    },
    spec: {
      terminationGracePeriodSeconds: 30,
      containers: [
        { ports: [{ containerPort: 8080 }], lifecycle: { preStop: { sleep: { seconds: 5 } } } },
        { lifecycle: { preStop: { exec: { command: ['sleep', '3'] } } } },
        { lifecycle: { preStop: { httpGet: { port: 80 } } } },
        {},
      ],
    },
    ...(ip === '' ? {} : { status: { podIPs: [{ ip }, { ip: 'fd00::1' }] } }),
  };
}

/** Lists these one after the other; the first watch gives the events, and then what `end` does. */
async function follow(
  lists: readonly (readonly object[])[],
  events: readonly object[],
  end: () => Promise<void>,
  signal: AbortSignal,
): Promise<{ pods: OwnedPods; asked: ApiRequest[] }> {
  const asked: ApiRequest[] = [];
  let [listed, watched] = [0, 0];
  const api: Api = {
    request: async (request) => {
      asked.push(request);
      const items = lists[Math.min(listed, lists.length - 1)];
      listed += 1;
      return { metadata: { resourceVersion: String(listed) }, items };
    },
    stream: async (request, onLine) => {
      asked.push(request);
      watched += 1;
      if (watched === 1) {
        for (const event of events) onLine(event);
        await end();
        return;
      }
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          resolve();
        });
      });
    },
    lines: async () => undefined,
  };
  const pods = await followOwnedPods(
    {
      listOwnedPods: async (namespace, selector) => listOwnedPods(api, namespace, selector),
      watchOwnedPods: async (...args) => watchOwnedPods(api, ...args),
    },
    { namespace: 'shop', selector: 'app=auth' },
    signal,
  );
  return { pods, asked };
}

const stay = async (): Promise<void> => undefined;

async function whileFollowing(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  try {
    await run(stop.signal);
  } finally {
    stop.abort();
  }
}

describe('the pods of a Service', () => {
  it('keep what they had when they were deleted: the last state has another grace period and no address', async () => {
    await whileFollowing(async (signal) => {
      const { pods, asked } = await follow(
        [[pod('auth-1')]],
        [
          { type: 'MODIFIED', object: pod('auth-1', { grace: 20 }) },
          { type: 'DELETED', object: pod('auth-1', { grace: 0, ip: '' }) },
          { type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } },
        ],
        stay,
        signal,
      );
      expect(asked[0]).toMatchObject({ path: '/api/v1/namespaces/shop/pods', query: { labelSelector: 'app=auth' } });
      await eventually(async () => {
        expect(pods.owners()).toEqual([]);
      });
      expect(pods.seen()).toMatchObject([
        {
          name: 'auth-1',
          addresses: ['10.0.0.1', 'fd00::1'],
          deletedAt,
          terminationGracePeriodSeconds: 20,
          containers: [
            { ports: [8080], preStop: { kind: 'sleep', seconds: 5 } },
            { ports: [], preStop: { kind: 'exec', command: ['sleep', '3'] } },
            { ports: [], preStop: { kind: 'httpGet' } },
            { ports: [] },
          ],
        },
      ]);
    });
  });

  it('are listed again where the watch is too old; one that is gone without a stamp is not known', async () => {
    await whileFollowing(async (signal) => {
      const { pods } = await follow(
        [[pod('auth-1'), pod('auth-2', { ip: '10.0.0.2' })], [pod('auth-3', { ip: '10.0.0.3' })]],
        [{ type: 'MODIFIED', object: pod('auth-2', { grace: 30, ip: '10.0.0.2' }) }],
        async () => {
          throw new ApiError(410, 'Expired', 'too old', undefined);
        },
        signal,
      );
      await eventually(async () => {
        expect(pods.seen()?.map(({ name }) => name)).toEqual(['auth-2', 'auth-3']);
      });
      expect(pods.owners()).toEqual([{ kind: 'ReplicaSet', name: 'auth-5d8' }]);
    });
  });

  it('are unknown where the right to watch them goes', async () => {
    await whileFollowing(async (signal) => {
      const { pods } = await follow(
        [[pod('auth-1')]],
        [],
        async () => {
          throw new ApiError(403, 'Forbidden', 'forbidden', undefined);
        },
        signal,
      );
      await eventually(async () => {
        expect(pods.seen()).toBeUndefined();
      });
    });
  });

  it('are none of a Service without a selector', async () => {
    const never = new AbortController();
    const client = {
      listOwnedPods: async () => Promise.reject(new Error('asked')),
      watchOwnedPods: async () => Promise.reject(new Error('asked')),
    };
    const pods = await followOwnedPods(client, { namespace: 'shop', selector: undefined }, never.signal);
    expect(pods.seen()).toEqual([]);
  });
});
