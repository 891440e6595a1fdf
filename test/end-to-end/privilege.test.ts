/** The least that a probe and the operator need, shown with the real kernel and the real authorizer. */
import { describe, expect } from 'vitest';
import * as z from 'zod';
import { probeImage } from '../setup/images.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { clusterTest } from '../support/cluster-under-test.ts';

const request = (node: string): string =>
  `${JSON.stringify({
    version: 1,
    node,
    services: [
      {
        namespace: 'default',
        name: 'auth-service',
        clusterIPs: ['10.96.0.10'],
        externalIPs: [],
        loadBalancerIPs: [],
        ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
      },
    ],
    collect: { rules: true, conntrack: 'Summary', kubeProxy: true },
    maxConntrackEntries: 10,
  })}\n`;

/** Runs a probe pod of our own with these capabilities, and gives what it could not read. */
async function unreadWith(cluster: Cluster, node: string, capabilities: readonly string[]): Promise<string[]> {
  const name = `privilege-${node}-${capabilities.join('-').toLowerCase().replaceAll('_', '') || 'none'}`;
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'svctrace-system' },
    spec: {
      nodeName: node,
      hostNetwork: true,
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      volumes: [{ name: 'run', emptyDir: { medium: 'Memory' } }],
      containers: [
        {
          name: 'probe',
          image: probeImage,
          imagePullPolicy: 'Never',
          args: ['wait'],
          volumeMounts: [{ name: 'run', mountPath: '/run' }],
          securityContext: {
            runAsUser: 0,
            readOnlyRootFilesystem: true,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'], add: capabilities },
            seccompProfile: { type: 'RuntimeDefault' },
          },
        },
      ],
    },
  };
  await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(pod) });
  try {
    await cluster.kubectl(['-n', 'svctrace-system', 'wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s'], {
      timeout: 70_000,
    });
    const { stdout } = await cluster.kubectl(
      ['-n', 'svctrace-system', 'exec', '-i', name, '--', '/usr/local/bin/node', '/probe.mjs'],
      { input: request(node) },
    );
    const record = z.object({ kind: z.string(), what: z.string().optional() });
    return stdout
      .trim()
      .split('\n')
      .map((line) => record.parse(JSON.parse(line)))
      .filter(({ kind }) => kind === 'unread')
      .map(({ what }) => what ?? '');
  } finally {
    await cluster.kubectl(['-n', 'svctrace-system', 'delete', 'pod', name, '--wait=false']);
  }
}

describe('the capabilities of a probe', () => {
  for (const node of ['node-a', 'node-b', 'node-c']) {
    clusterTest(`NET_ADMIN and NET_RAW suffice on ${node}`, async (cluster) => {
      expect(await unreadWith(cluster, node, ['NET_ADMIN', 'NET_RAW'])).toEqual([]);
    });

    clusterTest(`without NET_ADMIN the rules of ${node} are unknown, and shown as that`, async (cluster) => {
      expect((await unreadWith(cluster, node, ['NET_RAW'])).length).toBeGreaterThan(0);
    });
  }

  clusterTest('without NET_RAW the legacy tables of node-c are unknown, and shown as that', async (cluster) => {
    expect((await unreadWith(cluster, 'node-c', ['NET_ADMIN'])).length).toBeGreaterThan(0);
  });

  clusterTest('are those that the operator gives, and nothing of the trace is in its pods', async ({ kubectl }) => {
    const trace = {
      apiVersion: 'svctrace.io/v1alpha1',
      kind: 'ServiceTrace',
      metadata: { name: 'look-at-probes', namespace: 'default', labels: { 'tenant-label': 'tenant-word' } },
      spec: { serviceRef: { name: 'auth-service' }, mode: 'Watch', interval: '5s', from: { pod: 'client-a' } },
    };
    await kubectl(['apply', '-f', '-'], { input: JSON.stringify(trace) });
    try {
      await kubectl(['wait', '--for=condition=Ready', 'servicetrace/look-at-probes', '--timeout=60s'], {
        timeout: 70_000,
      });
      const { stdout } = await kubectl(['get', 'pods', '-A', '-l', 'app.kubernetes.io/component=probe', '-o', 'json']);
      const { items } = z
        .object({
          items: z.array(
            z.object({
              metadata: z.object({ namespace: z.string() }),
              spec: z.looseObject({
                nodeName: z.string(),
                containers: z.array(z.looseObject({ securityContext: z.unknown(), ports: z.unknown().optional() })),
              }),
            }),
          ),
        })
        .parse(JSON.parse(stdout));
      expect(items.map(({ spec }) => spec.nodeName).sort()).toEqual(['node-a', 'node-b', 'node-c']);
      for (const { metadata, spec } of items) {
        expect(metadata.namespace).toBe('svctrace-system');
        expect(spec).toMatchObject({ hostNetwork: true, automountServiceAccountToken: false });
        expect(spec['hostPID']).toBeUndefined();
        expect(JSON.stringify(spec['volumes'])).not.toMatch(/hostPath|serviceAccountToken|secret/i);
        for (const container of spec.containers) {
          expect(container.ports).toBeUndefined();
          expect(container.securityContext).toMatchObject({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] },
            seccompProfile: { type: 'RuntimeDefault' },
          });
        }
      }
      for (const word of ['auth-service', 'tenant-word', 'client-a', 'look-at-probes'])
        expect(stdout).not.toContain(word);
    } finally {
      await kubectl(['delete', 'servicetrace', 'look-at-probes']);
    }
  });
});

