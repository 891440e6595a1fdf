/** The small rulesets of test/fixtures/cases under real packets: what the kernel does is what simulate says of them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { summarize } from '../../core/evaluate/walk-packet.ts';
import { walkRuleset } from '../../core/evaluate/walk-ruleset.ts';
import { parseRulesetFile } from '../../core/parse/ruleset-file.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';

const unavailable = kernelUnavailable(['ip', 'nft', 'iptables-nft-restore', 'conntrack', 'bash']);
const rules = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../fixtures/cases/${name}.rules`, import.meta.url)), 'utf8');

/** A router between a client (192.0.2.2, by bridge1) and a server (198.51.100.0/24, by eth0); 60 datagrams of the client's. */
const router = `mount -t tmpfs none /run; mkdir -p /run/netns
for each in client server; do ip netns add $each; done
ip link add bridge1 type veth peer name c netns client; ip link add eth0 type veth peer name s netns server
ip addr add 192.0.2.1/24 dev bridge1; ip addr add 10.1.1.254/24 dev bridge1; ip addr add 198.51.100.254/24 dev eth0; ip link set bridge1 up; ip link set eth0 up; ip link set lo up
ip netns exec client sh -c 'ip addr add 192.0.2.2/24 dev c; ip addr add 10.1.1.1/24 dev c; ip link set c up; ip route add default via 192.0.2.1'
ip netns exec server sh -c 'ip addr add 198.51.100.8/24 dev s; ip addr add 198.51.100.1/24 dev s; ip link set s up; ip route add default via 198.51.100.254'
sysctl -qw net.ipv4.ip_forward=1
send() { ip netns exec client bash -c 'for each in $(seq 60); do echo x > /dev/udp/'$1'/'$2'; done' || true; sleep 0.5; }
`;

it('masquerades by the interface by which a packet came (01)', async ({ skip }) => {
  if (unavailable !== undefined) return skip(unavailable);
  const output = await inNamespace(`${router}nft -f - <<'RULES'
${rules('01')}RULES
send 198.51.100.8 443; conntrack -L -p udp 2>/dev/null`);
  const entries = output.trim().split('\n');
  const masqueraded = entries.filter((line) => line.includes('dst=198.51.100.254'));
  expect([entries.length, masqueraded.length]).toEqual([60, 60]);
  const said = summarize(
    walkRuleset(
      parseRulesetFile(rules('01')),
      {
        source: '192.0.2.2',
        destination: '198.51.100.8',
        destinationPort: 443,
        protocol: 'UDP',
        entersAt: 'PREROUTING',
        inInterface: 'bridge1',
        outInterface: 'eth0',
      },
      [],
    ),
  );
  expect(said).toMatchObject({ masquerade: true, unknown: [] });
});

it("sends the node's own packets to loopback past PREROUTING (02)", async ({ skip }) => {
  if (unavailable !== undefined) return skip(unavailable);
  const output = await inNamespace(`ip link set lo up; iptables-nft-restore <<'RULES'
${rules('02')}RULES
for each in $(seq 20); do bash -c 'echo x > /dev/tcp/127.0.0.1/80' 2>/dev/null || true; done; iptables-nft -t nat -L DOCKER -nvx | tail -1`);
  expect(output.trim().split(/\s+/)[0]).toBe('0');
  expect(
    summarize(
      walkRuleset(
        parseRulesetFile(rules('02')),
        { source: '127.0.0.1', destination: '127.0.0.1', destinationPort: 80, protocol: 'TCP', entersAt: 'OUTPUT' },
        [],
      ),
    ).verdict,
  ).toBe('NONE');
});

it('drops about a half (08)', async ({ skip }) => {
  if (unavailable !== undefined) return skip(unavailable);
  const output = await inNamespace(`${router}iptables-nft-restore <<'RULES'
${rules('08').replace('-p tcp', '-p udp')}RULES
send 198.51.100.8 443; iptables-nft -L FORWARD -nvx | tail -1`);
  const dropped = Number(output.trim().split(/\s+/)[0]);
  // 60 at one half: outside of these once in some 10 million runs.
  expect(dropped).toBeGreaterThan(9);
  expect(dropped).toBeLessThan(51);
});
