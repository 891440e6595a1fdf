/** What the plugin says when it cannot do what it was asked, and the exit status that scripts read. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { clusterTest, svctrace } from '../support/cluster-under-test.ts';

describe('kubectl svctrace', () => {
  clusterTest('is a plugin that kubectl finds', async ({ kubectl }) => {
    const dist = new URL('../../dist', import.meta.url).pathname;
    const { stdout } = await kubectl(['plugin', 'list'], { reject: false, pluginDirectories: [dist] });
    expect(stdout).toContain(`${dist}/kubectl-svctrace`);
  });

  clusterTest('nosuch says that the Service is not there, and ends with 4', async () => {
    const result = await svctrace(['nosuch']);
    expect(result.exitCode).toBe(4);
    expect(result.stdout).toBe('');
    expect(result.stderr).toContain('nosuch');
    expect(result.stderr).toContain('default');
  });

  clusterTest('auth-servic says which names are near', async () => {
    const result = await svctrace(['auth-servic']);
    expect(result.exitCode).toBe(4);
    expect(result.stderr).toContain('auth-service');
  });

  clusterTest('in the wrong namespace says where a Service of that name is', async () => {
    const result = await svctrace(['auth-service', '-n', 'kube-system']);
    expect(result.exitCode).toBe(4);
    expect(result.stderr).toContain('default');
  });

  clusterTest('with a wrong flag value says what is allowed, and ends with 2', async () => {
    const format = await svctrace(['auth-service', '-o', 'xml']);
    expect(format.exitCode).toBe(2);
    for (const allowed of ['table', 'wide', 'json', 'yaml', 'name']) expect(format.stderr).toContain(allowed);
    expect((await svctrace(['auth-service', '--no-such-flag'])).exitCode).toBe(2);
  });

  clusterTest('without any right says which permission is missing, and ends with 3', async () => {
    const result = await svctrace(['auth-service'], { user: 'nobody' });
    expect(result.exitCode).toBe(3);
    expect(result.stderr).toMatch(/services|servicetraces/);
    expect(result.stderr).toContain('default');
    expect(result.stderr).not.toContain('    at ');
  });

  clusterTest('works with the rights of the ClusterRole for users, and no more', async ({ kubectl }) => {
    await kubectl([
      'create',
      'rolebinding',
      'developer-traces',
      '--clusterrole=svctrace-servicetrace-editor',
      '--user=developer',
    ]);
    await kubectl(['create', 'rolebinding', 'developer-view', '--clusterrole=view', '--user=developer']);
    try {
      const result = await eventually(async () => {
        const run = await svctrace(['auth-service'], { user: 'developer' });
        expect(run.exitCode, run.stderr).toBe(0);
        return run;
      }, 30);
      expect(result.stdout).toContain('node-b');
      const alone = await svctrace(['auth-service', '--standalone'], { user: 'developer' });
      expect(alone.exitCode).toBe(3);
      expect(alone.stderr).toMatch(/create|list/);
      expect(alone.stderr).toMatch(/pods|nodes/);
    } finally {
      await kubectl(['delete', 'rolebinding', 'developer-traces', 'developer-view']);
    }
  });

  clusterTest(
    'serves who may use the operator and nothing else, and says at once which rights more needs',
    async ({ kubectl }) => {
      await kubectl([
        'create',
        'rolebinding',
        'tenant-traces',
        '--clusterrole=svctrace-servicetrace-editor',
        '--user=developer',
      ]);
      const asTenant = async (...args: string[]): ReturnType<typeof svctrace> => svctrace(args, { user: 'developer' });
      const folder = await mkdtemp(join(tmpdir(), 'svctrace-tenant-'));
      try {
        // The authorizer's words, not the plugin's: this is all that the user may do.
        for (const question of [
          ['list', 'nodes'],
          ['get', 'services'],
          ['list', 'pods'],
          ['get', 'pods/log'],
        ])
          expect((await kubectl(['auth', 'can-i', ...question, '--as=developer'], { reject: false })).stdout).toBe(
            'no',
          );
        const explained = await eventually(async () => {
          const run = await asTenant('explain', 'auth-service', '-o', 'json');
          expect(run.exitCode, run.stderr).toBe(0);
          return run;
        }, 30);
        expect(explained.stdout).toMatch(/KUBE-SVC-|service-[A-Z0-9]+-default\/auth-service/);
        const lacking =
          'get services -n default; list endpointslices.discovery.k8s.io -n default; list nodes; create pods -n kube-system; list pods -n kube-system; watch pods -n kube-system; delete pods -n kube-system; get pods/exec -n kube-system; create pods/exec -n kube-system';
        expect(explained.stderr).toContain(`you lack the rights to ${lacking}; with them,`);

        const dns = await asTenant('dns', 'auth-service');
        expect(dns.exitCode, dns.stderr).toBe(0);
        expect(dns.stdout).toContain('auth-service.default.svc');
        expect(dns.stdout).toContain('right');
        const followed = await asTenant('explain', 'auth-service', '--from', '10.244.1.99');
        expect(followed.exitCode, explained.stderr).toBe(0);
        expect(followed.stdout).toContain('DNAT');
        const diagram = await asTenant('diagram', 'auth-service', '-o', 'mermaid');
        expect(diagram.exitCode, diagram.stderr).toBe(0);
        expect(diagram.stdout).toContain('flowchart');
        const file = join(folder, 'report.html');
        const report = await asTenant('report', 'auth-service', '--to', file);
        expect(report.exitCode, report.stderr).toBe(0);
        expect(await readFile(file, 'utf8')).toContain('from what the operator collected');

        const logs = await asTenant('logs', 'auth-service');
        expect(logs.exitCode).toBe(3);
        expect(logs.stderr).toContain(
          'logs needs rights that you lack: list pods -n default; get pods/log -n default.',
        );
        const record = await asTenant('record', 'auth-service', '--to', join(folder, 'none.svctrace'));
        expect(record.exitCode).toBe(3);
        expect(record.stderr).toContain(`record needs rights that you lack: ${lacking}.`);
        expect(record.stderr.trim().split('\n')).toHaveLength(1);
      } finally {
        await rm(folder, { recursive: true });
        await kubectl(['delete', 'rolebinding', 'tenant-traces']);
      }
    },
    180_000,
  );

  clusterTest('without an API server says which address does not answer, and ends with 3', async () => {
    const result = await svctrace(['auth-service', '--server', 'https://127.0.0.1:1', '--request-timeout', '5s']);
    expect(result.exitCode).toBe(3);
    expect(result.stderr).toContain('127.0.0.1:1');
  });

  clusterTest('--as shows what another user would see', async () => {
    const result = await svctrace(['auth-service', '--as', 'nobody']);
    expect(result.exitCode).toBe(3);
    expect(result.stderr).toContain('nobody');
  });

  clusterTest('version and help need no cluster', async () => {
    const env = { KUBECONFIG: '/nonexistent' };
    expect((await svctrace(['version'], { env })).stdout).toMatch(/0\.1\.0/);
    const help = await svctrace(['--help'], { env });
    expect(help.exitCode).toBe(0);
    expect(help.stdout).toContain('kubectl svctrace');
  });
});
