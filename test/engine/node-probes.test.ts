import type { CoreV1Event, V1ContainerState, V1ContainerStatus, V1Pod } from '@kubernetes/client-node';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { parseNodeReport, type NodeAnswer } from '../../core/wire/node-report.ts';
import type { ProbeRequest } from '../../core/wire/probe-request.ts';
import { NodeProbes } from '../../engine/node-probes.ts';
import { NodeWatches } from '../../engine/node-watches.ts';
import { ProbeExecError, type openSession } from '../../engine/probe-exec.ts';
import { probePod } from '../../engine/probe-pod.ts';
import { serve, type StartWatch } from '../../probe/serve.ts';
import { startFakeApiServer, type FakeApiServer } from '../support/fake-api-server.ts';
import { noLog } from '../../engine/log.ts';
import { logTo } from '../support/log-lines.ts';

/** As from a probe that serves no sessions. */
const noSession = (): Promise<never> =>
  Promise.reject(new ProbeExecError('ExecForbidden', 'the policy lets no session be opened'));
const options = {
  openSession: noSession,
  namespace: 'svctrace-system',
  image: 'svctrace/probe:v0.1.0',
  privileged: false,
  instance: 'test',
  idleSeconds: 60,
  maxConcurrent: 4,
  log: noLog,
};
const node = { name: 'node-a', isReady: true, internalIPs: ['10.0.0.1'] };
const request: ProbeRequest = {
  version: 1,
  node: 'node-a',
  services: [],
  collect: { rules: true, conntrack: 'None', kubeProxy: false },
  maxConntrackEntries: 0,
};

let api: FakeApiServer;
let probes: NodeProbes;

beforeEach(async () => {
  api = await startFakeApiServer();
  probes = new NodeProbes(api.kubeConfig, options);
});
afterEach(async () => {
  await probes.close();
  await api.close();
});

const state = (pod: V1Pod, status: V1Pod['status']): void => {
  api.update(pod.metadata?.name ?? '', (changed) => {
    if (status !== undefined) changed.status = status;
  });
};
const container = (now: V1ContainerState): V1ContainerStatus[] => [
  { name: 'probe', image: '', imageID: '', ready: false, restartCount: 0, state: now },
];
const failed = (answer: NodeAnswer): string =>
  'state' in answer ? `${answer.state} ${answer.reason}: ${answer.message}` : 'answered';

