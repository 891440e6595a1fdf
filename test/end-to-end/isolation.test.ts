/**
 * What a user with `edit` in one namespace can learn of another one by traces, and where nodes can be made to connect: tried
 * on the real cluster under the real authorizer. docs/privilege.md has the table of these attacks.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { parseServiceTrace } from '../../core/api/parse-service-trace.ts';
import type { ServiceTrace, ServiceTraceSpec } from '../../core/api/service-trace.ts';
import { cluster, clusterTest, unavailable } from '../support/cluster-under-test.ts';
import { eventually } from '../support/eventually.ts';

const [victim, tenant] = ['tenant-a', 'tenant-b'];
const lb = '203.0.113.50';

const metadata = (namespace: string, name: string, labels: Record<string, string> = {}): object => ({
  namespace,
  name,
  labels,
});
const pod = (namespace: string, name: string, app: string): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: metadata(namespace, name, { app }),
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [
      {
        name: 'server',
        image: 'svctrace/testpod:test',
        imagePullPolicy: 'Never',
        args: ['serve', '--port', '8080'],
        ports: [{ containerPort: 8080 }],
        readinessProbe: { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1 },
      },
    ],
  },
});
const service = (namespace: string, name: string, spec: object, labels: Record<string, string> = {}): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: metadata(namespace, name, labels),
  spec: { ports: [{ name: 'http', port: 80, targetPort: 8080 }], ...spec },
});
const binding = (namespace: string, name: string, roleRef: object): object => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'RoleBinding',
  metadata: metadata(namespace, name),
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', ...roleRef },
  subjects: [{ kind: 'Group', name: 'developers', apiGroup: 'rbac.authorization.k8s.io' }],
});

async function apply(objects: readonly object[], user: 'admin' | 'developer' = 'admin'): Promise<void> {
  await (
    await cluster()
  ).kubectl(['apply', '--validate=false', '-f', '-'], {
    user,
    input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
  });
}

async function read(args: readonly string[]): Promise<string> {
  return (await (await cluster()).kubectl(['get', ...args])).stdout.trim();
}

/** What is the victim's: of none of it a status of the tenant may say anything. */
let secrets: string[] = [];
let victimIP = '';
let [podIP, clientIP, nodeIP] = ['', '', ''];

/** The victim's client connects to the victim's Service, and to one of its pods: entries of conntrack that live for two minutes. */
async function talk(): Promise<void> {
  for (const to of [`${victimIP}:80`, `${podIP}:8080`])
    await (
      await cluster()
    ).kubectl(['-n', victim, 'exec', 'teller', '--', '/testpod', 'connect', '--count', '3', '--to', to]);
}

let count = 0;

/** Traces as the tenant, and gives the trace with its status. */
async function trace(
  name: string,
  spec: Partial<ServiceTraceSpec> = {},
  namespace = tenant,
  user: 'admin' | 'developer' = 'developer',
): Promise<ServiceTrace> {
  const { kubectl } = await cluster();
  await talk();
  count += 1;
  const own = `attack-${String(count)}`;
  await apply(
    [
      {
        apiVersion: 'svctrace.io/v1alpha1',
        kind: 'ServiceTrace',
        metadata: metadata(namespace, own),
        spec: { serviceRef: { name }, mode: 'Once', ...spec, collect: { conntrack: 'Entries', ...spec.collect } },
      },
    ],
    user,
  );
  try {
    for (const end = Date.now() + 120_000; ; await sleep(500)) {
      const { stdout } = await kubectl(['-n', namespace, 'get', 'servicetrace', own, '-o', 'json'], { user });
      const found = parseServiceTrace(JSON.parse(stdout));
      const ready = found.status?.conditions?.find(({ type }) => type === 'Ready');
      if (ready !== undefined && ready.status !== 'Unknown') return found;
      if (Date.now() > end) throw new Error(`the trace of ${name} is not done: ${stdout}`);
    }
  } finally {
    await kubectl(['-n', namespace, 'delete', 'servicetrace', own, '--wait=false'], { user });
  }
}

/** What a trace shows of the victim; its own spec may name what the tenant wrote there. */
function leaksOf({ status }: ServiceTrace, written: readonly string[] = []): string[] {
  const text = JSON.stringify(status);
  return secrets.filter(
    (secret) =>
      !written.includes(secret) && new RegExp(`(?<![0-9a-f.:])${secret.replaceAll('.', '\\.')}(?![0-9.])`).test(text),
  );
}

