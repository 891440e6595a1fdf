import { describe, expect, it } from 'vitest';
import { connectRefusal, connectTargets } from '../../core/connect-targets.ts';
import { desiredService, endpoint } from './facts.ts';

describe('connectTargets', () => {
  it('are the frontends, then the ready endpoints', () => {
    const desired = desiredService([endpoint('10.244.1.2'), endpoint('10.244.1.3', { ready: false })], { ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 }], externalIPs: ['192.0.2.8'], loadBalancerIPs: ['192.0.2.9'] });
    expect(connectTargets(desired, ['fd00::11', '172.30.0.11', '172.30.0.12']).map(({ hop, address, port }) => `${hop} ${address} ${String(port)}`)).toEqual([
      'ClusterIP 10.96.0.7 80',
      'ExternalIP 192.0.2.8 80',
      'LoadBalancerIP 192.0.2.9 80',
      'NodePort 172.30.0.11 30080',
      'Endpoint 10.244.1.2 8080',
    ]);
  });

  it('are the endpoints alone of a headless Service', () => {
    const headless = desiredService(undefined, { clusterIPs: [], notProxied: 'it is headless (clusterIP: None)' });
    expect(connectTargets(headless, []).map(({ hop }) => hop)).toEqual(['Endpoint', 'Endpoint']);
  });

  it('are at most a hundred, the frontends among them', () => {
    const many = desiredService(Array.from({ length: 300 }, (_, index) => endpoint(`10.244.${String(Math.floor(index / 200))}.${String(index % 200)}`)));
    const targets = connectTargets(many, []);
    expect(targets).toHaveLength(100);
    expect(targets[0]?.hop).toBe('ClusterIP');
  });
});

describe('connectRefusal', () => {
  it('refuses a Service with an endpoint that is no pod of its namespace', () => {
    const desired = desiredService();
    expect(connectRefusal(desired, new Set(['10.244.1.2', '10.244.2.2']))).toBeUndefined();
    expect(connectRefusal(desired, new Set(['10.244.1.2']))).toBe('10.244.2.2 of its EndpointSlices is no address of a pod of namespace default');
  });
});