/** The state of the pod, and words of the answer. */
const starts: [string, () => void, string][] = [
  [
    'its kubelet refuses it',
    () => {
      api.onCreate = (pod) => {
        state(pod, { phase: 'Failed', reason: 'OutOfmemory', message: 'Node did not have enough resource: memory' });
      };
    },
    'Failed OutOfmemory: its probe ended: Node did not have enough resource: memory',
  ],
  [
    'its program ends at once',
    () => {
      api.onCreate = (pod) => {
        state(pod, {
          phase: 'Failed',
          containerStatuses: container({
            terminated: { exitCode: 127, reason: 'StartError', message: 'no such file' },
          }),
        });
      };
    },
    'Failed StartError: its probe ended: no such file',
  ],
  [
    'a webhook gives it a sidecar',
    () => {
      api.onCreate = (pod) => {
        api.update(pod.metadata?.name ?? '', ({ spec }) => {
          spec?.containers.push({ name: 'istio-proxy', image: 'proxy' });
        });
      };
    },
    'Failed ProbeAltered: an admission webhook changed its probe (it has more containers: istio-proxy); exempt namespace svctrace-system from it',
  ],
  [
    'PodSecurity refuses it',
    () => {
      api.refusal = {
        code: 403,
        message: 'pods "x" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)',
      };
    },
    'Failed PodSecurity: PodSecurity refuses probes in namespace svctrace-system; label it: kubectl label namespace svctrace-system pod-security.kubernetes.io/enforce=privileged',
  ],
  [
    'a quota refuses it',
    () => {
      api.refusal = { code: 403, message: 'pods "x" is forbidden: exceeded quota: q' };
    },
    'Failed QuotaExceeded: a quota of namespace svctrace-system refuses its probe: pods "x" is forbidden: exceeded quota: q; kubectl -n svctrace-system get resourcequota shows it: a probe requests 10m CPU and 48Mi memory on each node',
  ],
  [
    'a webhook refuses it',
    () => {
      api.refusal = { code: 400, message: 'admission webhook "policy.example.com" denied the request: no hostNetwork' };
    },
    'Failed AdmissionRefused: admission refuses its probe: admission webhook "policy.example.com" denied the request: no hostNetwork; exempt namespace svctrace-system from that webhook or policy, or change it',
  ],
  [
    'a webhook that has to be asked does not answer',
    () => {
      api.refusal = {
        code: 500,
        message: 'Internal error occurred: failed calling webhook "policy.example.com": connection refused',
      };
    },
    'Failed AdmissionRefused: admission refuses its probe: Internal error occurred: failed calling webhook "policy.example.com": connection refused; exempt namespace svctrace-system from that webhook or policy, or change it',
  ],
  [
    'a policy refuses it',
    () => {
      api.refusal = {
        code: 403,
        message: "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
      };
    },
    "Failed AdmissionRefused: admission refuses its probe: pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no; exempt namespace svctrace-system from that webhook or policy, or change it",
  ],
  [
    'RBAC refuses it',
    () => {
      api.refusal = { code: 403, message: 'User "u" cannot create resource "pods"' };
    },
    'Failed Forbidden: its probe may not be created: User "u" cannot create resource "pods"',
  ],
  [
    'RBAC refuses it to a user',
    () => {
      api.refusal = {
        code: 403,
        message:
          'pods is forbidden: User "jane" cannot create resource "pods" in API group "" in the namespace "svctrace-system"',
      };
    },
    'Failed Forbidden: its probe may not be created: User "jane" may not create pods in namespace "svctrace-system" (kubectl auth can-i create pods -n svctrace-system); an administrator gives it with: kubectl create role svctrace-create-pods --verb=create --resource=pods -n svctrace-system && kubectl create rolebinding svctrace-create-pods --role=svctrace-create-pods --user=jane -n svctrace-system',
  ],
  [
    'RBAC refuses it to the operator',
    () => {
      api.refusal = {
        code: 403,
        message:
          'pods is forbidden: User "system:serviceaccount:svctrace-system:svctrace-operator" cannot create resource "pods" in API group "" in the namespace "svctrace-system"',
      };
    },
    'Failed Forbidden: its probe may not be created: User "system:serviceaccount:svctrace-system:svctrace-operator" may not create pods in namespace "svctrace-system" (kubectl auth can-i create pods -n svctrace-system); install the operator again, which gives it its roles: kubectl svctrace install',
  ],
  [
    'there is no namespace',
    () => {
      api.refusal = { code: 404, message: 'namespaces "svctrace-system" not found' };
    },
    'Failed NoNamespace: its probe cannot be created, for there is no namespace svctrace-system',
  ],
  [
    'the API server fails',
    () => {
      api.refusal = { code: 500, message: 'etcdserver: request timed out' };
    },
    'Failed CreateFailed: its probe cannot be created: etcdserver: request timed out',
  ],
];

it.each(starts)('says in one sentence that %s', async (_name, arrange, words) => {
  arrange();
  expect(failed(await probes.ask(node, request, () => undefined))).toBe(words);
});

