/** What the operator's token may make in the operator's own namespace: the probe's pod, and nothing else, by the real API server. */
import type { V1Container, V1Pod, V1PodSpec } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import * as z from 'zod';
import { probePod } from '../../engine/probe-pod.ts';
import type { CommandResult } from '../cluster/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { probeImage } from '../setup/images.ts';
import { cluster, clusterTest, unavailable } from '../support/cluster-under-test.ts';

const who = '--as=system:serviceaccount:svctrace-system:svctrace-operator';
const options = { namespace: 'svctrace-system', image: probeImage, instance: 'admission-test' };
const probe = (privileged = false): V1Pod => probePod('node-a', { ...options, privileged });

/** The probe with something changed. */
function changed(change: {
  readonly spec?: Partial<V1PodSpec>;
  readonly container?: Partial<V1Container>;
  readonly annotations?: Record<string, string>;
}): V1Pod {
  const { metadata, spec, ...pod } = probe();
  const [container] = spec?.containers ?? [];
  if (spec === undefined || container === undefined) throw new Error('a probe has a container');
  return {
    ...pod,
    metadata: { ...metadata, ...(change.annotations === undefined ? {} : { annotations: change.annotations }) },
    spec: { ...spec, containers: [{ ...container, ...change.container }], ...change.spec },
  };
}

async function create(pod: V1Pod, args: readonly string[] = ['--dry-run=server']): Promise<CommandResult> {
  return (await cluster()).kubectl(['create', '-f', '-', '-o', 'name', who, ...args], {
    input: JSON.stringify(pod),
    reject: false,
  });
}

const security = probe().spec?.containers[0]?.securityContext ?? {};
const other: V1Container = { name: 'other', image: probeImage };

const refused: Readonly<Record<string, V1Pod>> = {
  'a privileged pod': probe(true),
  'a volume of the node': changed({ spec: { volumes: [{ name: 'run', hostPath: { path: '/' } }] } }),
  'a Secret as volume': changed({ spec: { volumes: [{ name: 'run', secret: { secretName: 'token' } }] } }),
  'a token as projected volume': changed({
    spec: { volumes: [{ name: 'run', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }] },
  }),
  'another image': changed({ container: { image: 'docker.io/library/busybox:latest' } }),
  'another command': changed({ container: { command: ['/bin/sh', '-c', 'id'] } }),
  arguments: changed({ container: { args: ['-e', '1'] } }),
  'a command at its start': changed({ container: { lifecycle: { postStart: { exec: { command: ['/bin/sh'] } } } } }),
  'a command as liveness probe': changed({ container: { livenessProbe: { exec: { command: ['/bin/sh'] } } } }),
  'environment of a Secret': changed({
    container: { env: [{ name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'token', key: 'token' } } }] },
  }),
  'environment that changes what node runs': changed({
    container: { env: [{ name: 'NODE_OPTIONS', value: '--require=/run/x.js' }] },
  }),
  'environment of a whole ConfigMap': changed({
    container: { envFrom: [{ configMapRef: { name: 'svctrace-operator' } }] },
  }),
  'a port of the node': changed({ container: { ports: [{ containerPort: 8080 }] } }),
  'a second container': {
    ...probe(),
    spec: { ...probe().spec, containers: [...(probe().spec?.containers ?? []), other] },
  },
  'a container before it': changed({ spec: { initContainers: [other] } }),
  'a token': changed({ spec: { automountServiceAccountToken: true } }),
  'no word of a token': changed({ spec: { automountServiceAccountToken: undefined } as unknown as Partial<V1PodSpec> }),
  'the processes of the node': changed({ spec: { hostPID: true } }),
  'the shared memory of the node': changed({ spec: { hostIPC: true } }),
  'a pod on no node of its own choice': changed({ spec: { nodeName: '' } }),
  'a pod in a network of its own': changed({ spec: { hostNetwork: false } }),
  'another capability': changed({
    container: { securityContext: { ...security, capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'SYS_ADMIN'] } } },
  }),
  'capabilities that are not dropped': changed({
    container: { securityContext: { ...security, capabilities: { add: ['NET_ADMIN'] } } },
  }),
  'a gain of privileges': changed({
    container: { securityContext: { ...security, allowPrivilegeEscalation: true, capabilities: { drop: ['ALL'] } } },
  }),
  'system calls of all kinds': changed({
    container: { securityContext: { ...security, seccompProfile: { type: 'Unconfined' } } },
  }),
  'no profile of AppArmor': changed({
    container: { securityContext: { ...security, appArmorProfile: { type: 'Unconfined' } } },
  }),
  'no profile of AppArmor, by annotation': changed({
    annotations: { 'container.apparmor.security.beta.kubernetes.io/probe': 'unconfined' },
  }),
  'a root file system that can be written': changed({
    container: { securityContext: { ...security, readOnlyRootFilesystem: false } },
  }),
  sysctls: changed({ spec: { securityContext: { sysctls: [{ name: 'kernel.shm_rmid_forced', value: '0' }] } } }),
  'no security context': changed({ container: { securityContext: {} } }),
};