const ids = ({ status }: ServiceTrace): string[] => [...new Set((status?.findings ?? []).map(({ id }) => id))];
const dialled = ({ status }: ServiceTrace): string[] => [
  ...new Set(
    (status?.nodes ?? []).flatMap(({ connections = [] }) =>
      connections.filter(({ outcome }) => outcome !== 'untried').map(({ hop, address }) => `${hop} ${address}`),
    ),
  ),
];

beforeAll(async () => {
  if (unavailable !== undefined) return;
  const { kubectl } = await cluster();
  await apply([
    ...[victim, tenant].map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })),
    pod(victim, 'vault-1', 'vault'),
    pod(victim, 'vault-2', 'vault'),
    pod(victim, 'teller', 'teller'),
    pod(tenant, 'mine', 'mine'),
    service(victim, 'secret', { selector: { app: 'vault' } }),
    service(victim, 'balanced', { type: 'LoadBalancer', selector: { app: 'vault' } }),
    binding(tenant, 'developers', { kind: 'ClusterRole', name: 'edit' }),
  ]);
  await kubectl([
    '-n',
    victim,
    'patch',
    'service',
    'balanced',
    '--subresource=status',
    '--patch',
    JSON.stringify({ status: { loadBalancer: { ingress: [{ ip: lb }] } } }),
  ]);
  for (const namespace of [victim, tenant])
    await kubectl(['-n', namespace, 'wait', '--for=condition=Ready', 'pod', '--all', '--timeout=90s'], {
      timeout: 100_000,
    });
  victimIP = await read(['-n', victim, 'service', 'secret', '-o', 'jsonpath={.spec.clusterIP}']);
  const addresses = (await read(['-n', victim, 'pods', '-o', 'jsonpath={.items[*].status.podIP}'])).split(' ');
  podIP = await read(['-n', victim, 'pod', 'vault-1', '-o', 'jsonpath={.status.podIP}']);
  clientIP = await read(['-n', victim, 'pod', 'teller', '-o', 'jsonpath={.status.podIP}']);
  nodeIP = await read(['node', 'node-a', '-o', 'jsonpath={.status.addresses[0].address}']);
  secrets = [...addresses, victim, 'vault-1', 'vault-2', 'teller'];
});

afterAll(async () => {
  if (unavailable !== undefined) return;
  await (
    await cluster()
  ).kubectl(['delete', 'namespace', victim, tenant, '--wait=true', '--timeout=60s'], {
    reject: false,
    timeout: 70_000,
  });
});

