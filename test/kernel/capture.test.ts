/** A capture of real packets through real DNAT, with no capability but NET_RAW, read back by tshark as Wireshark reads it. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { capturedFile, receive, type CapturedNode } from '../../cmd/commands/capture.ts';
import { capturePlaces } from '../../core/capture/request.ts';
import { desiredService, endpoint } from '../support/node-facts.ts';
import { fullPath } from '../cluster/requirements.ts';
import { inNamespace, kernelUnavailable } from './namespace.ts';

const unavailable = kernelUnavailable(['ip', 'nft', 'nsenter', 'setpriv', 'dumpcap', 'tshark']);
const probe = `setpriv --bounding-set=-all,+net_raw --inh-caps=-all ${process.execPath} ${fileURLToPath(new URL('../../probe/main.ts', import.meta.url))}`;

const desired = desiredService([endpoint('10.0.2.2', { targetRef: { kind: 'Pod', name: 'auth-1' } })]);
const { places } = capturePlaces(desired);
const request = (extra: object = {}): string =>
  JSON.stringify({
    version: 1,
    node: 'node-a',
    places,
    durationSeconds: 4,
    maxBytes: 1_000_000,
    snapLength: 256,
    ...extra,
  });

/** A client and a server, each in a namespace of its own, behind a node that sends the ClusterIP on; three connections. */
const topology = `ip link set lo up; echo 1 >/proc/sys/net/ipv4/ip_forward
unshare --net sleep 60 & client=$!; unshare --net sleep 60 & server=$!
until [ "$(readlink /proc/$client/ns/net)" != "$(readlink /proc/self/ns/net)" ] && [ "$(readlink /proc/$server/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
ip link add veth-client type veth peer name eth0 netns $client; ip link add veth-server type veth peer name eth0 netns $server
ip addr add 10.0.1.1/24 dev veth-client; ip addr add 10.0.2.1/24 dev veth-server; ip link set veth-client up; ip link set veth-server up
nsenter -t $client -n sh -c 'ip addr add 10.0.1.2/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.1.1'
nsenter -t $server -n sh -c 'ip addr add 10.0.2.2/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.1'
nft add table ip t; nft 'add chain ip t pre { type nat hook prerouting priority -100; }'; nft add rule ip t pre ip daddr 10.96.0.7 tcp dport 80 dnat to 10.0.2.2:8080
nsenter -t $server -n ${process.execPath} -e 'require("node:http").createServer((_, response) => response.end("here")).listen(8080)' & http=$!
connect() { nsenter -t $client -n ${process.execPath} -e 'fetch("http://10.96.0.7").then((response) => response.text()).catch(() => process.exit(1))'; }
until connect; do sleep 0.2; done
`;
const cleanUp = 'kill $client $server $http\n';

async function capture(asked: string): Promise<CapturedNode> {
  const output = await inNamespace(`${topology}
out=$(mktemp); printf '%s\\n' '${asked}' | ${probe} capture >"$out" & probe=$!
until grep -q captureStart "$out"; do kill -0 $probe; sleep 0.1; done
while kill -0 $probe 2>/dev/null; do connect; sleep 0.3; done
cat "$out"; rm "$out"; ${cleanUp}`);
  const nodes = new Map<string, CapturedNode>();
  for (const line of output.split('\n')) receive(nodes, 'node-a', line);
  const node = nodes.get('node-a');
  if (node === undefined) throw new Error('the probe printed nothing');
  return node;
}

async function tshark(file: string, fields: readonly string[]): Promise<string[][]> {
  const { stdout } = await execa(
    'tshark',
    ['-n', '-r', file, '-T', 'fields', ...fields.flatMap((field) => ['-e', field])],
    { env: { PATH: fullPath(), HOME: tmpdir() } },
  );
  return stdout.split('\n').map((line) => line.split('\t'));
}

/** A flag of TCP, as tshark 4.0 and 4.2 write it. */
function isSet(flag: string | undefined): boolean {
  return flag === '1' || flag === 'True';
}