const policy = /ValidatingAdmissionPolicy 'svctrace-probe-(?:pods|exec)'.* denied request/;
const rights = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'Role',
  metadata: { name: 'more-than-it-has', namespace: 'svctrace-system' },
  rules: [{ apiGroups: [''], resources: ['pods', 'pods/ephemeralcontainers'], verbs: ['get', 'update', 'patch'] }],
};
const grant = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'RoleBinding',
  metadata: rights.metadata,
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: rights.metadata.name },
  subjects: [{ kind: 'ServiceAccount', name: 'svctrace-operator', namespace: 'svctrace-system' }],
};

async function setPrivileged(value: 'true' | 'false'): Promise<void> {
  await (
    await cluster()
  ).kubectl([
    '-n',
    'svctrace-system',
    'patch',
    'configmap',
    'svctrace-operator',
    '--patch',
    JSON.stringify({ data: { PROBE_PRIVILEGED: value } }),
  ]);
}

describe("the operator's token in the operator's namespace", () => {
  beforeAll(async () => {
    if (unavailable !== undefined) return;
    // The API server takes a policy up some seconds after it is there.
    await eventually(async () => {
      expect((await create(probe(true))).stderr).toMatch(policy);
    }, 30);
  });

  clusterTest('makes the probe', async () => {
    const { stdout, stderr } = await create(probe());
    expect(stdout, stderr).toMatch(/^pod\/svctrace-probe-/);
  });

  for (const [name, pod] of Object.entries(refused)) {
    clusterTest(`does not make ${name}`, async () => {
      const { stdout, stderr } = await create(pod);
      expect(stdout).toBe('');
      expect(stderr).toMatch(policy);
    });
  }

  clusterTest('meets the level restricted, with the pod of the operator itself', async ({ kubectl }) => {
    const deployment = ['-n', 'svctrace-system', 'get', 'deployment', 'svctrace-operator', '-o', 'json'];
    const { spec } = z
      .object({ spec: z.object({ template: z.object({ spec: z.looseObject({}) }) }) })
      .parse(JSON.parse((await kubectl(deployment)).stdout)).spec.template;
    const name = 'restricted-pods';
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await kubectl(['apply', '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }),
    });
    try {
      const inside = async (pod: object): Promise<CommandResult> =>
        kubectl(['-n', name, 'create', '--dry-run=server', '-f', '-'], {
          input: JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'operator' }, spec: pod }),
          reject: false,
        });
      const admitted = await inside({ ...spec, serviceAccountName: 'default', serviceAccount: 'default' });
      expect(admitted.stderr).toBe('');
      expect(admitted.stdout).toContain('pod/operator created');
      // And it is this level that looks: a probe does not meet it.
      expect((await inside(probe().spec ?? {})).stderr).toContain('violates PodSecurity "restricted');
    } finally {
      await kubectl(['delete', 'namespace', name, '--wait=false']);
    }
  });

  clusterTest('makes a privileged probe where the setting says so, and no other privileged pod', async () => {
    await setPrivileged('true');
    try {
      await eventually(async () => {
        expect((await create(probe(true))).stdout).toMatch(/^pod\/svctrace-probe-/);
      }, 20);
      for (const spec of [{ hostPID: true }, { volumes: [{ name: 'run', hostPath: { path: '/' } }] }]) {
        const pod = probe(true);
        expect(
          (await create({ ...pod, spec: { ...pod.spec, containers: pod.spec?.containers ?? [], ...spec } })).stderr,
        ).toMatch(policy);
      }
    } finally {
      await setPrivileged('false');
      await eventually(async () => {
        expect((await create(probe(true))).stderr).toMatch(policy);
      }, 20);
    }
  });

  describe('over a probe that runs', () => {
    let name = '';
    beforeAll(async () => {
      if (unavailable !== undefined) return;
      const made = await create(probe(), []);
      name = made.stdout.trim().replace('pod/', '');
      await (
        await cluster()
      ).kubectl(['-n', 'svctrace-system', 'wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s'], {
        timeout: 70_000,
      });
    });
    afterAll(async () => {
      if (unavailable !== undefined) return;
      const { kubectl } = await cluster();
      await kubectl(['-n', 'svctrace-system', 'delete', 'pod', name, '--wait=false'], { reject: false });
      await kubectl(['-n', 'svctrace-system', 'delete', 'rolebinding,role', rights.metadata.name], { reject: false });
    });

    for (const [what, command] of [
      ['a shell', ['/bin/sh', '-c', 'id']],
      ['a program of its own in node', ['/usr/local/bin/node', '-e', '1']],
      ['a capture', ['/usr/local/bin/node', '/probe.mjs', 'capture']],
    ] as const) {
      clusterTest(`runs no ${what}`, async ({ kubectl }) => {
        const { stderr, exitCode } = await kubectl(
          ['-n', 'svctrace-system', 'exec', name, '-c', 'probe', who, '--', ...command],
          { reject: false },
        );
        expect(exitCode).not.toBe(0);
        expect(stderr).toMatch(policy);
      });
    }

    clusterTest('runs the program of the probe', async ({ kubectl }) => {
      const { stderr } = await kubectl(
        ['-n', 'svctrace-system', 'exec', '-i', name, '-c', 'probe', who, '--', '/usr/local/bin/node', '/probe.mjs'],
        { input: 'no request\n', reject: false },
      );
      expect(stderr).toContain('the request is not JSON');
    });

    clusterTest('opens a session with the probe', async ({ kubectl }) => {
      const command = ['--', '/usr/local/bin/node', '/probe.mjs', 'serve'];
      const { stdout } = await kubectl(['-n', 'svctrace-system', 'exec', '-i', name, '-c', 'probe', who, ...command], {
        input: '{"type":"beat"}\n',
        reject: false,
      });
      expect(stdout).toContain('{"type":"hello","protocol":1,');
    });

    clusterTest('runs nothing in another pod of the namespace', async ({ kubectl }) => {
      const { stdout } = await kubectl([
        '-n',
        'svctrace-system',
        'get',
        'pods',
        '-l',
        'app.kubernetes.io/component=operator',
        '-o',
        'jsonpath={.items[0].metadata.name}',
      ]);
      const { stderr } = await kubectl(
        ['-n', 'svctrace-system', 'exec', stdout.trim(), who, '--', '/usr/local/bin/node', '/probe.mjs'],
        { reject: false },
      );
      expect(stderr).toMatch(policy);
    });

    clusterTest(
      'adds no ephemeral container and changes no image, even with the right to change pods',
      async ({ kubectl }) => {
        await kubectl(['apply', '--validate=false', '-f', '-'], {
          input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [rights, grant] }),
        });
        const patch = (args: readonly string[], body: object): Promise<CommandResult> =>
          kubectl(
            [
              '-n',
              'svctrace-system',
              'patch',
              'pod',
              name,
              who,
              '--type=strategic',
              '--patch',
              JSON.stringify(body),
              ...args,
            ],
            { reject: false },
          );
        await eventually(async () => {
          expect(
            (
              await patch(['--subresource=ephemeralcontainers'], {
                spec: {
                  ephemeralContainers: [{ name: 'debug', image: probeImage, securityContext: { privileged: true } }],
                },
              })
            ).stderr,
          ).toMatch(policy);
        }, 20);
        expect(
          (await patch([], { spec: { containers: [{ name: 'probe', image: 'docker.io/library/busybox:latest' }] } }))
            .stderr,
        ).toMatch(policy);
      },
    );
  });
});