it('reports why a probe does not run yet, to everybody who waits for it, and makes one pod for all', async () => {
  const reported: string[][] = [[], []];
  const controller = new AbortController();
  const asks = reported.map((list) =>
    probes.ask(
      node,
      request,
      (reason) => {
        list.push(reason);
        if (reported.every((reasons) => reasons.includes('ImagePullBackOff'))) controller.abort();
      },
      controller.signal,
    ),
  );
  api.onCreate = (pod) => {
    state(pod, {
      phase: 'Pending',
      containerStatuses: container({ waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image' } }),
    });
  };
  expect((await Promise.all(asks)).map(failed)).toEqual(Array(2).fill('Failed Aborted: the collection was ended'));
  expect(reported).toEqual(Array(2).fill(['ProbeStarting', 'ImagePullBackOff']));
  expect(api.requests).toEqual(['POST pod']);
});

it('reads the events of all probes that take long in one list, however many of their pods change, and tells each its own', async () => {
  const nodes = ['node-a', 'node-b', 'node-c'];
  const progress = new Map<string, string[]>();
  const asked = new AbortController();
  const eventOf = (uid: string, name: string): CoreV1Event => ({
    metadata: { name, creationTimestamp: new Date() },
    involvedObject: { kind: 'Pod', uid },
    type: 'Warning',
    reason: 'FailedMount',
    message: `of ${name}`,
  });
  const all = nodes.map((name) =>
    probes.ask(
      { ...node, name },
      { ...request, node: name },
      (reason, message) => progress.set(name, [...(progress.get(name) ?? []), `${reason}: ${message}`]),
      asked.signal,
    ),
  );
  await vi.waitFor(() => {
    expect(api.pods.size).toBe(3);
  });
  const stuck = [...api.pods.values()].find(({ spec }) => spec?.nodeName === 'node-b');
  api.events = [eventOf(stuck?.metadata?.uid ?? '', 'node-b')];
  await sleep(3100);
  for (let change = 0; change < 20; change += 1) {
    for (const name of api.pods.keys()) api.update(name, () => undefined);
    await sleep(20);
  }
  expect(progress.get('node-b')).toContain('FailedMount: its probe does not start: of node-b');
  expect(JSON.stringify([progress.get('node-a'), progress.get('node-c')])).not.toContain('FailedMount');
  expect(api.eventLists.length).toBeGreaterThan(0);
  expect(api.eventLists.length).toBeLessThanOrEqual(2);
  expect(api.eventLists[0]).toBe(
    'involvedObject.kind=Pod,reason!=Scheduled,reason!=Pulled,reason!=Created,reason!=Started,reason!=Killing',
  );
  asked.abort();
  await Promise.all(all);
});

it('one who goes does not end the start for the others', async () => {
  const controller = new AbortController();
  const goes = probes.ask(node, request, () => undefined, controller.signal);
  let reasons = 0;
  const stays = probes.ask(node, request, () => {
    reasons += 1;
  });
  api.onCreate = (pod) => {
    controller.abort();
    void goes.then(() => {
      state(pod, { phase: 'Failed', reason: 'Evicted', message: 'low on memory' });
    });
  };
  expect(failed(await goes)).toContain('Aborted');
  expect(failed(await stays)).toContain('Evicted');
  expect(reasons).toBe(1);
});

it('never asks a pod that it did not make, and deletes what an earlier process left', async () => {
  const planted = probePod('node-a', options);
  planted.metadata = { ...planted.metadata, name: 'planted', uid: 'planted' };
  planted.status = { phase: 'Running', containerStatuses: container({ running: {} }) };
  api.pods.set('planted', planted);
  api.onCreate = (pod) => {
    state(pod, { phase: 'Failed', reason: 'Evicted' });
  };
  expect(failed(await probes.ask(node, request, () => undefined))).toContain('Evicted');
  await vi.waitFor(() => {
    expect(api.requests).toContain('DELETE planted');
  });
  expect(api.requests.filter((line) => line === 'POST pod')).toHaveLength(1);
});

it('says of a node that is not ready that it is not', async () => {
  api.refusal = { code: 500, message: 'no' };
  expect(failed(await probes.ask({ ...node, isReady: false }, request, () => undefined))).toBe(
    'Failed CreateFailed: the node is not ready (kubectl describe node node-a shows why): its probe cannot be created: no',
  );
});

it('ends its probes when it is closed, and no pod stays that is being made at that time', async () => {
  const asking = probes.ask(node, request, () => undefined);
  await new Promise<void>((resolve) => {
    api.onCreate = () => {
      resolve();
    };
  });
  await probes.close();
  expect(failed(await asking)).toContain('Aborted');
  expect(api.pods.size).toBe(0);
});

const runs = (pod: V1Pod): void => {
  state(pod, { phase: 'Running', containerStatuses: container({ running: {} }) });
};
const serviceRequest = (name: string, connect = false): ProbeRequest => ({
  ...request,
  services: [{ namespace: 'shop', name, clusterIPs: [], externalIPs: [], loadBalancerIPs: [], ports: [] }],
  collect: { ...request.collect, ...(connect ? { connect: { http: false, backends: [], targets: [] } } : {}) },
});
const asked = (text: string): string[] => (JSON.parse(text) as ProbeRequest).services.map(({ name }) => name);
const report = (text: string): string => {
  const at = '2026-11-29T00:00:00Z';
  const records = [
    { kind: 'start', version: 1, node: 'node-a', startedAt: at, kernel: '6', probeVersion: '0', addresses: [] },
    ...asked(text).map((name) => ({ kind: 'conntrack', service: `shop/${name}`, matched: 1, groups: [], lines: [] })),
    { kind: 'end', finishedAt: at, durationMilliseconds: 1 },
  ];
  return records.map((record) => JSON.stringify(record)).join('\n');
};
const servicesOf = (answer: NodeAnswer): string =>
  'report' in answer
    ? answer.report.records.flatMap((record) => (record.kind === 'conntrack' ? [record.service] : [])).join(' ')
    : answer.reason;

/** Of a node without tables. */
const wholeReport = parseNodeReport(
  report('{"services":[]}').replace(
    '\n',
    `\n${JSON.stringify({ kind: 'tables', legacy: { IPv4: [], IPv6: [] }, ipvs: false })}\n`,
  ),
);

/** Probes whose exec is a function of the test. */
async function withExec(
  exec: (services: string[]) => Promise<void>,
  extra: Partial<ConstructorParameters<typeof NodeProbes>[1]> = {},
): Promise<NodeProbes> {
  await probes.close();
  api.onCreate = runs;
  probes = new NodeProbes(api.kubeConfig, {
    ...options,
    ...extra,
    exec: async (_kubeConfig, { request: text }) => {
      await exec(asked(text));
      return report(text);
    },
  });
  return probes;
}

it('asks a node once for all who ask at the same time, and gives each its own', async () => {
  const execs: string[][] = [];
  let now = 0;
  let most = 0;
  await withExec(async (services) => {
    execs.push(services);
    now += 1;
    most = Math.max(most, now);
    await sleep(20);
    now -= 1;
  });
  await probes.ask(node, serviceRequest('first'), () => undefined);
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const answers = await Promise.all(names.map((name) => probes.ask(node, serviceRequest(name), () => undefined)));
  expect(answers.map(servicesOf)).toEqual(names.map((name) => `shop/${name}`));
  expect(execs).toEqual([['first'], ['a'], ['b', 'c', 'd', 'e', 'f']]);
  expect(most).toBe(1);
});

it('does not let who connects wait for readings, nor readings for it', async () => {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  await withExec(async (services) => {
    if (services.includes('connects')) await promise;
  });
  const connecting = probes.ask(node, serviceRequest('connects', true), () => undefined);
  expect(servicesOf(await probes.ask(node, serviceRequest('a'), () => undefined))).toBe('shop/a');
  resolve(undefined);
  expect(servicesOf(await connecting)).toBe('shop/connects');
});

it('says of a node that hangs that it is slow, answers at once the next time, and asks the other nodes meanwhile', async () => {
  const { promise: lastAnswer, resolve: end } = Promise.withResolvers<undefined>();
  let times = 0;
  await withExec(
    async (services) => {
      if (!services.includes('hangs')) return;
      times += 1;
      await lastAnswer;
      throw new ProbeExecError('TimedOut', 'its probe did not answer within 20 s');
    },
    { maxConcurrent: 1, slowMilliseconds: 20 },
  );
  const slow: string[] = [];
  const hanging = probes.ask(node, serviceRequest('hangs'), (reason, _message, isSlow) => {
    if (isSlow === true) slow.push(reason);
  });
  await vi.waitFor(() => {
    expect(slow).toEqual(['NodeSlow']);
  });
  expect(servicesOf(await probes.ask({ ...node, name: 'node-b' }, serviceRequest('a'), () => undefined))).toBe(
    'shop/a',
  );
  end(undefined);
  expect(failed(await hanging)).toContain('TimedOut');
  expect(failed(await probes.ask(node, serviceRequest('hangs'), () => undefined))).toMatch(
    /^Failed NodeSlow: it did not answer the last time; it is asked again in \d s$/,
  );
  expect(times, 'it is not asked again, so nobody waits for it').toBe(1);
});

it('deletes a probe until it is gone, though its deletion failed at first', async () => {
  await withExec(async () => undefined);
  await probes.ask(node, serviceRequest('a'), () => undefined);
  expect(api.pods.size).toBe(1);
  api.deleteRefusal = 500;
  await probes.release();
  expect(api.pods.size).toBe(1);
  api.deleteRefusal = undefined;
  await vi.waitFor(() => {
    expect(api.pods.size).toBe(0);
  }, 5000);
});

it('deletes what an earlier process left when it starts, with no trace there, and what is planted later', async () => {
  const plant = (name: string): void => {
    const pod = probePod('node-a', options);
    pod.metadata = { ...pod.metadata, name, uid: name };
    api.pods.set(name, pod);
  };
  plant('left');
  probes.keepClean();
  await vi.waitFor(() => {
    expect(new Set(api.requests)).toEqual(new Set(['DELETE left']));
  });
  plant('planted');
  api.update('planted', () => undefined);
  await vi.waitFor(() => {
    expect(api.pods.size).toBe(0);
  });
});

it('leaves the probes that are needed where it looks for others', async () => {
  await withExec(async () => undefined);
  await probes.ask(node, serviceRequest('a'), () => undefined);
  probes.keepClean();
  await sleep(300);
  expect(api.requests).toEqual(['POST pod']);
});

it('ends its probes when it is closed though a deletion fails, and does not wait for ever for an API server that hangs', async () => {
  await withExec(async () => undefined, { endTimeoutMilliseconds: 4000 });
  await probes.ask(node, serviceRequest('a'), () => undefined);
  api.deleteRefusal = 500;
  setTimeout(() => {
    api.deleteRefusal = undefined;
  }, 300);
  await probes.close();
  expect(api.pods.size).toBe(0);

  await withExec(async () => undefined, { endTimeoutMilliseconds: 300 });
  await probes.ask(node, serviceRequest('a'), () => undefined);
  api.deleteRefusal = 0;
  await probes.close();
  expect(api.pods.size).toBe(1);
});

it('waits longer for a node that has become ready', async () => {
  await probes.close();
  api.onCreate = runs;
  const timeouts: number[] = [];
  probes = new NodeProbes(api.kubeConfig, {
    ...options,
    exec: async (_kubeConfig, { request: text, timeoutMilliseconds }) => {
      timeouts.push(timeoutMilliseconds);
      return report(text);
    },
  });
  for (const isReady of [false, true, false])
    await probes.ask({ ...node, isReady }, serviceRequest('a'), () => undefined);
  expect(timeouts).toEqual([5000, 20_000, 5000]);
});

/** A real probe's side of a session, which answers as `report` does. */
/** @param answering is waited for before each answer */
function servedSessions(
  startWatch?: StartWatch,
  answering: () => Promise<void> = () => Promise.resolve(),
): {
  open: typeof openSession;
  readonly streams: { isOver: boolean; cut: () => void }[];
} {
  const streams: { isOver: boolean; cut: () => void }[] = [];
  return {
    streams,
    open: (_kubeConfig, { onText, onEnd }) => {
      const [input, output] = [new PassThrough(), new PassThrough()];
      const stream = {
        isOver: false,
        cut: () => {
          input.end();
          onEnd(new ProbeExecError('StreamBroke', 'the exec stream to its probe broke'));
        },
      };
      streams.push(stream);
      output.setEncoding('utf8').on('data', onText);
      void serve(
        input,
        output,
        '0',
        async (asked, _signal, emit) => {
          await answering();
          for (const record of parseNodeReport(report(JSON.stringify(asked))).records) emit(record);
        },
        startWatch,
      ).then(() => {
        stream.isOver = true;
      });
      return Promise.resolve({
        write: (text) => {
          input.write(text);
        },
        close: () => {
          input.end();
        },
      });
    },
  };
}

it('asks in one session for all traces of a node, and starts no process; the session goes with its probe', async () => {
  let execs = 0;
  const { open, streams } = servedSessions();
  await withExec(
    () => {
      execs += 1;
      return Promise.resolve();
    },
    { openSession: open },
  );
  const names = ['a', 'b', 'c'];
  for (const round of [1, 2]) {
    const answers = await Promise.all([
      ...names.map((name) => probes.ask(node, serviceRequest(name), () => undefined)),
      probes.ask(node, serviceRequest('connects', true), () => undefined),
    ]);
    expect(answers.map(servicesOf), String(round)).toEqual([...names, 'connects'].map((name) => `shop/${name}`));
  }
  await probes.ask({ ...node, name: 'node-b' }, serviceRequest('a'), () => undefined);
  expect(streams, 'one for each node').toHaveLength(2);
  streams[0]?.cut();
  expect(servicesOf(await probes.ask(node, serviceRequest('a'), () => undefined))).toBe('shop/a');
  expect(streams).toHaveLength(3);
  await probes.release();
  await vi.waitFor(() => {
    expect(streams.every(({ isOver }) => isOver)).toBe(true);
  });
  expect(execs).toBe(0);
});

it('opens no session with a node that is not ready: it is asked as it always was', async () => {
  const { open, streams } = servedSessions();
  await withExec(() => Promise.resolve(), { openSession: open });
  expect(servicesOf(await probes.ask({ ...node, isReady: false }, serviceRequest('a'), () => undefined))).toBe(
    'shop/a',
  );
  expect(streams).toHaveLength(0);
});

it('says once for each probe why it has no session with it', async () => {
  const log: string[] = [];
  await withExec(() => Promise.resolve(), { log: logTo((line) => log.push(line)) });
  for (const name of ['a', 'b'])
    expect(servicesOf(await probes.ask(node, serviceRequest(name), () => undefined))).toBe(`shop/${name}`);
  expect(log).toEqual([
    "node-a: its probe serves no sessions (the policy lets no session be opened): upgrade the probe's image and the installed manifests; until then each reading of it starts a process",
  ]);
});

const madeFor = (): string[] => [...api.pods.values()].map(({ spec }) => spec?.nodeName ?? '').sort();
const named = (name: string): typeof node => ({ ...node, name });

it('does not try at once again where a node could not start its probe, and says when it does', async () => {
  let made = 0;
  api.onCreate = (pod) => {
    made += 1;
    state(pod, { phase: 'Failed', reason: 'OutOfmemory', message: 'not enough memory' });
  };
  await probes.ask(node, request, () => undefined);
  expect(failed(await probes.ask(node, request, () => undefined))).toMatch(
    /^Failed OutOfmemory: its probe ended: not enough memory; tried again in [1-5] s$/,
  );
  expect(made).toBe(1);
  // Another node is tried, and so is this one when it has become ready.
  await probes.ask(named('node-b'), request, () => undefined);
  expect(made).toBe(2);
  await probes.ask({ ...node, isReady: false }, request, () => undefined);
  expect(made).toBe(2);
  await probes.ask(node, request, () => undefined);
  expect(made).toBe(3);
});

it('tries at once again where it was the API server that failed', async () => {
  api.refusal = { code: 500, message: 'etcdserver: request timed out' };
  await probes.ask(node, request, () => undefined);
  api.refusal = undefined;
  api.onCreate = runs;
  await withExec(() => Promise.resolve());
  expect(failed(await probes.ask(node, serviceRequest('a'), () => undefined))).toBe('answered');
});

it('starts so many probes at once, and the others in their turn', async () => {
  api.onCreate = () => undefined;
  await withExec(() => Promise.resolve(), { maxStarting: () => 2 });
  api.onCreate = () => undefined;
  const reasons = new Map<string, string>();
  const names = ['node-a', 'node-b', 'node-c', 'node-d'];
  const answers = names.map((name) =>
    probes.ask(named(name), serviceRequest('a'), (reason) => reasons.set(name, reason)),
  );
  await vi.waitFor(() => {
    expect(madeFor()).toEqual(['node-a', 'node-b']);
    expect([reasons.get('node-c'), reasons.get('node-d')]).toEqual(['ProbeQueued', 'ProbeQueued']);
  });
  for (const pod of [...api.pods.values()]) runs(pod);
  await vi.waitFor(() => {
    expect(madeFor()).toEqual(names);
  });
  for (const pod of [...api.pods.values()]) runs(pod);
  expect((await Promise.all(answers)).map(failed)).toEqual(['answered', 'answered', 'answered', 'answered']);
});

it('has so many probes at once: the one that is idle the longest ends for another, one that is asked does not', async () => {
  let release: (() => void) | undefined;
  let isHeld = false;
  await withExec(
    () =>
      isHeld
        ? new Promise<void>((resolve) => {
            release = resolve;
          })
        : Promise.resolve(),
    { maxProbes: 2 },
  );
  for (const name of ['node-a', 'node-b', 'node-c'])
    expect(failed(await probes.ask(named(name), serviceRequest('a'), () => undefined))).toBe('answered');
  await vi.waitFor(() => {
    expect(madeFor()).toEqual(['node-b', 'node-c']);
  });
  isHeld = true;
  const asked = probes.ask(named('node-b'), serviceRequest('a'), () => undefined);
  await vi.waitFor(() => {
    expect(release).toBeDefined();
  });
  isHeld = false;
  expect(failed(await probes.ask(named('node-d'), serviceRequest('a'), () => undefined))).toBe('answered');
  await vi.waitFor(() => {
    expect(madeFor()).toEqual(['node-b', 'node-d']);
  });
  release?.();
  expect(failed(await asked)).toBe('answered');
});

it('makes no pod on a node where none can run, and says why', async () => {
  expect(
    failed(
      await probes.ask(
        { ...node, notLookedAt: { reason: 'NodeVirtual', message: 'not looked at: it is a virtual node' } },
        request,
        () => undefined,
      ),
    ),
  ).toBe('Skipped NodeVirtual: not looked at: it is a virtual node');
  expect(
    failed(await probes.ask({ ...node, isReady: false, isKubeletSilent: true }, request, () => undefined)),
  ).toMatch(/^Failed NodeNotReady: not looked at: its kubelet gives no sign of life/);
  expect(api.requests).toEqual([]);
});

it('asks a probe that runs on a node whose kubelet gives no sign of life', async () => {
  api.onCreate = runs;
  await withExec(() => Promise.resolve());
  await probes.ask(node, serviceRequest('a'), () => undefined);
  expect(
    failed(await probes.ask({ ...node, isReady: false, isKubeletSilent: true }, serviceRequest('a'), () => undefined)),
  ).toBe('answered');
});

it('deletes at its start probes of other instances that have ended, or should have, and no others', async () => {
  const plant = (name: string, instance: string, hours: number, phase: string): void => {
    const pod = probePod('node-a', { ...options, instance });
    pod.metadata = { ...pod.metadata, name, uid: name, creationTimestamp: new Date(Date.now() - hours * 3600_000) };
    pod.status = { phase };
    api.pods.set(name, pod);
  };
  plant('ended', 'plugin-1', 0.1, 'Failed');
  plant('dead', 'plugin-2', 2, 'Running');
  plant('young', 'plugin-3', 0.5, 'Running');
  plant('done', 'plugin-4', 0.1, 'Succeeded');
  api.pods.set('other', {
    metadata: { name: 'other', uid: 'other', labels: { app: 'other' } },
    status: { phase: 'Failed' },
  });
  probes.keepClean();
  await vi.waitFor(() => {
    expect([...api.pods.keys()].sort()).toEqual(['other', 'young']);
  });
});

it('watches on a probe that lives as long as it is watched, again after a cut, and on the next probe', async () => {
  const watching: string[][] = [];
  let hasEnded = 0;
  const { open, streams } = servedSessions(({ emit }) => ({
    set: ({ services }) => {
      watching.push(services.map(({ name }) => name));
      for (const { namespace, name } of services)
        emit({
          kind: 'rules',
          service: `${namespace}/${name}`,
          changes: [],
          omitted: 0,
          hasLost: false,
          isSettled: true,
          polled: [],
          read: { began: 1, ended: 2 },
          records: [],
        });
    },
    hold: () => undefined,
    settled: () => Promise.resolve(true),
    end: () => {
      hasEnded += 1;
    },
  }));
  await withExec(() => Promise.resolve(), { openSession: open, idleSeconds: 1 });
  const reported: string[] = [];
  const watch = probes.watch(node, {
    onRecord: ({ service }, clock) => reported.push(`${service} ${clock === undefined ? 'unknown' : 'clock'}`),
    onUnwatched: (reason) => reported.push(`unwatched ${reason}`),
    onUnfollowed: (reason) => reported.push(`unfollowed ${reason}`),
  });
  const { services } = serviceRequest('a');
  await probes.ask(node, serviceRequest('a'), () => undefined);
  watch.set({ version: 1, node: node.name, services, isExpecting: false });
  await vi.waitFor(
    () => {
      expect(reported.map((text) => text.split(' ')[0])).toEqual(['shop/a']);
    },
    { timeout: 10_000 },
  );
  watch.set({
    version: 1,
    node: node.name,
    services: [...services, ...serviceRequest('b').services],
    isExpecting: false,
  });
  await vi.waitFor(
    () => {
      expect(watching.at(-1)).toEqual(['a', 'b']);
    },
    { timeout: 10_000 },
  );
  reported.length = 0;
  streams.at(-1)?.cut();
  await vi.waitFor(
    () => {
      expect(reported.map((text) => text.split(' ')[0])).toEqual(['unwatched', 'shop/a', 'shop/b']);
    },
    { timeout: 5000 },
  );
  // Longer than a probe that nobody asks is kept.
  await sleep(3500);
  const [first] = api.pods.keys();
  expect(api.pods.size).toBe(1);
  reported.length = 0;
  api.update(first ?? '', (pod) => {
    pod.status = { phase: 'Failed', reason: 'DeadlineExceeded' };
  });
  streams.at(-1)?.cut();
  // Who asks the node has another probe made there.
  await vi.waitFor(
    async () => {
      await probes.ask(node, serviceRequest('a'), () => undefined);
      expect([...api.pods.keys()].filter((name) => name !== first)).toHaveLength(1);
    },
    { timeout: 10_000 },
  );
  reported.length = 0;
  await vi.waitFor(
    () => {
      expect(reported.map((text) => text.split(' ')[0])).toEqual(expect.arrayContaining(['shop/a', 'shop/b']));
      expect([...api.pods.keys()].filter((name) => name !== first)).toHaveLength(1);
    },
    { timeout: 10_000 },
  );
  watch.end();
  await vi.waitFor(
    () => {
      expect(hasEnded, 'each stream had one').toBe(streams.length);
    },
    { timeout: 5000 },
  );
  expect(streams.at(-1)?.isOver).toBe(false);
  await probes.release();
  await vi.waitFor(() => {
    expect(streams.every(({ isOver }) => isOver)).toBe(true);
  });
}, 30_000);

it('has a watch give way to the bound of probes: its rules are unknown until it is opened again, and what changed is told', async () => {
  let rules = 'first';
  let held: PromiseWithResolvers<void> | undefined;
  let begun = 0;
  const { open } = servedSessions(
    ({ emit }) => ({
      set: ({ services }) => {
        for (const { namespace, name } of services)
          emit({
            kind: 'rules',
            service: `${namespace}/${name}`,
            changes: [],
            omitted: 0,
            hasLost: false,
            isSettled: true,
            polled: [],
            read: { began: 1, ended: 2 },
            records: [
              {
                kind: 'nftChain',
                service: `${namespace}/${name}`,
                family: 'IPv4',
                table: 'kube-proxy',
                chain: 'own',
                scope: 'all',
                absent: false,
                objects: [{ rules }],
              },
            ],
          });
      },
      hold: () => undefined,
      settled: () => Promise.resolve(true),

      end: () => undefined,
    }),
    () => {
      begun += 1;
      return held?.promise ?? Promise.resolve();
    },
  );
  await withExec(() => Promise.resolve(), { openSession: open, maxProbes: 2 });
  const changed: string[] = [];
  const watches = new NodeWatches(probes, (service) => changed.push(service));
  const asking = serviceRequest('a');
  const [service = expect.unreachable()] = asking.services;
  /** As a trace reads a node, everything. */
  const trace = async (): Promise<void> => {
    const count = watches.count(node.name, service);
    expect(failed(await probes.ask(node, asking, () => undefined))).toBe('answered');
    watches.want(node, service, 3600_000);
    watches.keep(node.name, asking, wholeReport, count);
  };
  const heldRules = (): unknown => watches.held(node.name, service)?.records.find(({ kind }) => kind === 'nftChain');
  try {
    await trace();
    await vi.waitFor(
      () => {
        expect(watches.count(node.name, service)).toBe(1);
      },
      { timeout: 10_000 },
    );
    await trace();
    await vi.waitFor(
      () => {
        expect(watches.held(node.name, service)).toBeDefined();
      },
      { timeout: 10_000 },
    );
    // Another probe is idle: it goes, though it was asked later.
    await probes.ask(named('node-b'), asking, () => undefined);
    await probes.ask(named('node-c'), asking, () => undefined);
    await vi.waitFor(
      () => {
        expect(madeFor()).toEqual(['node-a', 'node-c']);
      },
      { timeout: 10_000 },
    );
    expect(watches.held(node.name, service)).toBeDefined();
    // The other one is asked at this time, as long as it has not answered.
    const holding = Promise.withResolvers<void>();
    held = holding;
    const before = begun;
    const asked = probes.ask(named('node-c'), asking, () => undefined);
    await vi.waitFor(
      () => {
        expect(begun).toBe(before + 1);
      },
      { timeout: 10_000 },
    );
    held = undefined;
    await probes.ask(named('node-d'), asking, () => undefined);
    await vi.waitFor(
      () => {
        expect(madeFor()).toEqual(['node-c', 'node-d']);
        expect(watches.held(node.name, service)).toBeUndefined();
      },
      { timeout: 10_000 },
    );
    holding.resolve();
    expect(failed(await asked)).toBe('answered');
    rules = 'second';
    changed.length = 0;
    // Longer than the first pauses: no probe is made for a watch.
    await sleep(1500);
    expect(madeFor()).toEqual(['node-c', 'node-d']);
    expect([watches.held(node.name, service), changed]).toEqual([undefined, []]);
    await trace();
    await vi.waitFor(
      () => {
        expect(heldRules()).toMatchObject({ objects: [{ rules: 'second' }] });
      },
      { timeout: 10_000 },
    );
    expect(changed).toEqual(['shop/a']);
  } finally {
    watches.close();
  }
}, 30_000);