describe('a capture', () => {
  it('holds each packet on both sides of DNAT, in order, with its node and hop as comment', async ({ skip }) => {
    if (unavailable !== undefined) return skip(unavailable);
    const node = await capture(request());
    expect(node.end).toMatchObject({ reason: 'duration' });
    const file = join(await mkdtemp(join(tmpdir(), 'svctrace-capture-')), 'a.pcapng');
    // A second node whose clock is between: its packets are merged by time.
    const other: CapturedNode = {
      ...node,
      node: 'node-b',
      packets: node.packets.map((packet) => ({ ...packet, time: packet.time + 1 })),
    };
    await writeFile(
      file,
      [...capturedFile([node, other], places, desired)].reduce(
        (whole, piece) => Buffer.concat([whole, piece]),
        Buffer.alloc(0),
      ),
    );
    const rows = await tshark(file, [
      'frame.time_epoch',
      'frame.interface_name',
      'frame.interface_description',
      'ip.src',
      'ip.dst',
      'tcp.flags.syn',
      'tcp.flags.ack',
      'frame.comment',
      '_ws.malformed',
    ]);
    expect(rows).toHaveLength(2 * node.packets.length);
    const times = rows.map(([time]) => Number(time));
    expect(times).toEqual([...times].sort((one, other) => one - other));
    expect(
      rows.every(
        ([, name = '', description = '', , , , , comment = '', malformed = '']) =>
          comment.startsWith(`${name} `) && description.startsWith(`node ${name}`) && malformed === '',
      ),
    ).toBe(true);
    // The first connection that was seen from its beginning.
    const begun = rows.find((row) => isSet(row[5]) && !isSet(row[6]) && row[4] === '10.96.0.7');
    const client = /client (\S+:\d+)/.exec(begun?.[7] ?? '')?.[1] ?? 'nobody';
    const handshake = rows.filter(
      (row) => row[1] === 'node-a' && isSet(row[5]) && row[7]?.includes(`client ${client}`) === true,
    );
    expect(handshake.map(([, , , source, destination]) => `${source ?? ''} ${destination ?? ''}`)).toEqual([
      '10.0.1.2 10.96.0.7',
      '10.0.1.2 10.0.2.2',
      '10.0.2.2 10.0.1.2',
      '10.96.0.7 10.0.1.2',
    ]);
    expect(handshake.map((row) => row[7]?.replaceAll(/:\d{5}/g, ':PORT'))).toEqual([
      'node-a veth-client in: client 10.0.1.2:PORT to ClusterIP 10.96.0.7:80, before DNAT',
      'node-a veth-server out: client 10.0.1.2:PORT to endpoint 10.0.2.2:8080 (pod auth-1), after DNAT',
      'node-a veth-server in: endpoint 10.0.2.2:8080 (pod auth-1) to client 10.0.1.2:PORT, answer, before DNAT is undone',
      'node-a veth-client out: ClusterIP 10.96.0.7:80 to client 10.0.1.2:PORT, answer, after DNAT was undone',
    ]);
  });

  it('ends when it is full, and holds no more than was asked for', async ({ skip }) => {
    if (unavailable !== undefined) return skip(unavailable);
    const node = await capture(request({ maxBytes: 1000, snapLength: 100, durationSeconds: 60 }));
    expect(node.end).toMatchObject({ reason: 'bytes' });
    const sizes = node.packets.map(({ data }) => Buffer.from(data, 'base64').length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(100);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(1000);
    expect(sizes.length).toBeGreaterThan(0);
  });

  it('says what is missing where there is no tool', async ({ skip }) => {
    if (unavailable !== undefined) return skip(unavailable);
    const output = await inNamespace(
      `printf '%s\\n' '${request()}' | PATH=/nonexistent ${process.execPath} ${fileURLToPath(new URL('../../probe/main.ts', import.meta.url))} capture`,
    );
    expect(JSON.parse(output.trim().split('\n').at(-1) ?? '')).toEqual({
      kind: 'captureEnd',
      reason: 'failed',
      packets: 0,
      problem: 'dumpcap is not installed',
    });
  });
});
