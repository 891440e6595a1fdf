import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readBundle } from '../../../cmd/sources/bundle.ts';
import { parseCommandLine } from '../../../cmd/cli/command-line.ts';
import { UsageError } from '../../../cmd/cli/errors.ts';
import { exitStatus } from '../../../cmd/cli/exit-status.ts';
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
