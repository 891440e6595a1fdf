/** What the plugin runs in pods: each program of the machine makes real connections, in a namespace of its own. */
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { readConnections } from '../../cmd/cluster/pod-connect.ts';
import { connectTools } from '../../cmd/cluster/pod-connect-tools.ts';
import type { ConnectTarget } from '../../core/api/connect-targets.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';

const unavailable = kernelUnavailable(['ip', 'nft', 'python3']);

const target = (address: string, port: number, protocol: ConnectTarget['protocol'] = 'TCP'): ConnectTarget => ({
  hop: 'Endpoint',
  address,
  port,
  protocol,
});
const targets = [
  target('10.0.0.1', 8080),
  target('10.0.0.1', 9),
  target('10.0.0.1', 81),
  target('192.0.2.1', 80),
  target('fd01::1', 8080),
  target('10.0.0.1', 5353, 'UDP'),
  target('10.0.0.1', 5354, 'UDP'),
  target('10.0.0.1', 9, 'UDP'),
  target('10.0.0.1', 9, 'SCTP'),
];

const tcp = ['connected', 'refused', 'timeout', 'unreachable', 'connected'];
const expected: ReadonlyMap<string, readonly string[]> = new Map([
  ['node', [...tcp, 'answered', 'noReply', 'refused', 'untried']],
  ['python3', [...tcp, 'answered', 'noReply', 'refused', 'untried']],
  ['bash', [...tcp, 'untried', 'untried', 'untried', 'untried']],
  ['nc', [...tcp, 'untried', 'untried', 'untried', 'untried']],
  ['curl', [...tcp, 'untried', 'untried', 'untried', 'untried']],
]);

function isInstalled(program: string): boolean {
  try {
    execFileSync('sh', ['-c', 'command -v "$1"', 'sh', program], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const server = `import socket, threading, time
listening = socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True)
mute = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); mute.bind(("10.0.0.1", 5354))
echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); echo.bind(("10.0.0.1", 5353))
def answer():
    while True: echo.sendto(b"x", echo.recvfrom(9)[1])
threading.Thread(target=answer, daemon=True).start()
print("listening", flush=True)
while True: listening.accept()[0].close()`;

it('knows what is expected of every program', () => {
  expect(connectTools.map(({ name }) => name)).toEqual([...expected.keys()]);
});

for (const { name, argv } of connectTools) {
  it(`${name} reports the result of each connection`, async ({ skip }) => {
    if (unavailable !== undefined) return skip(unavailable);
    if (!isInstalled(name)) return skip(`this machine has no ${name}`);
    const quoted = [...argv, ...targets.map(({ protocol, address, port }) => `${protocol}/${address}/${String(port)}`)]
      .map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`)
      .join(' ');
    const output =
      await inNamespace(`ip link set lo up; ip link add v0 type veth peer name v1; ip addr add 10.0.0.1/24 dev v0; ip addr add fd01::1/64 dev v0 nodad; ip link set v0 up; ip link set v1 up
nft -f - <<'RULES'
table ip t {
	chain input { type filter hook input priority 0; tcp dport 81 drop; }
}
RULES
said=$(mktemp); python3 -c '${server}' >"$said" & servers=$!
until grep -q listening "$said"; do kill -0 $servers; sleep 0.1; done
${quoted}
kill $servers; rm "$said"`);
    expect(readConnections(output, targets, { name }).map(({ outcome }) => outcome)).toEqual(expected.get(name));
  });
}
