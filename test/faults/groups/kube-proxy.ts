/** kube-proxy itself: killed, stopped, or configured wrongly, one fault on each node. */
import type { Fault, FaultGroup, Undo } from '../fault.ts';
import { eventually } from '../../support/eventually.ts';
import { namespace, type Place } from '../place.ts';
import { syncGraceSeconds } from '../prepare.ts';
import { serverPod, service, untilReady } from '../workload.ts';

const config = '/run/svctrace/kube-proxy.yaml';

/** Starts the node's kube-proxy again with an edited configuration; the undo gives it back the old one. */
async function restartWithConfig(place: Place, node: string, script: string): Promise<Undo> {
  const on = place.node(node);
  await on.exec(['cp', config, `${config}.before`]);
  const undo = async (): Promise<void> => {
    await on.exec(['mv', `${config}.before`, config]);
    await place.restartKubeProxyAfter(node)();
  };
  try {
    await on.exec(['sed', '-i', script, config]);
    await on.stopKubeProxy();
    await on.startKubeProxy();
    await place.untilKubeProxyHasSynced(node);
  } catch (error) {
    await undo();
    throw error;
  }
  return undo;
}

const shared = 'kube-proxy-faults';

const ofOneNode = (fault: Omit<Fault, 'service' | 'objects'>): Fault => ({
  ...fault,
  service: shared,
  objects: [service(shared, { externalTrafficPolicy: 'Local', type: 'NodePort' })],
});

export const kubeProxyStopped: FaultGroup = {
  name: 'kube-proxy stopped or misconfigured',
  // A kube-proxy that was started again with another configuration has to write its rules first.
  graceSeconds: 10,
  faults: [
    ofOneNode({
      name: 'kube-proxy-killed',
      does: 'kube-proxy is ended and not started again; its rules stay (node-a)',
      node: 'node-a',
      expected: ['KP-ABSENT node-a'],
      inject: async (place) => {
        await place.node('node-a').stopKubeProxy();
        return place.restartKubeProxyAfter('node-a');
      },
    }),
    ofOneNode({
      name: 'kube-proxy-paused',
      does: 'kube-proxy is stopped with SIGSTOP: it has its ports and answers nobody (node-b)',
      node: 'node-b',
      expected: ['KP-NO-ANSWER node-b'],
      inject: async (place) => {
        place.node('node-b').pauseKubeProxy();
        return async () => {
          place.node('node-b').resumeKubeProxy();
        };
      },
    }),
    ofOneNode({
      name: 'kube-proxy-host-name-wrong',
      does: "hostnameOverride is another node's name, so that node's endpoints are the local ones, and the policy Local leads there (node-c)",
      node: 'node-c',
      expected: ['KP-HOSTNAME node-c', 'RULE-EP-MISSING node-c', 'RULE-EP-STALE node-c'],
      inject: async (place) => restartWithConfig(place, 'node-c', 's/^hostnameOverride: .*/hostnameOverride: node-b/'),
    }),
  ],
};

const asleep = 'kube-proxy-asleep';

/** Endpoints change while all kube-proxies sleep: each node keeps what it had. */
export const kubeProxyAsleep: FaultGroup = {
  name: 'endpoints change while kube-proxy sleeps',
  graceSeconds: syncGraceSeconds,
  faults: [
    {
      name: 'endpoints-change-while-kube-proxy-sleeps',
      does: 'kube-proxy is stopped with SIGSTOP on all nodes, and then the only pod is replaced by another one',
      service: asleep,
      objects: [service(asleep, { selector: { app: asleep } }), serverPod(`${asleep}-b`, asleep, 'node-b')],
      expected: ['node-a', 'node-b', 'node-c']
        .flatMap((node) => [`KP-NO-ANSWER ${node}`, `RULE-EP-MISSING ${node}`, `RULE-EP-STALE ${node}`])
        .sort(),
      inject: async (place) => {
        for (const node of place.cluster.nodes) node.pauseKubeProxy();
        const undo = async (): Promise<void> => {
          for (const node of place.cluster.nodes) node.resumeKubeProxy();
        };
        try {
          await place.kubectl(['-n', namespace, 'delete', 'pod', `${asleep}-b`, '--wait=true']);
          await place.apply([serverPod(`${asleep}-b`, asleep, 'node-b')]);
          await untilReady(place, [`${asleep}-b`]);
          await eventually(async () => {
            const [pod] = await place.pods(asleep);
            const { addresses } = await place.endpoints(asleep);
            if (pod === undefined || addresses.join() !== pod.ip)
              throw new Error('the EndpointSlice has not followed yet');
          }, 30);
        } catch (error) {
          await undo();
          throw error;
        }
        return undo;
      },
    },
  ],
};