describe('the operator may not', () => {
  const who = '--as=system:serviceaccount:svctrace-system:svctrace-operator';
  const refused = [
    ['get', 'secrets', '-A'],
    ['create', 'pods', '-n', 'default'],
    ['create', 'pods', '--subresource=exec', '-n', 'default'],
    ['update', 'services', '-n', 'default'],
    ['patch', 'endpointslices.discovery.k8s.io', '-n', 'default'],
    ['delete', 'nodes'],
    ['create', 'servicetraces.svctrace.io', '-n', 'default'],
    ['get', 'configmaps', '-n', 'default'],
    ['get', 'configmaps/coredns', '-n', 'kube-system'],
    ['list', 'configmaps', '-n', 'kube-system'],
    ['update', 'endpoints', '-n', 'default'],
    ['delete', 'pods', '-n', 'default'],
    ['patch', 'networkpolicies.networking.k8s.io', '-n', 'default'],
    ['get', 'namespaces'],
    ['create', 'leases.coordination.k8s.io', '-n', 'svctrace-system'],
    ['update', 'leases.coordination.k8s.io/another', '-n', 'svctrace-system'],
    ['update', 'leases.coordination.k8s.io', '-n', 'kube-system'],
    ['create', 'events', '-n', 'default'],
    ['list', 'events.events.k8s.io', '-n', 'default'],
    ['delete', 'events.events.k8s.io', '-n', 'default'],
    ['create', 'tokenreviews.authentication.k8s.io'],
    ['create', 'subjectaccessreviews.authorization.k8s.io'],
    ['create', 'clusterrolebindings.rbac.authorization.k8s.io'],
  ];
  for (const question of refused) {
    clusterTest(question.join(' '), async ({ kubectl }) => {
      const { stdout } = await kubectl(['auth', 'can-i', ...question, who], { reject: false });
      expect(stdout.trim()).toBe('no');
    });
  }

  clusterTest('and may what it needs', async ({ kubectl }) => {
    const allowed = [
      ['list', 'services', '-A'],
      ['create', 'pods', '-n', 'svctrace-system'],
      ['patch', 'servicetraces.svctrace.io', '--subresource=status', '-n', 'default'],
      ['create', 'pods', '--subresource=exec', '-n', 'svctrace-system'],
      ['get', 'pods', '-n', 'default'],
      ['list', 'pods', '-n', 'default'],
      ['list', 'pods', '-n', 'kube-system'],
      ['watch', 'pods', '-n', 'default'],
      ['get', 'endpoints', '-n', 'default'],
      ['list', 'networkpolicies.networking.k8s.io', '-n', 'default'],
      ['get', 'configmaps/kube-proxy', '-n', 'kube-system'],
      ['get', 'configmaps/kube-proxy-config', '-n', 'kube-system'],
      ['list', 'endpointslices.discovery.k8s.io', '-n', 'kube-system'],
      ['list', 'nodes'],
      ['watch', 'nodes'],
      ['create', 'events.events.k8s.io', '-n', 'default'],
      ['patch', 'events.events.k8s.io', '-n', 'default'],
      ['get', 'leases.coordination.k8s.io/svctrace-operator', '-n', 'svctrace-system'],
      ['update', 'leases.coordination.k8s.io/svctrace-operator', '-n', 'svctrace-system'],
    ];
    for (const question of allowed) {
      await eventually(async () => {
        const { stdout } = await kubectl(['auth', 'can-i', ...question, who], { reject: false });
        expect(stdout.trim(), question.join(' ')).toBe('yes');
      }, 10);
    }
  });
});
