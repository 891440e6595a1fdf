import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readBundle } from '../../../cmd/sources/bundle.ts';
import { parseCommandLine } from '../../../cmd/cli/command-line.ts';
import { UsageError } from '../../../cmd/cli/errors.ts';
import { exitStatus } from '../../../cmd/cli/exit-status.ts';
import {
  backendEntry,
  endpointEntry,
  frontendEntries,
  serviceFlag,
  sourceRangeEntry,
} from '../../support/cilium-bytes.ts';
import { runSimulate } from '../../../cmd/commands/simulate.ts';

const rulesets = fileURLToPath(new URL('../../fixtures/rulesets/', import.meta.url));

/** The IPv4 address and port of the Service that a bundle holds, and its nodes. */
async function recorded(bundle: string): Promise<{ service: string; answers: string[] }> {
  const { desired, answers } = await readBundle(bundle);
  return {
    service: `${desired.service.clusterIPs.find((address) => !address.includes(':')) ?? ''}:80`,
    answers: answers.map(({ node }) => node),
  };
}

const simulate = (...words: string[]): Promise<string> => simulateTo(exitStatus.ok, ...words);

async function simulateTo(expected: number, ...words: string[]): Promise<string> {
  const parsed = await parseCommandLine(['simulate', ...words], 100);
  if (parsed.kind !== 'request' || parsed.request.command !== 'simulate') throw new Error('no simulate request');
  let output = '';
  const sink = {
    write: (text: string) => {
      output += text;
      return true;
    },
  };
  const status = await runSimulate(parsed.request, {
    ...process,
    stdout: sink,
    stderr: sink,
    signal: new AbortController().signal,
  });
  expect(status).toBe(expected);
  return output;
}

describe('kubectl svctrace simulate --from POD', () => {
  const file = fileURLToPath(new URL('../../fixtures/auth-service.svctrace', import.meta.url));

  it('sends the packet from the address of the pod, on its node alone, and says so', async () => {
    const { desired } = await readBundle(file);
    const [endpoint] = desired.endpointSlices.flatMap((slice) => (slice.addressType === 'IPv4' ? slice.endpoints : []));
    const { targetRef, nodeName = '', addresses = [] } = endpoint ?? {};
    const pod = targetRef?.name ?? '';
    const { service } = await recorded(file);
    const words = ['--to', service, '--bundle', file];
    const text = await simulate('--from', pod, ...words);
    expect(text.split('\n')[0]).toBe(`TCP pod ${pod} (${addresses[0] ?? ''}) → ${service} on ${nodeName}`);
    const ofPod = JSON.parse(await simulate('--from', `pod/${pod}`, ...words, '-o', 'json')) as Record<string, unknown>;
    expect(ofPod['source']).toEqual({ address: addresses[0], pod, node: nodeName });
    expect(ofPod['nodes']).toEqual([nodeName]);
    const ofAddress = JSON.parse(await simulate('--from', addresses[0] ?? '', ...words, '-o', 'json')) as object;
    expect(ofPod).toEqual({ ...ofAddress, source: ofPod['source'] });
  });

  it('takes the address of the family that the packet goes to', async () => {
    const { desired, answers } = await readBundle(file);
    const [to = ''] = desired.service.clusterIPs.filter((address) => address.includes(':'));
    const pod = desired.endpointSlices.flatMap(({ endpoints }) => endpoints)[0]?.targetRef?.name ?? '';
    const output = await simulate('--from', pod, '--to', `[${to}]:80`, '--bundle', file, '-o', 'json');
    const source = (JSON.parse(output) as { source: { address: string; node: string } }).source;
    expect(source.address).toContain(':');
    expect(answers.map(({ node }) => node)).toContain(source.node);
  });

  it.each([
    ['nobody', [], '--from nobody: the trace knows no pod of this name'],
    ['10.244.1.3.4:5', [], 'is neither an IP address, nor IP:PORT, nor the name of a pod'],
  ])('refuses %s', async (from, more, message) => {
    const { service } = await recorded(file);
    await expect(simulate('--from', from, '--to', service, '--bundle', file, ...more)).rejects.toThrow(message);
  });

  it('refuses a node that the pod is not on, and a pod with dumps', async () => {
    const { desired, answers } = await readBundle(file);
    const { service } = await recorded(file);
    const endpoint = desired.endpointSlices.flatMap(({ endpoints }) => endpoints)[0];
    const pod = endpoint?.targetRef?.name ?? '';
    const other = answers.find(({ node }) => node !== endpoint?.nodeName)?.node ?? '';
    await expect(simulate('--from', pod, '--to', service, '--bundle', file, '--node', other)).rejects.toThrow(
      `--from ${pod} is on ${endpoint?.nodeName ?? ''}, where its packets meet the rules`,
    );
    await expect(simulate('--from', pod, '--to', service, '--ruleset', `${rulesets}iptables-nft.txt`)).rejects.toThrow(
      'dumps know no pods',
    );
  });
});