describe('a tenant with edit in its own namespace', () => {
  clusterTest(
    "is one who may not trace the victim's namespace, nor write what the API server and controllers own",
    async ({ kubectl }) => {
      const mayI = async (...question: string[]): Promise<string> =>
        (await kubectl(['auth', 'can-i', ...question], { user: 'developer', reject: false })).stdout.trim();
      expect(await mayI('create', 'servicetraces.svctrace.io', '-n', tenant)).toBe('yes');
      for (const question of [
        ['create', 'servicetraces.svctrace.io', '-n', victim],
        ['get', 'services', '-n', victim],
        ['patch', 'services', '--subresource=status', '-n', tenant],
        ['create', 'endpointslices.discovery.k8s.io', '-n', tenant],
        ['patch', 'pods', '--subresource=status', '-n', tenant],
        ['create', 'pods', '-n', 'svctrace-system'],
        ['create', 'pods', '--subresource=exec', '-n', 'svctrace-system'],
        ['patch', 'servicetraces.svctrace.io', '--subresource=status', '-n', tenant],
      ])
        expect(await mayI(...question), question.join(' ')).toBe('no');
    },
  );

  clusterTest("would see the victim's endpoints and clients in the victim's own trace", async () => {
    // Without this, the tests below would show nothing.
    const shown = leaksOf(await trace('secret', {}, victim, 'admin'));
    expect(shown).toEqual(expect.arrayContaining([podIP, clientIP, 'vault-1']));
  });

  for (const [kind, labels] of [
    ['that kube-proxy serves', {}],
    ['that kube-proxy leaves out', { 'service.kubernetes.io/service-proxy-name': 'nobody' }],
  ] as const) {
    for (const ports of [
      [{ name: 'http', port: 80, targetPort: 8080 }],
      [
        { name: 'http', port: 80 },
        { name: 'pods', port: 8080 },
        { name: 'kubelet', port: 10250 },
      ],
    ]) {
      clusterTest(
        `learns nothing by externalIPs of a Service ${kind}, with ${String(ports.length)} ports: the victim's cluster IP, pod, load balancer, a node`,
        async () => {
          const externalIPs = [victimIP, podIP, lb, nodeIP];
          await apply(
            [service(tenant, 'claims', { selector: { app: 'mine' }, externalIPs, ports }, labels)],
            'developer',
          );
          try {
            const result = await trace('claims', { collect: { connect: 'HTTP' } });
            expect(leaksOf(result, externalIPs)).toEqual([]);
            expect(
              result.status?.nodes
                ?.flatMap(({ conntrack }) => conntrack?.entries ?? [])
                .filter(({ original }) => externalIPs.includes(original.destination)),
            ).toEqual([]);
            expect(
              result.status?.nodes
                ?.flatMap((node) => node.ports)
                .filter(({ address, verdict }) => externalIPs.includes(address) && verdict !== 'Unknown'),
            ).toEqual([]);
            const conflicts = (result.status?.findings ?? [])
              .filter(({ id }) => id === 'SVC-EXTERNAL-IP-CONFLICT')
              .map(({ message }) => message);
            // That the address is taken, and nothing more.
            expect(conflicts).toHaveLength(kind === 'that kube-proxy serves' ? 4 : 0);
            for (const address of dialled(result)) expect(address).toMatch(/^(?:ClusterIP|Endpoint) /);
            for (const address of externalIPs) expect(dialled(result).join()).not.toContain(` ${address}`);
          } finally {
            await (await cluster()).kubectl(['-n', tenant, 'delete', 'service', 'claims']);
          }
        },
      );
    }
  }

  clusterTest(
    "shares the victim's load balancer on another port: it sees its own rules there, and no connection",
    async () => {
      await apply(
        [
          service(tenant, 'shares', {
            selector: { app: 'mine' },
            externalIPs: [lb],
            ports: [{ name: 'other', port: 8443, targetPort: 8080 }],
          }),
        ],
        'developer',
      );
      try {
        const result = await trace('shares');
        expect(leaksOf(result)).toEqual([]);
        expect(ids(result)).toContain('SVC-EXTERNAL-IP-SHARED');
        expect(
          result.status?.nodes
            ?.flatMap((node) => node.ports)
            .filter(({ address }) => address === lb)
            .map(({ verdict }) => verdict),
        ).toEqual(['DNAT', 'DNAT', 'DNAT']);
      } finally {
        await (await cluster()).kubectl(['-n', tenant, 'delete', 'service', 'shares']);
      }
    },
  );

  clusterTest('makes no node connect to anything by a Service without endpoints', async () => {
    await apply([service(tenant, 'empty', { externalIPs: [victimIP, '198.51.100.9'] })], 'developer');
    try {
      const result = await trace('empty', { collect: { connect: 'HTTP' } });
      expect(result.status?.nodes?.flatMap(({ connections = [] }) => connections)).toEqual([]);
      expect(ids(result)).toContain('PROBE-REFUSED');
    } finally {
      await (await cluster()).kubectl(['-n', tenant, 'delete', 'service', 'empty']);
    }
  });

  for (const [kind, rights, object] of [
    [
      'EndpointSlices written by hand',
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'] },
      (addresses: string[]) => ({
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: metadata(tenant, 'byhand-1', { 'kubernetes.io/service-name': 'byhand' }),
        addressType: 'IPv4',
        ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
        endpoints: addresses.map((address) => ({
          addresses: [address],
          conditions: { ready: true },
          targetRef: { kind: 'Pod', namespace: victim, name: 'vault-2' },
        })),
      }),
    ],
    [
      'legacy Endpoints, which are mirrored',
      { apiGroups: [''], resources: ['endpoints'] },
      (addresses: string[]) => ({
        apiVersion: 'v1',
        kind: 'Endpoints',
        metadata: metadata(tenant, 'byhand'),
        subsets: [
          { addresses: addresses.map((ip) => ({ ip })), ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] },
        ],
      }),
    ],
  ] as const) {
    clusterTest(
      `that may write ${kind} learns nothing of the victim's pods but what it wrote, and no node connects there`,
      async ({ kubectl }) => {
        await apply([
          {
            apiVersion: 'rbac.authorization.k8s.io/v1',
            kind: 'Role',
            metadata: metadata(tenant, 'byhand'),
            rules: [{ ...rights, verbs: ['*'] }],
          },
          binding(tenant, 'byhand', { kind: 'Role', name: 'byhand' }),
        ]);
        const written = [podIP, victimIP];
        await apply([service(tenant, 'byhand', {})], 'developer');
        await apply([object(written)], 'developer');
        try {
          await sleep(2000);
          const result = await trace('byhand', { collect: { connect: 'HTTP' } });
          // The name of the pod in a slice is what its writer wrote.
          expect(leaksOf(result, [...written, 'vault-2'])).toEqual([]);
          expect(result.status?.nodes?.flatMap(({ connections = [] }) => connections)).toEqual([]);
          expect(ids(result)).toContain('PROBE-REFUSED');
        } finally {
          await kubectl(['-n', tenant, 'delete', 'service,endpoints,endpointslices', '--all'], { reject: false });
          await kubectl(['-n', tenant, 'delete', 'rolebinding,role', 'byhand']);
        }
      },
    );
  }

  clusterTest("learns nothing by an alias of the victim's Service", async () => {
    await apply(
      [
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: metadata(tenant, 'alias'),
          spec: { type: 'ExternalName', externalName: `secret.${victim}.svc.cluster.local`, externalIPs: [victimIP] },
        },
      ],
      'developer',
    );
    try {
      const result = await trace('alias', { collect: { connect: 'HTTP' } });
      // DNS gives every pod the alias; the namespace stands in the name that the tenant wrote.
      expect(leaksOf(result, [victim])).toEqual([]);
      expect(result.status?.nodes?.flatMap(({ ports, connections = [] }) => [...ports, ...connections])).toEqual([]);
    } finally {
      await (await cluster()).kubectl(['-n', tenant, 'delete', 'service', 'alias']);
    }
  });

  clusterTest("learns nothing by spec.from: the victim's pod by its name, or by its address", async () => {
    await apply([service(tenant, 'web', { selector: { app: 'mine' } })], 'developer');
    try {
      const byName = await trace('web', { from: { pod: 'teller' } });
      expect(byName.status?.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
        status: 'False',
        reason: 'ClientNotFound',
      });
      expect(leaksOf(byName, ['teller'])).toEqual([]);
      const byAddress = await trace('web', { from: { ip: clientIP } });
      expect(leaksOf(byAddress, [clientIP])).toEqual([]);
      expect(byAddress.status?.walks?.length).toBeGreaterThan(0);
    } finally {
      await (await cluster()).kubectl(['-n', tenant, 'delete', 'service', 'web']);
    }
  });

  clusterTest('connects from nodes to its own Service all the same', async () => {
    await apply([service(tenant, 'web', { type: 'NodePort', selector: { app: 'mine' } })], 'developer');
    try {
      // Each node's kube-proxy writes the new Service's rules when it comes to it.
      await eventually(async () => {
        const result = await trace('web', { collect: { connect: 'HTTP' } });
        const outcomes = (result.status?.nodes ?? [])
          .flatMap(({ name, connections = [] }) =>
            connections.map(({ hop, outcome, status }) => `${name} ${hop} ${outcome} ${String(status)}`),
          )
          .sort();
        expect(outcomes).toEqual(
          ['node-a', 'node-b', 'node-c'].flatMap((node) =>
            ['ClusterIP', 'Endpoint', 'NodePort'].map((hop) => `${node} ${hop} answered 200`),
          ),
        );
      }, 30);
    } finally {
      await (await cluster()).kubectl(['-n', tenant, 'delete', 'service', 'web']);
    }
  });
});

