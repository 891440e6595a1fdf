/** Connections that are followed on real nodes, of each mode: as they come and go, of this Service alone, and to an endpoint that went. */
import { KubeConfig } from '@kubernetes/client-node';
import { expect } from 'vitest';
import type { ConnectionEventStatus, ServiceTraceStatus } from '../../core/api/service-trace.ts';
import { createTraceEngine } from '../../engine/trace-engine.ts';
import { probeImage } from '../setup/images.ts';
import { clusterTest, connect, readyEndpoints } from '../support/cluster-under-test.ts';
import { eventually } from '../support/eventually.ts';

clusterTest(
  "shows a Service's connections as they come, with their endpoints, and what conntrack keeps to an endpoint that went",
  async ({ kubectl, kubeconfigPath }) => {
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromFile(kubeconfigPath);
    const engine = createTraceEngine({
      kubeConfig,
      probeNamespace: 'kube-system',
      probeImage,
      instance: `flow-${process.pid.toString(36)}`,
    });
    let previous: ServiceTraceStatus | undefined;
    const trace = async (): Promise<ServiceTraceStatus> => {
      const { status } = await engine.trace({
        namespace: 'default',
        spec: { serviceRef: { name: 'auth-service' }, mode: 'Watch', collect: { conntrack: 'Entries' } },
        watch: { intervalMilliseconds: 0, isViewed: true },
        ...(previous === undefined ? {} : { previous }),
      });
      previous = status;
      return status;
    };
    try {
      await eventually(async () => {
        const { connectionEvents } = await trace();
        expect(connectionEvents).toMatchObject({ followedNodes: 3, notFollowed: [], gaps: [] });
      });
      const address = previous?.service?.clusterIPs.find((each) => !each.includes(':')) ?? '';
      const endpoints = await readyEndpoints('auth-service', 'IPv4');
      // Viewers are given a result where connections came.
      let results = 0;
      engine.onRuleChange((service) => {
        if (service === 'default/auth-service') results += 1;
      });
      const made = await connect('client-a', address, 80, 12);
      await eventually(() => {
        expect(results).toBeGreaterThan(0);
        return Promise.resolve();
      });
      const isOwn = ({ clientPort, address: to, kind }: ConnectionEventStatus): boolean =>
        kind === 'New' && to === address && made.some(({ localPort }) => localPort === clientPort);
      const own = await eventually(async () => {
        const { connectionEvents } = await trace();
        const found = (connectionEvents?.recent ?? []).filter(isOwn);
        expect(found).toHaveLength(12);
        return found;
      });
      expect(new Set(own.map(({ clientPort }) => clientPort)).size).toBe(12);
      expect(new Set(own.map(({ node }) => node)).size).toBe(1);
      for (const { endpoint, earliest, latest } of own) {
        expect(endpoints).toContain(endpoint);
        expect(Date.parse(earliest)).toBeLessThanOrEqual(Date.parse(latest));
      }
      // Of no other Service, whatever the nodes do beside.
      const addresses = new Set([...(previous?.service?.clusterIPs ?? [])]);
      const ports = new Set((previous?.service?.ports ?? []).flatMap(({ nodePort }) => nodePort ?? []));
      for (const event of previous?.connectionEvents?.recent ?? [])
        expect(addresses.has(event.address) || ports.has(event.port)).toBe(true);

      await kubectl(['scale', 'deployment/auth-service', '--replicas=2']);
      await eventually(async () => {
        const { convergence } = await trace();
        const rows = (convergence?.changes ?? []).flatMap(({ connections = [] }) => connections);
        // The connections of before went to all three, and conntrack has them for two minutes.
        expect(rows.filter(({ kept = 0, isComplete }) => kept > 0 && isComplete)).not.toEqual([]);
        for (const row of rows) expect(endpoints).toContain(row.address);
      });
    } finally {
      await engine.close();
      await kubectl(['scale', 'deployment/auth-service', '--replicas=3']);
      await kubectl(['rollout', 'status', 'deployment/auth-service', '--timeout=120s']);
    }
  },
  240_000,
);
