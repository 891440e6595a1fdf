/** Who has an address, over real HTTP from an API server of a few lines. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { expect, it } from 'vitest';
import { addressHolders, type AddressHolders } from '../../engine/address-holders.ts';
import { probeRequestService } from '../../engine/probe-requests.ts';
import { desiredService } from '../support/node-facts.ts';

const nodes = [
  {
    spec: { podCIDRs: ['10.244.1.0/24'] },
    status: {
      addresses: [
        { type: 'InternalIP', address: '172.30.0.11' },
        { type: 'Hostname', address: 'node-a' },
      ],
    },
  },
];
const victim = {
  metadata: { namespace: 'victim', name: 'secret' },
  spec: { clusterIPs: ['10.96.0.50'], ports: [{ port: 80 }] },
  status: { loadBalancer: { ingress: [{ ip: '203.0.113.9' }, { hostname: 'lb.example' }] } },
};
const pods = [
  { metadata: { namespace: 'victim', name: 'running' }, status: { phase: 'Running', podIP: '10.9.8.7' } },
  { metadata: { namespace: 'victim', name: 'ended' }, status: { phase: 'Succeeded', podIP: '198.51.100.8' } },
];

async function withApi(
  refused: RegExp | undefined,
  test: (holders: AddressHolders, requests: string[]) => Promise<void>,
): Promise<void> {
  const requests: string[] = [];
  const http = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    requests.push(`${url.pathname}${url.search}`);
    const [, address] = /^status\.podIP=(.*)$/.exec(url.searchParams.get('fieldSelector') ?? '') ?? [];
    const items = url.pathname.endsWith('/services') ? [victim] : pods.filter(({ status }) => status.podIP === address);
    const isRefused = refused?.test(url.pathname) === true;
    response.writeHead(isRefused ? 403 : 200, { 'content-type': 'application/json' }).end(
      JSON.stringify(
        isRefused
          ? {
              kind: 'Status',
              code: 403,
              message: 'services is forbidden: User "jo" cannot list resource "services" at the cluster scope',
            }
          : { kind: 'List', apiVersion: 'v1', metadata: {}, items },
      ),
    );
  });
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve);
  });
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser(
    { name: 'fake', server: `http://127.0.0.1:${String((http.address() as AddressInfo).port)}`, skipTLSVerify: true },
    { name: 'fake' },
  );
  try {
    await test(addressHolders(kubeConfig.makeApiClient(CoreV1Api)), requests);
  } finally {
    http.closeAllConnections();
    await new Promise<void>((resolve) => {
      http.close(() => {
        resolve();
      });
    });
  }
}

const all = ['10.96.0.50', '203.0.113.9', '172.30.0.11', '10.244.1.9', '10.9.8.7', '198.51.100.8', '198.51.100.7'];

it("knows other Services' addresses, nodes', their ranges for pods, and single pods; one that has ended has none", async () => {
  await withApi(undefined, async (holders, requests) => {
    const desired = desiredService([], { externalIPs: all });
    const { addresses, unread } = await holders.classify(desired, nodes);
    expect(addresses.map(({ use }) => use)).toEqual(['Taken', 'Taken', 'Taken', 'Taken', 'Taken', 'Own', 'Own']);
    expect(unread).toBeUndefined();
    const { externalIPs, ownIPs } = probeRequestService({ ...desired, externalAddresses: addresses });
    expect([externalIPs, ownIPs]).toEqual([
      ['198.51.100.8', '198.51.100.7'],
      ['198.51.100.8', '198.51.100.7'],
    ]);
    // For the next trace, all is known.
    const before = requests.length;
    await holders.classify(desiredService([], { externalIPs: all }), nodes);
    expect(requests.slice(before)).toEqual([]);
    expect(requests.filter((path) => path.includes('/services'))).toHaveLength(1);
  });
});

it('reads nothing for a Service without external addresses, or that kube-proxy leaves out; of the latter nothing but cluster IPs is asked for', async () => {
  await withApi(undefined, async (holders, requests) => {
    const unproxied = desiredService([], {
      externalIPs: all,
      ports: [{ protocol: 'TCP', port: 80, nodePort: 30080 }],
      healthCheckNodePort: 30999,
      notProxied: 'its label gives it to another proxy',
    });
    expect((await holders.classify(desiredService(), nodes)).addresses).toEqual([]);
    expect((await holders.classify(unproxied, nodes)).addresses).toEqual([]);
    expect(requests).toEqual([]);
    expect(probeRequestService(unproxied)).toEqual({
      namespace: 'default',
      name: 'auth-service',
      clusterIPs: ['10.96.0.7'],
      externalIPs: [],
      loadBalancerIPs: [],
      ownIPs: [],
      ports: [{ protocol: 'TCP', port: 80 }],
    });
  });
});

it.each([/\/services$/, /\/pods$/])(
  'asks for no external address where who has it may not be read: %s',
  async (refused) => {
    await withApi(refused, async (holders) => {
      const desired = desiredService([], { externalIPs: ['198.51.100.7'] });
      const { addresses, unread } = await holders.classify(desired, nodes);
      expect(addresses).toEqual([{ address: '198.51.100.7', use: 'Unlisted' }]);
      expect(unread).toMatchObject({ forbidden: { verb: 'list', resource: 'services,pods', namespace: '' } });
      expect(probeRequestService({ ...desired, externalAddresses: addresses })).toMatchObject({
        externalIPs: [],
        ownIPs: [],
      });
    });
  },
);
