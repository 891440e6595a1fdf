/** A trace that only `kubectl apply -f` made, as Argo CD or Flux would. */
import { describe, expect } from 'vitest';
import { parseServiceTrace } from '../../core/api/parse-service-trace.ts';
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
