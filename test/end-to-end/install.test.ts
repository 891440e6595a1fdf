/** Installing and removing the operator with the plugin, and what the plugin says where it is not installed. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect } from 'vitest';
import { deployOperator } from '../setup/deploy.ts';
import { cluster, clusterTest, svctrace, traceJson, unavailable } from '../support/cluster-under-test.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('where the operator is not installed', () => {
  afterAll(async () => {
    if (unavailable === undefined) await deployOperator(await cluster());
  });

  clusterTest('config/install.yaml is what config/default builds', async ({ kubectl }) => {
    const { stdout } = await kubectl(['kustomize', `${root}config/default`]);
    expect(readFileSync(`${root}config/install.yaml`, 'utf8').trim(), 'run `npm run generate:install`').toBe(
      stdout.trim(),
    );
  });

  clusterTest('status says that it runs', async () => {
    const result = await svctrace(['status']);
    expect(result.exitCode, result.stderr).toBe(0);
  });

  clusterTest('an operator that does not run is reported in one sentence', async ({ kubectl }) => {
    await kubectl(['-n', 'svctrace-system', 'scale', 'deployment/svctrace-operator', '--replicas=0']);
    await kubectl(
      [
        '-n',
        'svctrace-system',
        'wait',
        '--for=delete',
        'pod',
        '-l',
        'app.kubernetes.io/component=operator',
        '--timeout=60s',
      ],
      { reject: false },
    );
    const result = await svctrace(['auth-service', '--timeout', '20s']);
    expect(result.exitCode).toBe(3);
    expect(result.stderr).toContain('operator');
    expect(result.stderr).toContain('--standalone');
  });

  clusterTest('uninstall removes everything', async ({ kubectl }) => {
    const result = await svctrace(['uninstall', '--yes']);
    expect(result.exitCode, result.stderr).toBe(0);
    const left = await kubectl(['get', 'crd,ns,clusterrole,clusterrolebinding,priorityclass', '-o', 'name']);
    expect(left.stdout.split('\n').filter((line) => line.includes('svctrace'))).toEqual([]);
  });

  clusterTest(
    'a missing CRD is reported in one sentence with the command that installs it, and --standalone',
    async () => {
      const result = await svctrace(['auth-service']);
      expect(result.exitCode).toBe(3);
      expect(result.stderr).toContain('kubectl svctrace install');
      expect(result.stderr).toContain('--standalone');
      expect(result.stderr.trim().split('\n')).toHaveLength(1);
    },
  );

  clusterTest('--standalone works', async () => {
    const trace = await traceJson(['auth-service', '--standalone']);
    expect(trace.status?.summary?.nodes).toBe('3/3');
  });

  clusterTest('install installs it, and a second install changes nothing', async () => {
    const first = await svctrace(['install'], { timeout: 180_000 });
    expect(first.exitCode, first.stderr).toBe(0);
    const second = await svctrace(['install'], { timeout: 180_000 });
    expect(second.exitCode, second.stderr).toBe(0);
    const trace = await traceJson(['auth-service']);
    expect(trace.status?.summary?.nodes).toBe('3/3');
  });
});
