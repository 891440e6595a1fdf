/** A trace that only `kubectl apply -f` made, as Argo CD or Flux would. */
import { execa } from 'execa';
import { describe, expect } from 'vitest';
import { parseServiceTrace } from '../../core/api/parse-service-trace.ts';
import { buildKstatuscheck } from '../cluster/programs.ts';
import { eventually } from '../support/eventually.ts';
import { clusterTest } from '../support/cluster-under-test.ts';

const manifest = (spec: string): string => `
apiVersion: svctrace.io/v1alpha1
kind: ServiceTrace
metadata: { name: by-gitops, namespace: default }
spec: ${spec}
`;

describe('a ServiceTrace from a manifest', () => {
  clusterTest(
    'reaches Ready=True, shows its columns, and leaves no pod behind when it is deleted',
    async ({ kubectl }) => {
      await kubectl(['apply', '-f', '-'], { input: manifest('{ serviceRef: { name: auth-service } }') });
      await kubectl(['wait', '--for=condition=Ready', 'servicetrace/by-gitops', '--timeout=60s'], { timeout: 70_000 });
      const trace = parseServiceTrace(JSON.parse((await kubectl(['get', 'svct', 'by-gitops', '-o', 'json'])).stdout));
      expect(trace.status?.observedGeneration).toBe(trace.metadata.generation);
      expect(trace.spec).toMatchObject({
        mode: 'Once',
        collect: { rules: true, conntrack: 'Summary', kubeProxy: true, dns: true },
      });
      const { stdout } = await kubectl(['get', 'servicetraces']);
      const [head, row] = stdout.split('\n').map((line) => line.trim().split(/\s{2,}/));
      expect(head).toEqual(['NAME', 'SERVICE', 'MODE', 'NODES', 'ENDPOINTS', 'FINDINGS', 'CONVERGED', 'AGE']);
      expect(row?.slice(0, 6)).toEqual(['by-gitops', 'auth-service', 'Once', '3/3', '3/3', '0']);
      await kubectl(['delete', 'servicetrace', 'by-gitops', '--timeout=30s']);
      await eventually(async () => {
        const pods = await kubectl(['get', 'pods', '-A', '-l', 'app.kubernetes.io/component=probe', '-o', 'name']);
        expect(pods.stdout).toBe('');
      }, 90);
    },
  );

  clusterTest('in mode Watch follows the Service', async ({ kubectl }) => {
    await kubectl(['apply', '-f', '-'], {
      input: manifest('{ serviceRef: { name: auth-service }, mode: Watch, interval: 2s }'),
    });
    try {
      await kubectl(['wait', '--for=condition=Ready', 'servicetrace/by-gitops', '--timeout=60s'], { timeout: 70_000 });
      await kubectl(['scale', 'deployment/auth-service', '--replicas=2']);
      await kubectl(
        ['wait', '--for=jsonpath={.status.summary.endpoints}=2/2', 'servicetrace/by-gitops', '--timeout=60s'],
        { timeout: 70_000 },
      );
      await kubectl(['wait', '--for=condition=Converged', 'servicetrace/by-gitops', '--timeout=60s'], {
        timeout: 70_000,
      });
    } finally {
      await kubectl(['scale', 'deployment/auth-service', '--replicas=3']);
      await kubectl(['rollout', 'status', 'deployment/auth-service', '--timeout=60s'], { timeout: 70_000 });
      await kubectl(['delete', 'servicetrace', 'by-gitops', '--timeout=30s']);
    }
  });

  clusterTest('of a Service that is not there says so, and is right as soon as it is there', async ({ kubectl }) => {
    await kubectl(['apply', '-f', '-'], { input: manifest('{ serviceRef: { name: auth-servise } }') });
    try {
      await kubectl([
        'wait',
        '--for=jsonpath={.status.conditions[?(@.type=="Ready")].reason}=ServiceNotFound',
        'servicetrace/by-gitops',
        '--timeout=30s',
      ]);
      const trace = parseServiceTrace(JSON.parse((await kubectl(['get', 'svct', 'by-gitops', '-o', 'json'])).stdout));
      expect(trace.status?.conditions?.find(({ type }) => type === 'Ready')?.message).toContain('auth-service');
      await kubectl(['create', 'service', 'clusterip', 'auth-servise', '--tcp=80:8080']);
      await kubectl(['wait', '--for=condition=Ready', 'servicetrace/by-gitops', '--timeout=60s'], { timeout: 70_000 });
    } finally {
      await kubectl(['delete', 'service', 'auth-servise', '--ignore-not-found']);
      await kubectl(['delete', 'servicetrace', 'by-gitops', '--timeout=30s']);
    }
  });
});

