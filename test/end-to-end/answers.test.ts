/** The commands that answer one question each, on the running cluster: explain, diagram, report, dns, logs, capture, and the active check. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect } from 'vitest';
import { fullPath } from '../cluster/requirements.ts';
import { eventually } from '../support/eventually.ts';
import { cluster, clusterTest, connect, readyEndpoints, svctrace, traceJson } from '../support/cluster-under-test.ts';

async function answer(...args: readonly string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await svctrace(args);
  expect(exitCode, `${args.join(' ')}: ${stderr}`).toBe(0);
  return stdout;
}

async function podIp(name: string): Promise<string> {
  return (await (await cluster()).kubectl(['get', 'pod', name, '-o', 'jsonpath={.status.podIP}'])).stdout;
}

async function clusterIp(): Promise<string> {
  return (await (await cluster()).kubectl(['get', 'service', 'auth-service', '-o', 'jsonpath={.spec.clusterIP}']))
    .stdout;
}

describe('explain', () => {
  clusterTest('says in plain words what each program does for the Service, with its own rules', async (running) => {
    const text = await answer('explain', 'auth-service');
    const address = await clusterIp();
    for (const endpoint of await readyEndpoints('auth-service', 'IPv4')) expect(text).toContain(endpoint);
    // The chain of iptables mode that the kernel of node-a really has for it, and the verdict map of nftables mode.
    const { stdout: rules } = await running.node('node-a').exec(['iptables-save', '-t', 'nat']);
    const chain = new RegExp(`-d ${address.replaceAll('.', '\\.')}/32 .*-j (KUBE-SVC-\\w+)`).exec(rules)?.[1];
    expect(text).toContain(chain ?? 'no chain in the kernel');
    expect(text).toContain('service-ips');
    expect(text).toMatch(/33\.3 ?%|1 of 3|one third/);
  });

  clusterTest('with --from walks one client from its name to the pod and back', async () => {
    const text = await answer('explain', 'auth-service', '--from', 'client-b', '--to', '80');
    expect(text.replaceAll(/\s+/g, ' ')).toContain(`asked from node-b, 10.96.0.10 answered ${await clusterIp()} and`);
    expect(text).toContain(await podIp('client-b'));
    const steps = [...text.matchAll(/^Step ([A-E]):/gm)].map(([, step]) => step);
    expect(new Set(steps)).toEqual(new Set(['A', 'B', 'C', 'D', 'E']));
    expect(text).toContain('node-b');
  });
});

describe('diagram', () => {
  clusterTest('draws the way to each pod in the terminal and in every language', async () => {
    const endpoints = await readyEndpoints('auth-service', 'IPv4');
    for (const output of ['text', 'mermaid', 'dot', 'svg']) {
      const drawn = await answer('diagram', 'auth-service', '-o', output);
      for (const endpoint of endpoints) expect(drawn, output).toContain(endpoint);
      expect(drawn, output).toContain(await clusterIp());
    }
    expect(await answer('diagram', 'auth-service', '-o', 'svg')).toMatch(/^<svg[^>]*>[\s\S]*<\/svg>\s*$/);
  });
});

describe('report', () => {
  clusterTest('writes one page with what is known of the Service on every node', async (running) => {
    const folder = await mkdtemp(join(tmpdir(), 'svctrace-report-'));
    try {
      const file = join(folder, 'report.html');
      expect(await answer('report', 'auth-service', '--to', file)).toBe('');
      const page = await readFile(file, 'utf8');
      for (const text of [
        await clusterIp(),
        ...(await readyEndpoints('auth-service', 'IPv4')),
        ...running.nodes.map(({ name }) => name),
        'KUBE-SVC-',
        'service-ips',
        'no finding',
      ])
        expect(page).toContain(text);
      // kube-proxy, the kubelet and the kernel of each node are known.
      const versions = page.slice(page.indexOf('id="versions"'));
      expect(versions).toContain('v1.');
      expect(versions).not.toContain('unknown');
      const again = await svctrace(['report', 'auth-service', '--to', file]);
      expect([again.exitCode, again.stderr]).toEqual([
        2,
        `--to ${file} is there already; choose another name, or replace it with --overwrite.`,
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  clusterTest("has a client's packet path, and the result of the connections that were made", async () => {
    const folder = await mkdtemp(join(tmpdir(), 'svctrace-report-'));
    try {
      const file = join(folder, 'client.html');
      expect(await answer('report', 'auth-service', '--to', file, '--from', 'client-b', '--connect')).toBe('');
      const page = await readFile(file, 'utf8');
      const section = page.slice(page.indexOf('id="packet-path"'), page.indexOf('id="nodes"'));
      expect(section).toContain(`to ClusterIP ${await clusterIp()}:80/TCP over node-b: DNAT`);
      for (const endpoint of await readyEndpoints('auth-service', 'IPv4'))
        expect(section).toContain(`past the rules: ${endpoint}:8080/TCP: connected`);
      expect(page.slice(page.indexOf('id="connections"'))).toContain('node-a,node-b,node-c');
      const { stderr, exitCode } = await svctrace([
        'report',
        'auth-service',
        '--to',
        join(folder, 'none.html'),
        '--from',
        'client-z',
      ]);
      expect([exitCode, stderr]).toEqual([
        2,
        expect.stringMatching(/^--from client-z: namespace "default" has no pod of this name; near: client-a/),
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('dns', () => {
  clusterTest('compares what CoreDNS answers on each node with the API', async () => {
    const text = await answer('dns', 'auth-service');
    expect(text).toMatch(/10\.96\.0\.10 .*auth-service\.default\.svc .*right/);
    expect(text).toContain(await clusterIp());
    for (const node of ['node-a', 'node-b', 'node-c']) expect(text).toContain(node);
  });

  clusterTest('shows what a client asks for, without running anything in it', async (running) => {
    const text = await answer('dns', 'auth-service', '--from', 'client-a');
    const { stdout } = await running.kubectl([
      '-n',
      'kube-system',
      'get',
      'service',
      'kube-dns',
      '-o',
      'jsonpath={.spec.clusterIP}',
    ]);
    expect(text).toContain(`nameserver ${stdout}`);
    expect(text).toContain('search default.svc.cluster.local');
  });

  clusterTest('with --exec says that the image of a pod has nothing to read its resolv.conf with', async () => {
    const { stderr, exitCode } = await svctrace(['dns', 'auth-service', '--from', 'client-a', '--exec']);
    expect(exitCode).toBe(3);
    expect(stderr).toContain(
      "cat /etc/resolv.conf cannot be run in pod client-a of namespace default: its image has no cat; without --exec it is shown as the pod's spec makes it.",
    );
  });
});

describe('logs', () => {
  clusterTest('puts the logs of all pods behind the Service into one stream', async (running) => {
    const { stdout } = await running.kubectl([
      'get',
      'pods',
      '-l',
      'app=auth-service',
      '-o',
      'jsonpath={.items[*].metadata.name}',
    ]);
    const text = await answer('logs', 'auth-service', '--tail', '5');
    for (const pod of stdout.split(' ')) expect(text).toContain(pod);
  });

  clusterTest('of kube-proxy says why there are none where it is not a pod', async () => {
    const { stderr, exitCode } = await svctrace(['logs', 'auth-service', '--kube-proxy']);
    expect(exitCode).not.toBe(0);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain('kube-proxy');
  });
});

describe('the active check', () => {
  clusterTest('reaches the Service and each endpoint from every node, and finds nothing', async () => {
    const trace = await traceJson(['auth-service', '--connect']);
    expect(trace.status?.findings).toEqual([]);
    const endpoints = await readyEndpoints('auth-service', 'IPv4');
    const table = await answer('auth-service', '--connect', '-o', 'wide');
    for (const endpoint of endpoints) expect(table).toContain(endpoint);
  });
});

describe('capture', () => {
  clusterTest('writes the packets of the Service before and after DNAT, for Wireshark', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'svctrace-capture-'));
    try {
      const file = join(folder, 'auth.pcapng');
      const address = await clusterIp();
      const capturing = svctrace([
        'capture',
        'auth-service',
        '--node',
        'node-a,node-b',
        '--duration',
        '12s',
        '--to',
        file,
      ]);
      let isOver = false;
      void capturing.finally(() => {
        isOver = true;
      });
      await eventually(async () => {
        await connect('client-a', address, 80, 3);
        if (!isOver) throw new Error('the capture goes on');
      }, 60);
      const { exitCode, stderr } = await capturing;
      expect(exitCode, stderr).toBe(0);
      expect((await readFile(file)).subarray(0, 4).toString('hex')).toBe('0a0d0d0a');
      const { stdout } = await execa(
        'tshark',
        ['-n', '-r', file, '-T', 'fields', '-e', 'ip.dst', '-e', 'frame.comment'],
        { env: { PATH: fullPath(), HOME: tmpdir() } },
      );
      const rows = stdout.split('\n').map((line) => line.split('\t'));
      const endpoints = await readyEndpoints('auth-service', 'IPv4');
      expect(
        rows.some(
          ([destination, comment]) =>
            destination === address && comment?.startsWith('node-a ') === true && comment.includes('before DNAT'),
        ),
      ).toBe(true);
      expect(
        rows.some(
          ([destination, comment]) => endpoints.includes(destination ?? '') && comment?.includes('after DNAT') === true,
        ),
      ).toBe(true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
