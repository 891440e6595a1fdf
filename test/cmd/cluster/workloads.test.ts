import { describe, expect, it } from 'vitest';
import { ApiError, type Api } from '../../../cmd/cluster/api.ts';
import { readWorkload } from '../../../cmd/cluster/workloads.ts';

/** An API server with these objects by their paths. */
function apiWith(objects: Readonly<Record<string, object>>): Api {
  return {
    request: async ({ path }) => {
      const found = objects[path.replace('/apis/apps/v1/namespaces/shop/', '')];
      if (found === undefined) throw new ApiError(404, 'NotFound', 'not found', undefined);
      return found;
    },
    stream: async () => undefined,
    lines: async () => undefined,
  };
}

const stateOf = async (kind: string, object: object): Promise<unknown> =>
  (await readWorkload(apiWith({ [`${kind.toLowerCase()}s/auth`]: object }), 'shop', { kind, name: 'auth' }))?.state;

const done = { kind: 'done' };
const waiting = (reason: string): unknown => ({ kind: 'waiting', reason });

describe('a Deployment', () => {
  const rolledOut = { observedGeneration: 2, replicas: 3, updatedReplicas: 3, availableReplicas: 3 };
  it.each<[string, object, object, unknown]>([
    ['has rolled out', { replicas: 3 }, rolledOut, done],
    ['of one replica by default', {}, { ...rolledOut, replicas: 1, updatedReplicas: 1, availableReplicas: 1 }, done],
    [
      'was not seen by its controller',
      { replicas: 3 },
      { ...rolledOut, observedGeneration: 1 },
      waiting('its spec is not observed yet'),
    ],
    ['has no status', { replicas: 3 }, {}, waiting('its spec is not observed yet')],
    ['makes new pods', { replicas: 3 }, { ...rolledOut, updatedReplicas: 1 }, waiting('1 of 3 new replicas are there')],
    ['has old pods left', { replicas: 3 }, { ...rolledOut, replicas: 5 }, waiting('2 old replicas are left')],
    [
      'waits for pods',
      { replicas: 3 },
      { ...rolledOut, availableReplicas: 2 },
      waiting('2 of 3 replicas are available'),
    ],
    ['is paused', { replicas: 3, paused: true }, { ...rolledOut, updatedReplicas: 0 }, done],
    [
      'is over its deadline',
      { replicas: 3 },
      {
        ...rolledOut,
        updatedReplicas: 1,
        conditions: [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }],
      },
      { kind: 'failed', reason: 'it exceeded its progress deadline' },
    ],
  ])('that %s', async (_name, spec, status, expected) => {
    expect(await stateOf('Deployment', { metadata: { generation: 2 }, spec, status })).toEqual(expected);
  });
});

describe('a DaemonSet and a StatefulSet', () => {
  it.each<[string, string, object, object, unknown]>([
    [
      'has rolled out',
      'DaemonSet',
      {},
      { desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 3 },
      done,
    ],
    [
      'updates',
      'DaemonSet',
      {},
      { desiredNumberScheduled: 3, updatedNumberScheduled: 1 },
      waiting('1 of 3 new pods are there'),
    ],
    [
      'waits',
      'DaemonSet',
      {},
      { desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 1 },
      waiting('1 of 3 pods are available'),
    ],
    ['is updated by hand', 'DaemonSet', { updateStrategy: { type: 'OnDelete' } }, { desiredNumberScheduled: 3 }, done],
    [
      'has rolled out',
      'StatefulSet',
      { replicas: 2 },
      { readyReplicas: 2, currentRevision: 'b', updateRevision: 'b' },
      done,
    ],
    [
      'waits',
      'StatefulSet',
      { replicas: 2 },
      { readyReplicas: 1, currentRevision: 'b', updateRevision: 'b' },
      waiting('1 of 2 pods are ready'),
    ],
    [
      'updates',
      'StatefulSet',
      { replicas: 2 },
      { readyReplicas: 2, updatedReplicas: 1, currentRevision: 'a', updateRevision: 'b' },
      waiting('1 of 2 pods are updated'),
    ],
    [
      'updates a part',
      'StatefulSet',
      { replicas: 3, updateStrategy: { rollingUpdate: { partition: 2 } } },
      { readyReplicas: 3, updatedReplicas: 1, currentRevision: 'a', updateRevision: 'b' },
      done,
    ],
  ])('that %s (%s)', async (_name, kind, spec, status, expected) => {
    expect(await stateOf(kind, { metadata: {}, spec, status })).toEqual(expected);
  });
});

describe('the owner of a pod', () => {
  const deployment = { metadata: { generation: 1 }, spec: { replicas: 0 }, status: { observedGeneration: 1 } };

  it('is the Deployment above its ReplicaSet', async () => {
    const api = apiWith({
      'replicasets/auth-5d8': {
        metadata: { ownerReferences: [{ kind: 'Deployment', name: 'auth', controller: true }] },
        spec: { replicas: 3 },
      },
      'deployments/auth': deployment,
    });
    expect(await readWorkload(api, 'shop', { kind: 'ReplicaSet', name: 'auth-5d8' })).toEqual({
      name: 'deployment/auth',
      state: done,
    });
  });

  it('rolls nothing out where it is bare, of another kind, gone, or may not be read', async () => {
    const bare = apiWith({ 'replicasets/auth-5d8': { metadata: {}, spec: {} } });
    expect(await readWorkload(bare, 'shop', { kind: 'ReplicaSet', name: 'auth-5d8' })).toBeUndefined();
    expect(await readWorkload(bare, 'shop', { kind: 'ReplicaSet', name: 'gone' })).toBeUndefined();
    expect(await readWorkload(bare, 'shop', { kind: 'Job', name: 'auth' })).toBeUndefined();
    const refused: Api = {
      ...bare,
      request: async () => {
        throw new ApiError(403, 'Forbidden', 'forbidden', undefined);
      },
    };
    expect(await readWorkload(refused, 'shop', { kind: 'DaemonSet', name: 'auth' })).toBeUndefined();
  });

  it('is not taken to be done where the API server fails', async () => {
    const failing: Api = {
      ...apiWith({}),
      request: async () => {
        throw new ApiError(500, 'InternalError', 'etcd is away', undefined);
      },
    };
    await expect(readWorkload(failing, 'shop', { kind: 'DaemonSet', name: 'auth' })).rejects.toThrow('etcd is away');
  });
});
