/** The live view in a real terminal against the real cluster. */
import { fileURLToPath } from 'node:url';
import { describe, expect } from 'vitest';
import type { Cluster } from '../cluster/cluster.ts';
import { eventually } from '../eventually.ts';
import { clusterTest, connect } from './cluster-under-test.ts';
import { openTerminal, type Terminal } from './terminal.ts';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));

async function inTerminal(cluster: Cluster, args: string, size: { columns: number; rows: number }, look: (terminal: Terminal) => Promise<void>): Promise<void> {
  const path = `${dist}:${cluster.programs.kubernetesDirectory}:${process.env['PATH'] ?? ''}`;
  const terminal = await openTerminal(`kubectl svctrace ${args}`, { ...size, env: { KUBECONFIG: cluster.kubeconfigPath, PATH: path } });
  try {
    await look(terminal);
  } finally {
    await terminal.close();
  }
}

describe('kubectl svctrace auth-service on a terminal', () => {
  for (const size of [{ columns: 80, rows: 24 }, { columns: 120, rows: 40 }]) {
    clusterTest(`shows the nodes live at ${String(size.columns)}x${String(size.rows)}, and gives the terminal back`, async (running) => {
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
    });
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

  clusterTest('prints a line for each change where it watches without a live view', async (running) => {
    await inTerminal(running, 'auth-service -w -o table | cat', { columns: 160, rows: 60 }, async (terminal) => {
      await terminal.waitFor(/EndpointSlices {2}3\/3 endpoints ready/);
      await running.kubectl(['delete', 'pod', '-l', 'app=auth-service', '--field-selector=spec.nodeName=node-b', '--wait=false']);
      await terminal.waitFor(/TIME +NODE +WHAT +CHANGE[\s\S]* - +endpoint +endpoint \S+ \(auth-service-\S+ on \S+\) came/);
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
