import { describe, expect, it } from 'vitest';
import { connectRefusal, connectTargets, type ConnectPod } from '../../../core/api/connect-targets.ts';
import { desiredService, endpoint } from '../../support/node-facts.ts';

describe('connectTargets', () => {
  it('are the frontends, then the ready endpoints', () => {
    const desired = desiredService([endpoint('10.244.1.2'), endpoint('10.244.1.3', { ready: false })], {
      ports: [{ name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 }],
      externalIPs: ['192.0.2.8'],
      loadBalancerIPs: ['192.0.2.9'],
    });
    expect(
      connectTargets(desired, ['fd00::11', '172.30.0.11', '172.30.0.12']).map(
        ({ hop, address, port }) => `${hop} ${address} ${String(port)}`,
      ),
    ).toEqual(['ClusterIP 10.96.0.7 80', 'NodePort 172.30.0.11 30080', 'Endpoint 10.244.1.2 8080']);
  });

  it("are a load balancer's address where nobody else has it, and never an external IP: somebody has written it", () => {
    const desired = desiredService(undefined, {
      externalIPs: ['192.0.2.8'],
      loadBalancerIPs: ['192.0.2.9', '192.0.2.10', '192.0.2.11'],
    });
    const externalAddresses = [
      { address: '192.0.2.8', use: 'Own' },
      { address: '192.0.2.9', use: 'Own' },
      { address: '192.0.2.10', use: 'Shared' },
      { address: '192.0.2.11', use: 'Taken' },
    ] as const;
    const hops = connectTargets({ ...desired, externalAddresses }, [])
      .filter(({ hop }) => hop !== 'Endpoint')
      .map(({ hop, address }) => `${hop} ${address}`);
    expect(hops).toEqual(['ClusterIP 10.96.0.7', 'LoadBalancerIP 192.0.2.9']);
  });

  it('leave out a cluster IP that the node drops by the policy Local', () => {
    const local = desiredService([endpoint('10.244.2.2', { nodeName: 'node-b' })], { internalTrafficPolicy: 'Local' });
    const hops = (node: string): string[] => connectTargets(local, [], { node }).map(({ hop }) => hop);
    expect([hops('node-a'), hops('node-b')]).toEqual([['Endpoint'], ['ClusterIP', 'Endpoint']]);
  });

  it('are the endpoints alone of a headless Service', () => {
    const headless = desiredService(undefined, { clusterIPs: [], notProxied: 'it is headless (clusterIP: None)' });
    expect(connectTargets(headless, []).map(({ hop }) => hop)).toEqual(['Endpoint', 'Endpoint']);
  });

  it('are at most a hundred, the frontends among them', () => {
    const many = desiredService(
      Array.from({ length: 300 }, (_, index) =>
        endpoint(`10.244.${String(Math.floor(index / 200))}.${String(index % 200)}`),
      ),
    );
    const targets = connectTargets(many, []);
    expect(targets).toHaveLength(100);
    expect(targets[0]?.hop).toBe('ClusterIP');
  });
});

describe('connectRefusal', () => {
  const pod = (address: string, extra: Partial<ConnectPod> = {}): ConnectPod => ({
    addresses: [address],
    hasEnded: false,
    hostNetwork: false,
    ports: [],
    ...extra,
  });
  const [one, two] = [pod('10.244.1.2'), pod('10.244.2.2')];

  it('refuses a Service with an endpoint that is not a pod of its namespace', () => {
    const desired = desiredService();
    expect(connectRefusal(desired, [one, two])).toBeUndefined();
    expect(connectRefusal(desired, [one])).toBe(
      '10.244.2.2 of its EndpointSlices is not an address of a pod of namespace default',
    );
  });

  it('refuses one with the address of a pod that has ended, which may be somebody else by now', () => {
    expect(connectRefusal(desiredService(), [one, pod('10.244.2.2', { hasEnded: true })])).toContain(
      '10.244.2.2 of its EndpointSlices is not an address of a pod',
    );
    expect(connectRefusal(desiredService(), [one, pod('10.244.2.2', { hasEnded: true }), two])).toBeUndefined();
  });

  it("refuses a port of a node that its pod does not declare, such as the kubelet's", () => {
    const onHost = desiredService([endpoint('172.30.0.11')]);
    const hosted = (port: number, protocol: 'TCP' | 'UDP' = 'TCP'): ConnectPod =>
      pod('172.30.0.11', { hostNetwork: true, ports: [{ port, protocol }] });
    expect(connectRefusal(onHost, [hosted(8080)])).toBeUndefined();
    for (const other of [hosted(10250), hosted(8080, 'UDP')])
      expect(connectRefusal(onHost, [other])).toBe(
        "172.30.0.11:8080 of its EndpointSlices is a node's address with a port that no pod of namespace default declares",
      );
  });

  it.each([
    ['none', []],
    ['none that is ready', [endpoint('10.244.1.2', { ready: false })]],
  ])('refuses one without endpoints: %s', (_name, endpoints) => {
    expect(connectRefusal(desiredService(endpoints), [one, two])).toContain('no ready endpoint');
  });
});