describe('the operator that lets traces show less of conntrack', () => {
  clusterTest('gives a trace that asks for more the counts alone, and says so', async ({ kubectl }) => {
    const set = async (limit: string): Promise<void> => {
      await kubectl([
        '-n',
        'svctrace-system',
        'patch',
        'configmap',
        'svctrace-operator',
        '--patch',
        JSON.stringify({ data: { TRACE_CONNTRACK_LIMIT: limit } }),
      ]);
      await kubectl(['-n', 'svctrace-system', 'rollout', 'restart', 'deployment/svctrace-operator']);
      await kubectl(['-n', 'svctrace-system', 'rollout', 'status', 'deployment/svctrace-operator', '--timeout=90s'], {
        timeout: 100_000,
      });
    };
    await set('Summary');
    try {
      const result = await trace('secret', {}, victim, 'admin');
      expect(ids(result)).toContain('DATA-LIMITED');
      expect(JSON.stringify(result.status)).not.toContain(clientIP);
      expect(result.status?.nodes?.flatMap(({ conntrack }) => conntrack?.entries ?? [])).toEqual([]);
      expect(result.status?.nodes?.reduce((sum, { conntrack }) => sum + (conntrack?.matched ?? 0), 0)).toBeGreaterThan(
        0,
      );
    } finally {
      await set('Entries');
    }
  });
});
