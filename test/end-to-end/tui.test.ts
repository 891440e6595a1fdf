/** The live view in a real terminal against the real cluster. */
import { fileURLToPath } from 'node:url';
import { describe, expect } from 'vitest';
import * as z from 'zod';
import type { Cluster } from '../cluster/cluster.ts';
import { testpodImage } from '../cluster/images.ts';
import { eventually } from '../support/eventually.ts';
import { clusterTest, connect } from '../support/cluster-under-test.ts';
import { openTerminal, type Terminal } from '../support/terminal.ts';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));

async function inTerminal(
  cluster: Cluster,
  args: string,
  size: { columns: number; rows: number },
  look: (terminal: Terminal) => Promise<void>,
): Promise<void> {
  const path = `${dist}:${cluster.programs.kubernetesDirectory}:${process.env['PATH'] ?? ''}`;
  const terminal = await openTerminal(`kubectl svctrace ${args}`, {
    ...size,
    env: { KUBECONFIG: cluster.kubeconfigPath, PATH: path },
  });
  try {
    await look(terminal);
  } finally {
    await terminal.close();
  }
}

describe('kubectl svctrace auth-service on a terminal', () => {
  for (const size of [
    { columns: 80, rows: 24 },
    { columns: 120, rows: 40 },
  ]) {
    clusterTest(
      `shows the nodes live at ${String(size.columns)}x${String(size.rows)}, and gives the terminal back`,
      async (running) => {
        await inTerminal(running, 'auth-service', size, async (terminal) => {
          const first = await terminal.waitFor(/node-a[\s\S]*node-b[\s\S]*node-c/);
          expect(first).toContain('auth-service');
          const screen = await terminal.waitFor(/nftables/);
          for (const line of screen.split('\n')) expect(line.length).toBeLessThanOrEqual(size.columns);
          await terminal.press('?');
          await terminal.waitFor(/quit/i);
          await terminal.press('Escape');
          await terminal.press('q');
          const after = await terminal.waitFor(/shell> *$/m);
          expect(after).not.toContain('nftables');
        });
        await eventually(async () => {
          const { stdout } = await running.kubectl(['get', 'servicetraces', '-A', '-o', 'name']);
          expect(stdout).toBe('');
        });
      },
    );
  }

  clusterTest('follows connections as they are made', async (running) => {
    await inTerminal(running, 'auth-service', { columns: 120, rows: 40 }, async (terminal) => {
      const before = await terminal.waitFor(/node-a/);
      const { stdout } = await running.kubectl(['get', 'service', 'auth-service', '-o', 'jsonpath={.spec.clusterIP}']);
      await terminal.waitFor(stdout);
      await connect('client-a', stdout, 80, 30);
      await eventually(async () => {
        expect(await terminal.screen()).not.toBe(before);
      }, 20);
      await terminal.press('q');
      await terminal.waitFor(/shell> *$/m);
    });
  });

  clusterTest('is opened by the letters of a Service, and shows each view', async (running) => {
    await inTerminal(running, '', { columns: 120, rows: 40 }, async (terminal) => {
      await terminal.waitFor(/Which Service\?[\s\S]*auth-service/);
      for (const letter of 'auser') await terminal.press(letter);
      await terminal.waitFor(/1 of \d+[\s\S]*▸ default +auth-service/);
      await terminal.press('Enter');
      await terminal.waitFor(/\[1 path\][\s\S]*DNAT TARGET/);
      await terminal.press('2');
      await terminal.waitFor(/\[2 nodes\][\s\S]*3 nodes, sorted by name[\s\S]*● ok/);
      await terminal.press('3');
      await terminal.waitFor(/\[3 rules\][\s\S]*KUBE-S/);
      await terminal.press('5');
      await terminal.waitFor(/\[5 findings \(0\)\][\s\S]*Findings: none/);
      await terminal.press(':');
      for (const letter of 'timel') await terminal.press(letter);
      await terminal.waitFor(/what changed since this view was opened/);
      await terminal.press('Enter');
      await terminal.waitFor(/\[6 timeline/);
      await terminal.press('c');
      for (const letter of 'client-a') await terminal.press(letter);
      await terminal.press('Enter');
      await terminal.waitFor(/\[7 walk\][\s\S]*From 10\.244\.\d+\.\d+ on node-a to/);
      await terminal.press('q');
      await terminal.waitFor(/Which Service\?/);
      await terminal.press('Escape');
      await terminal.waitFor(/shell> *$/m);
    });
  });

  clusterTest(
    'shows the lines of all pods with their nodes as they are written, and what becomes of the pods',
    async (running) => {
      await inTerminal(running, 'auth-service --view logs', { columns: 120, rows: 40 }, async (terminal) => {
        await terminal.waitFor(/\[8 logs\]\n +3 pods, \d+ lines, times in UTC; the newest is followed/);
        const { stdout: address } = await running.kubectl([
          'get',
          'service',
          'auth-service',
          '-o',
          'jsonpath={.spec.clusterIP}',
        ]);
        const pods = z
          .object({
            items: z.array(
              z.object({ metadata: z.object({ name: z.string() }), spec: z.object({ nodeName: z.string() }) }),
            ),
          })
          .parse(JSON.parse((await running.kubectl(['get', 'pods', '-l', 'app=auth-service', '-o', 'json'])).stdout))
          .items.map(({ metadata, spec }) => ({ name: metadata.name, node: spec.nodeName }));
        const { stdout: client } = await running.kubectl(['get', 'pod', 'client-a', '-o', 'jsonpath={.status.podIP}']);
        const answers = await connect('client-a', address, 80, 20);
        for (const { answer, localPort } of [answers[0], answers.at(-1)].flatMap((each) => each ?? [])) {
          await terminal.waitFor(
            new RegExp(
              `${pods.find(({ name }) => name === answer)?.node ?? 'no node'} +${answer} GET / from ${client}:${String(localPort)}`,
            ),
          );
        }

        // Whoever looks at an older line keeps it, and G goes back to the newest.
        await terminal.press('k');
        const chosen =
          /^▸.*$/m.exec(await terminal.waitFor(/stays here \(f follows the newest\)/))?.[0] ?? 'no line is chosen';
        const [next] = await connect('client-b', address, 80, 1);
        const after = await terminal.waitFor(new RegExp(`GET / from \\S+:${String(next?.localPort)}`));
        expect(after).toContain(chosen);
        await terminal.press('G');
        await terminal.waitFor(new RegExp(`the newest is followed[^]*\n▸ .*:${String(next?.localPort)}$`, 'm'));

        await terminal.press('/');
        await terminal.press(...'node-b');
        await terminal.press('Enter');
        const filtered = await terminal.waitFor(/\d+ of \d+ lines, times/);
        expect(filtered.split('\n').filter((line) => / \d\d:\d\d:\d\d node-[ac] /.test(line))).toEqual([]);
        expect(filtered).toMatch(/\d\d:\d\d:\d\d node-b auth-service-/);

        const ended = pods.find(({ node }) => node === 'node-b')?.name ?? 'no pod';
        await running.kubectl(['delete', 'pod', ended, '--wait=false']);
        await terminal.waitFor(new RegExp(`node-b ${ended} - the pod is being deleted`));
        await terminal.waitFor(new RegExp(`node-b ${ended} - the pod is gone`));
        const [, successor = 'no pod'] =
          /node-b (auth-service-\S+) - a new pod/.exec(
            await terminal.waitFor(/node-b auth-service-\S+ - a new pod[^]* serves tcp/),
          ) ?? [];
        expect(successor).not.toBe(ended);
        await terminal.waitFor(new RegExp(`node-b ${successor} ${successor} serves tcp`));
        await terminal.waitFor(/\n +3 pods, \d+ of/);
        await terminal.press('q');
        await terminal.waitFor(/shell> *$/m);
      });
      await running.kubectl(['rollout', 'status', 'deployment/auth-service', '--timeout=60s']);
    },
  );

  clusterTest('shows the last words of a pod that crashes, each restart, and what it waits for', async (running) => {
    const crashing = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'crashing', labels: { app: 'crashing' } },
      // Without a port, the server says so and ends.
      spec: {
        nodeName: 'node-c',
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'server', image: testpodImage, imagePullPolicy: 'Never', args: ['serve'] }],
      },
    };
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'crashing' },
      spec: { selector: { app: 'crashing' }, ports: [{ port: 80, targetPort: 8080 }] },
    };
    const objects = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [service, crashing] });
    await running.kubectl(['apply', '-f', '-'], { input: objects });
    try {
      for (const origin of ['', ' --standalone']) {
        await inTerminal(running, `crashing --view logs${origin}`, { columns: 120, rows: 40 }, async (terminal) => {
          await terminal.waitFor(/node-c crashing testpod serve: name at least one --port or --udp-port/);
          await terminal.waitFor(/▲ not running: crashing \(CrashLoopBackOff\)/);
          // The kubelet waits longer before each restart: one is enough.
          if (origin === '')
            await terminal.waitFor(
              /node-c crashing - started again, restart \d+\n[^]*node-c crashing ✖ ended with exit code 1/,
              120,
            );
          await terminal.press('q');
          await terminal.waitFor(/shell> *$/m);
        });
      }
    } finally {
      await running.kubectl(['delete', 'service/crashing', 'pod/crashing', '--wait=false']);
    }
  });

  clusterTest('removes its probes where its terminal is closed', async (running) => {
    const probes = async (): Promise<string> =>
      (
        await running.kubectl([
          '-n',
          'kube-system',
          'get',
          'pods',
          '-l',
          'app.kubernetes.io/component=probe',
          '-o',
          'name',
        ])
      ).stdout;
    await inTerminal(running, 'auth-service --standalone', { columns: 120, rows: 40 }, async (terminal) => {
      await terminal.waitFor(/node-c .*collected/);
      expect(await probes()).not.toBe('');
    });
    await eventually(async () => {
      expect(await probes()).toBe('');
    });
  });

  clusterTest('prints a line for each change where it watches without a live view', async (running) => {
    await inTerminal(running, 'auth-service -w -o table | cat', { columns: 160, rows: 120 }, async (terminal) => {
      await terminal.waitFor(/EndpointSlices {2}3\/3 endpoints ready/);
      await running.kubectl([
        'delete',
        'pod',
        '-l',
        'app=auth-service',
        '--field-selector=spec.nodeName=node-b',
        '--wait=false',
      ]);
      await terminal.waitFor(
        /TIME +NODE +WHAT +CHANGE[\s\S]* - +endpoint +endpoint \S+ \(auth-service-\S+ on \S+\) came/,
      );
      await terminal.waitFor(/ node-[abc] +rules +rules of ClusterIP \S+ send to \S+ now/);
      await terminal.press('C-c');
      await terminal.waitFor(/shell> *$/m);
      expect((await terminal.screen()).match(/^NODE /gm) ?? []).toHaveLength(1);
    });
    await running.kubectl(['rollout', 'status', 'deployment/auth-service', '--timeout=60s']);
    await eventually(async () => {
      const { stdout } = await running.kubectl(['get', 'servicetraces', '-A', '-o', 'name']);
      expect(stdout).toBe('');
    });
  });

  clusterTest('ends clean on Ctrl-C', async (running) => {
    await inTerminal(running, 'auth-service', { columns: 100, rows: 30 }, async (terminal) => {
      await terminal.waitFor(/node-a/);
      await terminal.press('C-c');
      await terminal.waitFor(/shell> *$/m);
    });
    await eventually(async () => {
      const { stdout } = await running.kubectl(['get', 'servicetraces', '-A', '-o', 'name']);
      expect(stdout).toBe('');
    });
  });
});
