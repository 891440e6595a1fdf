/** Recorded traces explained, as a user reads them. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../cmd/command-line.ts';
import { runExplain } from '../../cmd/explain-service.ts';
import { testIo } from './cluster.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}.svctrace`, import.meta.url));

async function explain(bundle: string, ...words: string[]): Promise<{ output: string; status: number }> {
  const parsed = await parseCommandLine(['explain', '--bundle', fixture(bundle), ...words], 100);
  if (parsed.kind !== 'request' || parsed.request.command !== 'explain') throw new Error('no explain request');
  const io = testIo({ COLUMNS: '100' });
  const status = await runExplain(parsed.request, io);
  return { output: io.out(), status };
}

describe('kubectl svctrace explain', () => {
  it.each([
    ['iptables', 'auth-service', ['--node', 'node-a', '--to', '10.96.2.60:80']],
    ['nftables', 'sticky', ['--node', 'node-b', '--to', '10.96.239.166:80']],
    ['node-port-local', 'node-port-local', ['--node', 'node-b']],
    ['from-pod', 'auth-service', ['--from', '10.244.1.3', '--to', '80']],
    ['from-endpoint', 'auth-service', ['--from', 'auth-service-5995955cd8-gktwl', '--to', '10.96.2.60:80']],
    ['from-outside', 'nobody-home', ['--from', '192.0.2.9', '--node', 'node-b']],
  ])('%s, as text', async (name, bundle, words) => {
    const { output, status } = await explain(bundle, ...words);
    expect(status).toBe(0);
    await expect(output).toMatchFileSnapshot(`screens/explain-${name}.txt`);
  });

  it.each(['auth-service', 'external-ip', 'internal-local', 'many-ports', 'nobody-home', 'node-port', 'node-port-local', 'only-ipv6', 'sticky'])('knows every rule of %s', async (bundle) => {
    const { output } = await explain(bundle, '-o', 'json');
    const { nodes } = JSON.parse(output) as { nodes: { families: { stages: { chains: { rules: { sentence: string; unknown: string[] }[] }[] }[] }[] }[] };
    const rules = nodes.flatMap(({ families }) => families.flatMap(({ stages }) => stages.flatMap(({ chains }) => chains.flatMap((chain) => chain.rules))));
    expect(nodes.length).toBeGreaterThan(1);
    expect(rules.length).toBeGreaterThan(10);
    expect(rules.filter(({ unknown, sentence }) => unknown.length > 0 || sentence.includes('undefined'))).toEqual([]);
  });

  it('says of a node that the same rules are on others', async () => {
    const { output } = await explain('headless');
    expect(output).toContain('kube-proxy writes no rules for it, because it is headless');
    expect(output).toContain('Node node-a (and 1 node with the same rules: node-c)');
  });

  it('walks a client over its own node alone', async () => {
    const { output } = await explain('auth-service', '--from', '10.244.1.4', '-o', 'json');
    expect(JSON.parse(output)).toMatchObject({ nodes: [{ node: 'node-a', journeys: [{ client: { pod: 'auth-service-5995955cd8-gktwl', entersAt: 'PREROUTING' }, verdict: 'DNAT', steps: [{ letter: 'A' }, { letter: 'B' }, { letter: 'C' }, { letter: 'D' }, { letter: 'E' }] }] }] });
  });

  it('refuses what the trace does not have', async () => {
    await expect(explain('auth-service', '--node', 'node-z')).rejects.toThrow('--node node-z: there is no such node in the trace; it has node-a, node-b, node-c.');
    await expect(explain('auth-service', '--to', '81')).rejects.toThrow('--to port 81 is no address of Service auth-service. It has ClusterIP 10.96.2.60:80/TCP, ClusterIP [fd00:10:96::919f]:80/TCP.');
    await expect(explain('auth-service', '--from', 'client-a')).rejects.toThrow('--from client-a: the trace knows no pod of this name');
    await expect(explain('auth-service', 'other')).rejects.toThrow('holds a trace of Service "auth-service", not of "other".');
  });
});