describe('kubectl svctrace simulate', () => {
  it('prints the object that scripts read, with its keys in their order', async () => {
    const output = await simulate(
      '--from',
      '10.244.1.77',
      '--to',
      '10.96.236.140:80',
      '--ruleset',
      `${rulesets}iptables-nft.txt`,
      '-o',
      'json',
    );
    const result: unknown = JSON.parse(output);
    expect(Object.keys(result as object)).toEqual(['verdict', 'probability', 'destinations', 'masquerade', 'path']);
    expect(result).toMatchObject({
      verdict: 'DNAT',
      destinations: [
        { address: '10.244.1.3', port: 8080, probability: 0.5 },
        { address: '10.244.1.5', port: 8080, probability: 0.5 },
      ],
      masquerade: false,
    });
    const { path } = result as { path: object[] };
    expect(Object.keys(path[0] ?? {})).toEqual(['table', 'chain', 'rule', 'effect']);
  });

  it('takes several dumps of one machine together', async () => {
    const files = ['--ruleset', `${rulesets}iptables-nft.txt`, '--ruleset', `${rulesets}ip6tables-nft.txt`];
    expect(await simulate('--from', 'fd00:10:244:1::77', '--to', '[fd00:10:96::3e87]:80', ...files)).toContain('DNAT');
    expect(await simulate('--from', '10.244.1.77', '--to', '10.96.198.84:80', ...files)).toContain('DNAT');
  });

  it('misses no legacy tables where their dump is given too', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'svctrace-simulate-'));
    const file = join(folder, 'iptables-nft-save.txt');
    await writeFile(
      file,
      '*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n',
    );
    const words = ['--from', '10.244.1.77', '--to', '10.96.236.140:80', '--ruleset', file];
    expect(await simulate(...words, '--ruleset', `${rulesets}iptables-legacy.txt`)).not.toContain('legacy tables');
    // The legacy tables of the other family are not these.
    expect(await simulateTo(exitStatus.partial, ...words, '--ruleset', `${rulesets}ip6tables-nft.txt`)).toContain(
      'the node has iptables-legacy tables too',
    );
  });

  it('shows the walk to people', async () => {
    const output = await simulate(
      '--from',
      '10.244.1.77',
      '--to',
      '10.96.224.65:80',
      '--ruleset',
      `${rulesets}nftables.txt`,
    );
    expect(output).toContain('TCP 10.244.1.77 → 10.96.224.65:80, enters at PREROUTING');
    expect(output).toContain('kube-proxy reject-chain: REJECT');
    expect(output.trim().split('\n').at(-1)).toBe('REJECT');
  });

  it('walks the Service of a recorded trace on each node where the packet may enter', async () => {
    const bundle = fileURLToPath(new URL('../../fixtures/auth-service.svctrace', import.meta.url));
    const { service, answers } = await recorded(bundle);
    const result: unknown = JSON.parse(
      await simulate('--from', '10.244.9.9', '--to', service, '--bundle', bundle, '-o', 'json'),
    );
    // iptables on both backends holds the same rules, nftables other ones with the same targets.
    expect(result).toMatchObject({
      answers: [
        { verdict: 'DNAT', nodes: [answers[0], answers[2]] },
        { verdict: 'DNAT', nodes: [answers[1]] },
      ],
    });
    const one: unknown = JSON.parse(
      await simulate(
        '--from',
        '10.244.9.9',
        '--to',
        service,
        '--bundle',
        bundle,
        '--node',
        answers[0] ?? '',
        '-o',
        'json',
      ),
    );
    expect(one).toMatchObject({ verdict: 'DNAT', masquerade: false, nodes: [answers[0]] });
    expect(await simulate('--from', '10.244.9.9', '--to', service, '--bundle', bundle)).toContain(
      `→ ${service} on ${answers[1] ?? ''}`,
    );
  });

  it('refuses a packet that is none of the recorded Service', async () => {
    const bundle = fileURLToPath(new URL('../../fixtures/auth-service.svctrace', import.meta.url));
    await expect(simulate('--from', '10.244.9.9', '--to', '10.96.0.10:53/udp', '--bundle', bundle)).rejects.toThrow(
      "--to 10.96.0.10:53/udp is not an address of Service auth-service, and a trace holds no other's rules. It has ClusterIP ",
    );
    await expect(
      simulate(
        '--from',
        '10.244.9.9',
        '--to',
        (await recorded(bundle)).service,
        '--bundle',
        bundle,
        '--node',
        'node-z',
      ),
    ).rejects.toThrow('there is no such node in the trace; it has node-a, node-b, node-c');
  });

  it('says which file it cannot read, and why', async () => {
    await expect(simulate('--from', '10.0.0.1', '--to', '10.0.0.2:80', '--ruleset', '/nonexistent')).rejects.toThrow(
      UsageError,
    );
    await expect(
      simulate('--from', '10.0.0.1', '--to', '10.0.0.2:80', '--ruleset', fileURLToPath(import.meta.url)),
    ).rejects.toThrow('neither iptables-save text');
  });
});

