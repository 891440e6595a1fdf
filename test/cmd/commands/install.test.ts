import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ClusterError, UsageError } from '../../../cmd/cli/errors.ts';
import { parseManifests, runInstall, runUninstall } from '../../../cmd/commands/install.ts';
import { readInstallRequest, readStatusRequest, readUninstallRequest } from '../../../cmd/cli/options.ts';
import { runStatus } from '../../../cmd/commands/status.ts';
import { fakeCluster, testIo } from '../../support/fake-cluster.ts';

const manifests = `
apiVersion: v1
kind: Namespace
metadata: { name: svctrace-system }
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: servicetraces.svctrace.io }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: svctrace-operator, namespace: svctrace-system }
`;

describe('install', () => {
  it('applies all in order, and waits for the operator', async () => {
    let asked = 0;
    const cluster = fakeCluster({
      readOperator: async () => ({ image: 'o:1', availableReplicas: asked++ === 0 ? 0 : 1, message: 'starting' }),
    });
    const io = testIo();
    expect(await runInstall(readInstallRequest({}), io, manifests, cluster.client)).toBe(0);
    expect(cluster.log).toEqual([
      'apply Namespace/svctrace-system',
      'apply CustomResourceDefinition/servicetraces.svctrace.io',
      'apply Deployment/svctrace-operator',
    ]);
    expect(io.out()).toBe('');
    expect(io.err()).toContain('applied deployment/svctrace-operator in namespace svctrace-system\n');
    expect(asked).toBe(2);
  });

  it('gives up with the reason', async () => {
    const cluster = fakeCluster({
      readOperator: async () => ({ image: 'o:1', availableReplicas: 0, message: 'ImagePullBackOff' }),
    });
    await expect(
      runInstall(readInstallRequest({ timeout: '1ms' }), testIo(), manifests, cluster.client),
    ).rejects.toThrow(
      new ClusterError(
        'Gave up waiting: deployment/svctrace-operator in namespace svctrace-system is not available: ImagePullBackOff (kubectl describe pods -n svctrace-system).',
      ),
    );
  });

  it('--dry-run prints the manifests, and asks no cluster', async () => {
    const cluster = fakeCluster();
    const io = testIo();
    expect(await runInstall(readInstallRequest({ 'dry-run': true }), io, manifests, cluster.client)).toBe(0);
    expect(io.out()).toBe(manifests);
    expect(cluster.log).toEqual([]);
  });

  it('reads every object of config/install.yaml', () => {
    const text = readFileSync(fileURLToPath(new URL('../../../config/install.yaml', import.meta.url)), 'utf8');
    const kinds = parseManifests(text).map(({ kind }) => kind);
    expect(kinds).toContain('CustomResourceDefinition');
    expect(kinds).toContain('Deployment');
  });
});

describe('uninstall', () => {
  it('removes the CRD while the operator runs, then the rest in reverse', async () => {
    const cluster = fakeCluster();
    expect(await runUninstall(readUninstallRequest({ yes: true }), testIo(), manifests, cluster.client)).toBe(0);
    expect(cluster.log).toEqual([
      'remove CustomResourceDefinition/servicetraces.svctrace.io',
      'remove Deployment/svctrace-operator',
      'remove Namespace/svctrace-system',
    ]);
  });

  it('needs a yes', async () => {
    const cluster = fakeCluster();
    await expect(runUninstall(readUninstallRequest({}), testIo(), manifests, cluster.client)).rejects.toThrow(
      new UsageError(
        'uninstall removes the operator, the CRD and all ServiceTraces; without a terminal to ask on, say --yes.',
      ),
    );
    expect(cluster.log).toEqual([]);
  });

  it('says what is still there', async () => {
    const cluster = fakeCluster({ has: async () => true });
    await expect(
      runUninstall(readUninstallRequest({ yes: true, timeout: '1ms' }), testIo(), manifests, cluster.client),
    ).rejects.toThrow(
      new ClusterError('Gave up waiting: customresourcedefinition/servicetraces.svctrace.io is still being removed.'),
    );
  });
});

describe('status', () => {
  it('says that all is well', async () => {
    const io = testIo({ COLUMNS: '100' });
    expect(await runStatus(readStatusRequest({}), io, fakeCluster().client)).toBe(0);
    await expect(io.out()).toMatchFileSnapshot('screens/status.txt');
  });

  it('says what is missing', async () => {
    const io = testIo({ COLUMNS: '160' });
    const cluster = fakeCluster({
      readCrd: async () => 'absent',
      readOperator: async () => undefined,
      mayI: async ({ verb }) => verb !== 'create',
    });
    expect(await runStatus(readStatusRequest({}), io, cluster.client)).toBe(3);
    await expect(io.out()).toMatchFileSnapshot('screens/status-missing.txt');
  });

  it('asks for the ConfigMaps that a role names, not for all of the namespace', async () => {
    const may = new Set(['kube-proxy', 'kube-proxy-config']);
    const cluster = fakeCluster({
      mayI: async ({ resource, name }) => resource !== 'configmaps' || (name !== undefined && may.has(name)),
    });
    const missing = async (): Promise<unknown> => {
      const io = testIo();
      await runStatus(readStatusRequest({ output: 'json' }), io, cluster.client);
      return (JSON.parse(io.out()) as Record<string, unknown>)['missingForFindings'];
    };
    expect(await missing()).toEqual([]);
    // A cluster has one of them.
    may.delete('kube-proxy-config');
    expect(await missing()).toEqual([]);
    may.delete('kube-proxy');
    expect(await missing()).toEqual(['get configmaps/kube-proxy or configmaps/kube-proxy-config -n kube-system']);
  });

  it('as JSON', async () => {
    const io = testIo();
    await runStatus(readStatusRequest({ output: 'json' }), io, fakeCluster().client);
    expect(JSON.parse(io.out())).toMatchObject({
      server: 'https://api.test',
      crd: 'established',
      operator: 'available',
      operatorImage: 'operator:1',
      missingForTraces: [],
    });
  });
});