describe('a ServiceTrace and the tools that wait for it', () => {
  clusterTest(
    'is in progress until its generation is collected, and current then, by kstatus itself',
    async ({ kubectl }) => {
      const kstatuscheck = await buildKstatuscheck();
      /** By kstatus, as the trace is in the API server now. */
      const now = async (): Promise<string[]> => {
        const { stdout } = await kubectl(['get', 'servicetrace', 'by-gitops', '-o', 'json']);
        const checked = await execa(kstatuscheck, { input: `[${stdout}]` });
        return checked.stdout.split('\t');
      };
      const apply = (spec: string): Promise<unknown> => kubectl(['apply', '-f', '-'], { input: manifest(spec) });
      try {
        // Nobody collects it: nothing may take it for reconciled.
        await apply('{ serviceRef: { name: auth-service }, suspend: true }');
        expect(await now()).toEqual([
          'ServiceTrace/by-gitops',
          'InProgress',
          'no operator has collected this trace yet',
        ]);
        await apply('{ serviceRef: { name: auth-service }, suspend: false }');
        await kubectl(['wait', '--for=condition=Ready', 'servicetrace/by-gitops', '--timeout=60s'], {
          timeout: 70_000,
        });
        expect((await now())[1]).toBe('Current');
        // Another generation, which is not collected.
        await apply('{ serviceRef: { name: auth-service }, suspend: true, collect: { dns: false } }');
        expect((await now())[1]).toBe('InProgress');
        await apply('{ serviceRef: { name: auth-service }, suspend: false, collect: { dns: false } }');
        await eventually(async () => {
          expect((await now())[1]).toBe('Current');
        }, 60);
        // It waits for nodes that are not there.
        await apply('{ serviceRef: { name: auth-service }, nodes: { names: [node-x] } }');
        await kubectl(['wait', '--for=condition=Ready=False', 'servicetrace/by-gitops', '--timeout=60s'], {
          timeout: 70_000,
        });
        expect(await now()).toMatchObject({ 1: 'InProgress', 2: expect.stringContaining('node-x') });
      } finally {
        await kubectl(['delete', 'servicetrace', 'by-gitops', '--timeout=30s']);
      }
    },
    600_000,
  );

  clusterTest('is checked and completed by a dry run of the server, which leaves nothing', async ({ kubectl }) => {
    const { stdout } = await kubectl(['apply', '--dry-run=server', '-o', 'json', '-f', '-'], {
      input: manifest('{ serviceRef: { name: auth-service } }'),
    });
    expect(parseServiceTrace(JSON.parse(stdout)).spec).toMatchObject({
      mode: 'Once',
      collect: { conntrack: 'Summary' },
    });
    const wrong = await kubectl(['apply', '--dry-run=server', '-f', '-'], {
      input: manifest('{ serviceRef: { name: auth-service }, interval: 5s }'),
      reject: false,
    });
    expect(wrong.stderr).toContain('spec.interval needs spec.mode: Watch');
    const left = await kubectl(['get', 'servicetrace', 'by-gitops'], { reject: false });
    expect(left.stderr).toContain('NotFound');
  });

  clusterTest('is what is in Git, whatever the operator writes', async ({ kubectl }) => {
    const input = manifest('{ serviceRef: { name: auth-service }, mode: Watch, interval: 2s }');
    await kubectl(['apply', '--server-side', '-f', '-'], { input });
    try {
      await kubectl(['wait', '--for=condition=Ready', 'servicetrace/by-gitops', '--timeout=60s'], { timeout: 70_000 });
      // Ends with 1 where there is a difference.
      expect((await kubectl(['diff', '--server-side', '-f', '-'], { input })).stdout).toBe('');
    } finally {
      await kubectl(['delete', 'servicetrace', 'by-gitops', '--timeout=30s']);
    }
  });

  clusterTest('is explained by kubectl, down to a field of a field', async ({ kubectl }) => {
    const { stdout } = await kubectl(['explain', 'servicetrace.status.nodes.probe.state']);
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain('Skipped: no probe can run there');
  });
});

/** A wrong spec, and words of the sentence that the API server answers with. */
const refused: [string, string][] = [
  ['{ serviceRef: { name: default/auth-service } }', 'must be the plain name of a Service, such as auth-service'],
  ['{ serviceRef: { name: auth-service }, interval: 5s }', 'spec.interval needs spec.mode: Watch'],
  [
    '{ serviceRef: { name: auth-service }, mode: Watch, interval: fast }',
    'spec.interval must be a duration between 1s and 24h, such as 5s or 1m30s',
  ],
  [
    '{ serviceRef: { name: auth-service }, mode: Watch, interval: 10ms }',
    'spec.interval must be a duration between 1s and 24h, such as 5s or 1m30s',
  ],
  [
    '{ serviceRef: { name: auth-service }, mode: Watch, ttlSecondsAfterFinished: 5 }',
    'a trace of mode Watch never finishes',
  ],
  [
    '{ serviceRef: { name: auth-service }, nodes: { names: [node-a], selector: { matchLabels: { a: b } } } }',
    'takes names or selector, not both',
  ],
  [
    '{ serviceRef: { name: auth-service }, from: { pod: client-a, node: node-a } }',
    'takes exactly one of pod, node and ip',
  ],
  ['{ serviceRef: { name: auth-service }, from: { ip: 10.0.0.300 } }', 'must be an IPv4 or IPv6 address'],
  ['{ serviceRef: { name: auth-service }, mode: Always }', 'supported values: "Once", "Watch"'],
];

describe('the API server refuses', () => {
  for (const [spec, sentence] of refused) {
    clusterTest(spec, async ({ kubectl }) => {
      const result = await kubectl(['apply', '-f', '-'], { input: manifest(spec), reject: false });
      expect(result.exitCode).not.toBe(0);
      expect(result.stderr).toContain(sentence);
    });
  }

  clusterTest('another Service for an existing trace', async ({ kubectl }) => {
    await kubectl(['apply', '-f', '-'], { input: manifest('{ serviceRef: { name: auth-service }, suspend: true }') });
    try {
      const result = await kubectl(['apply', '-f', '-'], {
        input: manifest('{ serviceRef: { name: other }, suspend: true }'),
        reject: false,
      });
      expect(result.stderr).toContain('create another ServiceTrace for the other Service');
    } finally {
      await kubectl(['delete', 'servicetrace', 'by-gitops']);
    }
  });
});
