/** Rules that are watched on real nodes, of each mode: read once, and seen when kube-proxy changes them. */
import { KubeConfig } from '@kubernetes/client-node';
import { expect } from 'vitest';
import type { ServiceTraceStatus } from '../../core/api/service-trace.ts';
import { createTraceEngine } from '../../engine/trace-engine.ts';
import type { TraceResult } from '../../engine/trace-request.ts';
import { probeImage } from '../setup/images.ts';
import { eventually } from '../support/eventually.ts';
import { clusterTest } from '../support/cluster-under-test.ts';

const nodes = ['node-a', 'node-b', 'node-c'];

/** How many endpoints the rules of each node send packets of the cluster IP to, in IPv4. */
function targetsOf({ nodes: all = [] }: ServiceTraceStatus): Record<string, number> {
  return Object.fromEntries(
    all.map(({ name, ports }) => [
      name,
      new Set(
        ports.flatMap(({ frontend, dnatTargets }) =>
          frontend === 'ClusterIP'
            ? dnatTargets.flatMap(({ address }) => (address.includes(':') ? [] : [address]))
            : [],
        ),
      ).size,
    ]),
  );
}

const ofEach = <Value>(value: Value): Record<string, Value> => Object.fromEntries(nodes.map((node) => [node, value]));

clusterTest(
  'reads rules once, and has a new endpoint of a Deployment in the rules of every mode without asking a node',
  async ({ kubectl, kubeconfigPath }) => {
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromFile(kubeconfigPath);
    const engine = createTraceEngine({
      kubeConfig,
      probeNamespace: 'kube-system',
      probeImage,
      instance: `watch-${process.pid.toString(36)}`,
    });
    let previous: ServiceTraceStatus | undefined;
    const trace = async (intervalMilliseconds: number): Promise<TraceResult> => {
      const result = await engine.trace({
        namespace: 'default',
        spec: { serviceRef: { name: 'auth-service' }, mode: 'Watch' },
        watch: { intervalMilliseconds, isViewed: false },
        ...(previous === undefined ? {} : { previous }),
      });
      previous = result.status;
      return result;
    };
    const readAt = ({ status }: TraceResult): unknown =>
      Object.fromEntries((status.nodes ?? []).map(({ name, probe }) => [name, probe.rulesReadAt]));
    const askedAt = ({ status }: TraceResult): unknown =>
      Object.fromEntries((status.nodes ?? []).map(({ name, probe }) => [name, probe.collectedAt]));
    try {
      const before = await eventually(async () => {
        const result = await trace(0);
        expect(targetsOf(result.status)).toEqual(ofEach(3));
        expect(readAt(result)).toEqual(ofEach(expect.any(String)));
        return result;
      });
      const later = await trace(0);
      expect(readAt(later), 'no rules were read for another result').toEqual(readAt(before));
      expect(askedAt(later), 'the nodes were asked for the rest').not.toEqual(askedAt(before));

      const last = await trace(0);
      let changes = 0;
      engine.onRuleChange((service) => {
        if (service === 'default/auth-service') changes += 1;
      });
      await kubectl(['scale', 'deployment/auth-service', '--replicas=4']);
      const after = await eventually(async () => {
        // A change makes a trace due, and nothing else before its interval is over: without one, nodes would be asked.
        expect(changes).toBeGreaterThan(0);
        changes = 0;
        const result = await trace(600_000);
        expect(targetsOf(result.status)).toEqual(ofEach(4));
        return result;
      });
      // Second looks ask only what they doubt; a node's own answer is that of before, with other rules.
      expect(Object.keys(targetsOf(after.status)).sort()).toEqual(nodes);
      const kept = nodes.filter(
        (name) =>
          after.status.nodes?.find((node) => node.name === name)?.probe.collectedAt ===
          last.status.nodes?.find((node) => node.name === name)?.probe.collectedAt,
      );
      expect(kept).toEqual(nodes);
    } finally {
      await engine.close();
      await kubectl(['scale', 'deployment/auth-service', '--replicas=3']);
      await kubectl(['rollout', 'status', 'deployment/auth-service', '--timeout=120s']);
    }
  },
  240_000,
);