describe('kubectl svctrace simulate --ruleset with maps of Cilium', () => {
  const services = {
    kind: 'List',
    items: [
      {
        kind: 'Service',
        metadata: { namespace: 'shop', name: 'auth' },
        spec: { clusterIPs: ['10.96.0.10'], ports: [{ name: 'http', port: 80, nodePort: 30080, protocol: 'TCP' }] },
      },
      {
        kind: 'EndpointSlice',
        metadata: { namespace: 'shop', name: 'auth-1' },
        endpoints: [{ addresses: ['10.244.1.1'], targetRef: { kind: 'Pod', name: 'auth-\u001b[31mx' } }],
      },
    ],
  };
  const nodePort = { address: '172.30.0.11', port: 30080, id: 2 };
  const { routable, sourceRange } = serviceFlag;
  const maps = {
    cilium_lb4_services_v2: [
      ...frontendEntries({ address: '10.96.0.10', port: 80, flags: serviceFlag.affinity, union: 10800 }, [1, 2]),
      ...frontendEntries({ ...nodePort, flags: routable | serviceFlag.nodePort | sourceRange }, [1]),
    ],
    cilium_lb4_backends_v3: [
      backendEntry({ id: 1, address: '10.244.1.1', port: 8080 }),
      backendEntry({ id: 2, address: '10.244.2.2', port: 8080 }),
    ],
    cilium_lb4_source_range: [sourceRangeEntry(2, '192.0.2.0', 24)],
    cilium_lxc: [endpointEntry('10.244.1.1'), endpointEntry('10.244.1.77')],
  };

  async function files(given: object): Promise<{ ruleset: string[]; services: string[] }> {
    const folder = await mkdtemp(join(tmpdir(), 'svctrace-simulate-'));
    const [ruleset, list] = [join(folder, 'maps.json'), join(folder, 'services.json')];
    await writeFile(ruleset, JSON.stringify(given, undefined, 1));
    await writeFile(list, JSON.stringify(services));
    return { ruleset: ['--ruleset', ruleset], services: ['--services', list] };
  }
  const fromPod = ['--from', '10.244.1.77', '--to', '10.96.0.10:80'];
  const toNodePort = ['--to', '172.30.0.11:30080'];

  it('answers with the keys of every other datapath, and the names of --services behind them', async () => {
    const { ruleset, services: list } = await files(maps);
    const plain = JSON.parse(await simulate(...fromPod, ...ruleset, '-o', 'json')) as object;
    expect(Object.keys(plain)).toEqual(['verdict', 'probability', 'destinations', 'masquerade', 'path']);
    expect(plain).toMatchObject({
      verdict: 'DNAT',
      destinations: [
        { address: '10.244.1.1', port: 8080, probability: 0.5, masquerade: false },
        { address: '10.244.2.2', port: 8080, probability: 0.5, masquerade: false },
      ],
    });
    const named = JSON.parse(await simulate(...fromPod, ...ruleset, ...list, '-o', 'json')) as object;
    expect(named).toMatchObject({ service: 'shop/auth:http', destinations: [{ pod: 'shop/auth-\u001b[31mx' }, {}] });
    const text = await simulate(...fromPod, ...ruleset, ...list);
    expect(text).toContain('Service shop/auth:http\n');
    expect(text).toContain(
      'cilium_lb4_services_v2 TCP 10.96.0.10:80: random choice\n    10.96.0.10:80/TCP external id 1: 2 backends; ClusterIP, session affinity 10800 s\n',
    );
    expect(text).toMatch(/10\.244\.1\.1:8080 {2}50(\.0)?% {2}shop\/auth-\\x1b\[31mx\n/);
  });

  it('names a NodePort, and drops who is not in its source ranges', async () => {
    const { ruleset, services: list } = await files(maps);
    expect(await simulate('--from', '192.0.2.1', ...toNodePort, ...ruleset, ...list)).toContain(
      'Service shop/auth:http',
    );
    const dropped = await simulate('--from', '203.0.113.1', ...toNodePort, ...ruleset, '-o', 'json');
    expect(JSON.parse(dropped)).toMatchObject({ verdict: 'DROP', destinations: [] });
  });

  it('is UNKNOWN, with exit status 5, where a map that decides is absent', async () => {
    const { ruleset } = await files({ ...maps, cilium_lb4_backends_v3: undefined });
    const output = await simulateTo(exitStatus.partial, ...fromPod, ...ruleset, '-o', 'json');
    expect(JSON.parse(output)).toMatchObject({ verdict: 'UNKNOWN', destinations: [] });
    expect(output).toContain('the map cilium_lb4_backends_v3 was not dumped');
  });

  it('refuses maps and lists that are not what they must be, with their file', async () => {
    const { ruleset, services: list } = await files({ cilium_lb4_services_v2: [{ key: ['0x01'], value: ['0x02'] }] });
    await expect(simulate(...fromPod, ...ruleset)).rejects.toThrow(
      `--ruleset ${ruleset[1] ?? ''}: map cilium_lb4_services_v2, entry 1: its key has 1 bytes and its value 1, where 12 and 12 are known; another version's layout is not guessed.`,
    );
    const right = await files(maps);
    await expect(simulate(...fromPod, ...right.ruleset, ...right.ruleset)).rejects.toThrow(
      '--ruleset: two of the files have the map cilium_lb4_services_v2; give one dump of each map of the machine.',
    );
    await expect(simulate(...fromPod, ...right.ruleset, '--services', right.ruleset[1] ?? '')).rejects.toThrow(
      'it is not a list of objects',
    );
    await expect(simulate(...fromPod, ...right.ruleset, '--services', '/nonexistent')).rejects.toThrow(UsageError);
    await expect(simulate('--from', '10.0.0.1', '--to', '10.0.0.2:80', 'auth', ...list)).rejects.toThrow(
      '--services needs --ruleset: a trace knows its names.',
    );
  });
});
