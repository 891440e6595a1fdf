/**
 * `npm run screenshots`: boots the embedded cluster, deploys the operator and auth-service, deletes one rule on node-c by
 * hand, looks at it with the plugin in a real terminal and with `report` in a browser, and writes docs/screenshots/ again. The cluster is
 * removed after it.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { delimiter } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { launch } from 'puppeteer-core';
import { startCluster, stopCluster, type Cluster, type ClusterNode } from '../cluster/cluster.ts';
import { progressPrinter } from '../cluster/progress.ts';
import { clusterRequirements, findExecutable, fullPath } from '../cluster/requirements.ts';
import { openTerminal } from '../support/terminal.ts';
import { deployAuthService, deployOperator, loadProjectImages } from '../setup/deploy.ts';
import { printTerminalSvg } from './terminal-svg.ts';
import { columns, screenshotViews } from './views.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = `${root}docs/screenshots/`;
const name = 'screenshots';

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** The choice of the second of three endpoints: its share goes to the third, and nothing fails. */
async function deleteRule(node: ClusterNode): Promise<void> {
  const { stdout } = await node.exec(['iptables', '-t', 'nat', '-S']);
  const chain = stdout
    .split('\n')
    .flatMap((line) =>
      line.includes('default/auth-service:http') && line.startsWith('-A KUBE-SERVICES ')
        ? (/-j (KUBE-SVC-\w+)/.exec(line)?.[1] ?? [])
        : [],
    )[0];
  if (chain === undefined) throw new Error(`${node.name} has no rule of auth-service`);
  const choices = stdout.split('\n').filter((line) => line.startsWith(`-A ${chain} `));
  const second = choices
    .map((line, index) => ({ line, place: index + 1 }))
    .filter(({ line }) => line.includes('-j KUBE-SEP-'))[1];
  if (second === undefined) throw new Error(`${node.name} chooses of fewer than two endpoints`);
  await node.exec(['iptables', '-t', 'nat', '-D', chain, String(second.place)]);
}

/** Connections from each node, until `signal` aborts. */
async function keepConnecting(cluster: Cluster, signal: AbortSignal): Promise<void> {
  await Promise.all(
    ['client-a', 'client-b', 'client-c'].map(async (client, index) => {
      while (!signal.aborted) {
        await cluster.kubectl(
          ['exec', client, '--', '/testpod', 'connect', '--count', String(4 + 3 * index), '--to', 'auth-service:80'],
          { reject: false },
        );
        await sleep(300);
      }
    }),
  );
}

async function takeViews(cluster: Cluster, env: Readonly<Record<string, string>>): Promise<void> {
  // With 16 colours, the picture's own theme says what they look like.
  const terminal = await openTerminal('kubectl svctrace auth-service', {
    columns,
    rows: 36,
    env: { ...env, FORCE_COLOR: '1' },
  });
  try {
    await terminal.waitFor(/node-a[\s\S]*node-b[\s\S]*node-c/);
    await deleteRule(cluster.node('node-c'));
    // Within 10 s of a change of the EndpointSlices, a difference may be a kube-proxy that still writes.
    await terminal.waitFor(/findings \(1\)/i, 60);
    for (const { name: view, title, rows, keys, shows } of screenshotViews) {
      await terminal.resize(columns, rows);
      await terminal.press(...keys);
      await terminal.waitFor(shows, 120);
      // The screen once more, when all of it is painted.
      await sleep(500);
      await writeFile(
        `${folder}${view}.svg`,
        printTerminalSvg(await terminal.coloredScreen(), title, { columns, rows }),
      );
      say(`wrote docs/screenshots/${view}.svg`);
    }
    await terminal.press('q');
    await terminal.waitFor(/shell> *$/m);
  } finally {
    await terminal.close();
  }
}

async function takeReport(cluster: Cluster, executablePath: string): Promise<void> {
  const file = `${cluster.kubeconfigPath}.report.html`;
  await cluster.kubectl(['svctrace', 'report', 'auth-service', '--to', file, '--overwrite'], {
    reject: false,
    pluginDirectories: [`${root}dist`],
    timeout: 120_000,
  });
  const browser = await launch({
    executablePath,
    headless: true,
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
  try {
    const page = await browser.newPage();
    await page.setViewport({ width: 1120, height: 820 });
    await page.goto(`file://${file}`);
    await page.screenshot({ path: `${folder}report.png` });
    say('wrote docs/screenshots/report.png');
  } finally {
    await browser.close();
  }
}

async function main(signal: AbortSignal): Promise<void> {
  const chromium = findExecutable('chromium');
  const missing = [
    ...clusterRequirements().missing,
    ...(findExecutable('tmux') === undefined ? ['tmux'] : []),
    ...(chromium === undefined ? ['chromium'] : []),
  ];
  if (chromium === undefined || missing.length > 0)
    throw new Error(
      `The pictures are taken of a real cluster, in a real terminal and a real browser, for which this is missing: ${missing.join('; ')}.`,
    );
  const cluster = await startCluster({ name, onProgress: progressPrinter('  '), signal });
  await loadProjectImages(cluster);
  signal.throwIfAborted();
  await Promise.all([deployOperator(cluster), deployAuthService(cluster)]);
  signal.throwIfAborted();
  await mkdir(folder, { recursive: true });
  say('Deleting one rule on node-c, and looking at what the plugin says.');
  const stop = new AbortController();
  const connecting = keepConnecting(cluster, AbortSignal.any([signal, stop.signal]));
  try {
    await takeViews(cluster, {
      KUBECONFIG: cluster.kubeconfigPath,
      PATH: [`${root}dist`, cluster.programs.kubernetesDirectory, fullPath()].join(delimiter),
    });
    await takeReport(cluster, chromium);
  } finally {
    stop.abort();
    await connecting;
  }
}

const abort = new AbortController();
for (const each of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(each, () => {
    abort.abort(new Error(`ended by ${each}`));
  });
try {
  await main(abort.signal);
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  say('Removing the cluster.');
  await stopCluster(name);
}
