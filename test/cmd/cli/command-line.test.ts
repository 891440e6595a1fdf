/** argv to a request, and the sentence for what is refused. */
import { describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../../cmd/cli/command-line.ts';
import { UsageError } from '../../../cmd/cli/errors.ts';
import type { Request } from '../../../cmd/cli/request.ts';

async function requestOf(line: string): Promise<Request> {
  const parsed = await parseCommandLine(
    line.split(' ').filter((word) => word !== ''),
    100,
  );
  if (parsed.kind !== 'request') throw new Error(`help was printed:\n${parsed.text}`);
  return parsed.request;
}

const accepted: [string, object][] = [
  [
    'auth-service',
    {
      command: 'trace',
      service: 'auth-service',
      origin: { kind: 'operator', keep: false },
      conntrack: 'Summary',
      watch: false,
      timeoutMilliseconds: 60_000,
      failOn: 'error',
      nodes: [],
    },
  ],
  ['trace auth-service', { command: 'trace', service: 'auth-service' }],
  ['trace install', { command: 'trace', service: 'install' }],
  ['auth-service -n shop -o json', { service: 'auth-service', output: 'json', flags: { namespace: 'shop' } }],
  ['auth-service -n a -n b', { flags: { namespace: 'b' } }],
  ['-n shop auth-service', { service: 'auth-service', flags: { namespace: 'shop' } }],
  ['auth-service --node node-a --node node-b,node-c', { nodes: ['node-a', 'node-b', 'node-c'] }],
  ['auth-service --from client-a', { from: { pod: 'client-a' } }],
  ['auth-service --from pod/client-a', { from: { pod: 'client-a' } }],
  ['auth-service --from fd00::7', { from: { ip: 'fd00::7' } }],
  ['auth-service --conntrack entries --timeout 1m30s', { conntrack: 'Entries', timeoutMilliseconds: 90_000 }],
  [
    'auth-service --timeout 0 --fail-on warning --keep',
    { timeoutMilliseconds: 0, failOn: 'warning', origin: { kind: 'operator', keep: true } },
  ],
  ['--connect auth-service', { service: 'auth-service', connect: 'Transport' }],
  ['auth-service --connect=http', { connect: 'HTTP' }],
  ['auth-service', { connect: 'None' }],
  ['auth-service -w -o yaml', { watch: true, output: 'yaml' }],
  ['auth-service -w -o name', { watch: true, output: 'name' }],
  ['auth-service -A', { allNamespaces: true }],
  [
    'auth-service --standalone',
    { origin: { kind: 'standalone', probeNamespace: 'kube-system', probeImage: 'svctrace/probe:v0.1.0' } },
  ],
  [
    'auth-service --standalone --probe-namespace p --probe-image i:1',
    { origin: { kind: 'standalone', probeNamespace: 'p', probeImage: 'i:1' } },
  ],
  [
    '--bundle t.svctrace --view rules --node node-b',
    { origin: { kind: 'bundle', file: 't.svctrace' }, view: 'rules', nodes: ['node-b'] },
  ],
  ['--bundle t.svctrace', { origin: { kind: 'bundle', file: 't.svctrace' } }],
  ['--trace by-gitops', { origin: { kind: 'existing', trace: 'by-gitops' } }],
  [
    'auth-service --as jane --as-group dev --as-group ops --as-uid 7',
    { flags: { as: 'jane', asGroups: ['dev', 'ops'], asUid: '7' } },
  ],
  [
    'auth-service -s https://api:6443 --token t --request-timeout 5s -v 6',
    { flags: { server: 'https://api:6443', token: 't', requestTimeoutMilliseconds: 5000, verbosity: 6 } },
  ],
  [
    'auth-service --insecure-skip-tls-verify --tls-server-name api --certificate-authority ca.crt',
    { flags: { insecureSkipTlsVerify: true, tlsServerName: 'api', certificateAuthority: 'ca.crt' } },
  ],
  [
    'explain auth-service --from client-a --to 80 --node node-a',
    {
      command: 'explain',
      origin: { kind: 'service', service: 'auth-service', timeoutMilliseconds: 60_000 },
      from: { pod: 'client-a' },
      to: { port: 80 },
      nodes: ['node-a'],
      connect: 'None',
      output: 'text',
    },
  ],
  [
    'explain auth-service --connect',
    { command: 'explain', origin: { kind: 'service', service: 'auth-service' }, connect: 'Transport' },
  ],
  [
    'explain --bundle b auth-service --to [fd00::1]:80 -o json',
    {
      origin: { kind: 'bundle', file: 'b', service: 'auth-service' },
      to: { address: 'fd00::1', port: 80 },
      output: 'json',
    },
  ],
  [
    'report auth-service --to r.html',
    {
      command: 'report',
      origin: { kind: 'service', service: 'auth-service' },
      file: 'r.html',
      overwrite: false,
      conntrack: 'Summary',
      connect: 'None',
      nodes: [],
      failOn: 'error',
    },
  ],
  [
    'report auth-service --to r.html --from client-a --connect',
    { command: 'report', from: { pod: 'client-a' }, connect: 'Transport', conntrack: 'Entries' },
  ],
  [
    'report auth-service --to r.html --from 10.0.0.1 --connect=http --conntrack summary',
    { from: { ip: '10.0.0.1' }, connect: 'HTTP', conntrack: 'Summary' },
  ],
  [
    'report --bundle b --to r.html --from 10.0.0.1',
    { origin: { kind: 'bundle', file: 'b' }, from: { ip: '10.0.0.1' }, connect: 'None' },
  ],
  [
    'report --bundle b --to r.html --overwrite --node node-a --fail-on warning',
    { origin: { kind: 'bundle', file: 'b' }, overwrite: true, nodes: ['node-a'], failOn: 'warning' },
  ],
  [
    'diagram auth-service -n shop -o svg --fail-on warning',
    {
      command: 'diagram',
      origin: { kind: 'service', service: 'auth-service' },
      output: 'svg',
      failOn: 'warning',
      nodes: [],
    },
  ],
  [
    'dns auth-service',
    {
      command: 'dns',
      service: 'auth-service',
      nodes: [],
      exec: false,
      output: 'table',
      origin: { kind: 'cluster', probeNamespace: 'kube-system', timeoutMilliseconds: 60_000 },
    },
  ],
  [
    'dns auth-service --from pod/client-a --exec --node node-a -o json',
    { from: 'client-a', exec: true, nodes: ['node-a'], output: 'json' },
  ],
  ['dns --bundle f', { origin: { kind: 'bundle', file: 'f' } }],
  [
    'logs auth-service',
    {
      command: 'logs',
      service: 'auth-service',
      follow: false,
      previous: false,
      kubeProxy: false,
      tail: 100,
      nodes: [],
    },
  ],
  [
    'logs auth-service -f -c app -l tier=web --since 10m',
    { follow: true, container: 'app', selector: 'tier=web', sinceSeconds: 600 },
  ],
  ['logs auth-service --kube-proxy --node node-a --tail -1 -p', { kubeProxy: true, nodes: ['node-a'], previous: true }],
  ['capture a --to b --overwrite', { overwrite: true }],
  ['logs auth-service --raw', { raw: true }],
  [
    'capture auth-service --to a.pcapng',
    {
      command: 'capture',
      service: 'auth-service',
      file: 'a.pcapng',
      overwrite: false,
      nodes: [],
      durationSeconds: 30,
      maxBytes: 16 * 1024 * 1024,
      snapLength: 256,
    },
  ],
  [
    'capture a --to b --node n,m --duration 2m --max-bytes 512k --snaplen 1500',
    { nodes: ['n', 'm'], durationSeconds: 120, maxBytes: 512 * 1024, snapLength: 1500 },
  ],
  ['findings', { command: 'findings', output: 'table' }],
  ['findings rule-ep-stale -o json', { command: 'findings', id: 'rule-ep-stale', output: 'json' }],
  ['record auth-service --to x.svctrace', { command: 'record', service: 'auth-service', file: 'x.svctrace' }],
  ['install --dry-run', { command: 'install', dryRun: true, timeoutMilliseconds: 120_000 }],
  ['uninstall -y', { command: 'uninstall', yes: true }],
  ['status -o json', { command: 'status', output: 'json' }],
  ['version', { command: 'version', output: 'text' }],
  [
    'simulate --from 10.0.0.1 --to 10.96.0.10:53/udp --ruleset a --ruleset - --node-ip 172.30.0.11 -o json',
    {
      command: 'simulate',
      from: { address: '10.0.0.1' },
      to: { address: '10.96.0.10', port: 53, protocol: 'UDP' },
      origin: { kind: 'ruleset', files: ['a', '-'] },
      nodeIps: ['172.30.0.11'],
      output: 'json',
    },
  ],
  [
    'simulate auth -n shop --node node-a,node-b --from [fd00::1]:4000 --to [fd00::2]:80 --in-interface eth0',
    {
      origin: { kind: 'service', service: 'auth', timeoutMilliseconds: 60_000 },
      from: { address: 'fd00::1', port: 4000 },
      nodes: ['node-a', 'node-b'],
      interfaces: { in: 'eth0' },
    },
  ],
  [
    'simulate --bundle b auth --from 10.0.0.1 --to 10.0.0.2:80',
    { origin: { kind: 'bundle', file: 'b', service: 'auth' } },
  ],
  ['simulate --from fd00::1 --to [fd00::2]:80 --ruleset a', { to: { address: 'fd00::2', port: 80, protocol: 'TCP' } }],
  ['completion zsh', { command: 'completion', shell: 'zsh' }],
  ['__complete trace -n kube-system au', { command: '__complete', words: ['trace', '-n', 'kube-system', 'au'] }],
];

describe('accepts', () => {
  it.each(accepted)('%s', async (line, expected) => {
    expect(await requestOf(line)).toMatchObject(expected);
  });
});

const refused: [string, string][] = [
  ['-o json', 'Which Service? Write kubectl svctrace SERVICE; kubectl get services lists them.'],
  ['auth-service -o xml', '-o "xml" is not known; it is one of table, wide, json, yaml, name, mermaid, dot, svg.'],
  [
    'auth-service --watch -o mermaid',
    '-o mermaid and --watch exclude each other: a picture is drawn once; use table, wide, json, yaml or name.',
  ],
  [
    'report auth-service',
    '--to FILE is missing: where shall the report go? Write kubectl svctrace report SERVICE --to FILE.html.',
  ],
  [
    'report --to r.html',
    'Which Service? Write kubectl svctrace report SERVICE --to FILE.html, or --bundle FILE for a recorded trace.',
  ],
  [
    'report --bundle b --to r.html --connect',
    '--connect has no meaning with --bundle: what was connected to when it was recorded is shown.',
  ],
  [
    'report auth-service --to r.html --from Client_A',
    '--from "Client_A" is neither an IP address nor the name of a pod in the Service\'s namespace.',
  ],
  [
    'report --bundle b --to r.html --conntrack none',
    '--conntrack has no meaning with --bundle: it has been collected already.',
  ],
  ['diagram auth -o json', '-o "json" is not known; it is one of text, mermaid, dot, svg.'],
  ['auth-service --view rules -o json', '--view and -o exclude each other: a view is of the TUI.'],
  [
    'simulate --to 10.0.0.1:80 --ruleset a',
    '--from is missing. Write kubectl svctrace simulate --from 10.244.0.7 --to 10.96.0.10:53/udp --ruleset FILE.',
  ],
  [
    'simulate --from 10.0.0.1 --to 10.0.0.2:80',
    'Whose rules? Give a SERVICE, or --ruleset FILE with what iptables-save or nft list ruleset printed, or --bundle FILE with a recorded trace. Write kubectl svctrace simulate --from 10.244.0.7 --to 10.96.0.10:53/udp --ruleset FILE.',
  ],
  [
    'simulate auth --from 10.0.0.1 --to 10.0.0.2:80 --ruleset a',
    '--ruleset and a SERVICE exclude each other: each says whose rules are meant.',
  ],
  [
    'simulate --from 10.0.0.1 --to 10.0.0.2:80 --ruleset a --bundle b',
    '--ruleset and --bundle exclude each other: each says whose rules are meant.',
  ],
  [
    'simulate --from 10.0.0.1 --to 10.0.0.2:80 --ruleset a --node b',
    '--node has no meaning with --ruleset: dumps are of one machine.',
  ],
  [
    'simulate auth --from 10.0.0.1 --to 10.0.0.2:80 --node-ip 10.0.0.3',
    "--node-ip needs --ruleset: a trace knows its nodes' addresses.",
  ],
  [
    'simulate --from 10.0.0.1 --to 10.0.0.2:80 --ruleset a --probe-image b',
    '--probe-image needs a SERVICE: its nodes alone are asked.',
  ],
  [
    'simulate --from 10.0.0.1 --to 10.0.0.2 --ruleset a',
    '--to "10.0.0.2" is not IP:PORT or IP:PORT/PROTOCOL with tcp, udp or sctp, such as 10.96.0.10:53/udp or [fd00::1]:80.',
  ],
  [
    'simulate --from auth --to 10.0.0.2:80 --ruleset a',
    '--from "auth" is not an IP address, nor IP:PORT; dumps know no pods.',
  ],
  [
    'simulate --from fd00::1 --to 10.0.0.2:80 --ruleset a',
    '--from fd00::1 and --to 10.0.0.2:80 are of different IP families: no packet has both.',
  ],
  [
    'explian auth-service',
    'There is no command "explian"; the commands are trace, explain, diagram, report, dns, logs, rollout, capture, record, simulate, findings, install, uninstall, status, version, completion. A Service is traced with kubectl svctrace SERVICE.',
  ],
  ['explain', 'Which Service? Write kubectl svctrace explain SERVICE, or --bundle FILE for a recorded trace.'],
  [
    'explain auth --to 10.0.0.1',
    '--to "10.0.0.1" is neither a port nor IP:PORT, such as 80, 10.96.0.10:53 or [fd00::1]:80.',
  ],
  [
    'explain --bundle b --connect=http',
    '--connect=http has no meaning with --bundle: what was connected to when it was recorded is shown.',
  ],
  ['explain --bundle b --timeout 5s', '--timeout has no meaning with --bundle: it has been collected already.'],
  ['auth-service --no-such-flag', 'There is no flag "--no-such-flag"; kubectl svctrace --help lists what there is.'],
  ['auth-service -q -z', 'There is no flag "-q", "-z"; kubectl svctrace --help lists what there is.'],
  ['explain auth-service more', 'There is no argument "more"; kubectl svctrace --help lists what there is.'],
  ['install more --keep', 'There is no flag "--keep", "more"; kubectl svctrace --help lists what there is.'],
  ['auth-service --no-such-flag=1', 'There is no flag "--no-such-flag"; kubectl svctrace --help lists what there is.'],
  ['auth-service --node', '--node needs a value.'],
  ['auth-service --conntrack all', '--conntrack "all" is not known; it is one of none, summary, entries.'],
  ['auth-service --color red', '--color "red" is not known; it is one of auto, always, never.'],
  ['auth-service --fail-on info', '--fail-on "info" is not known; it is one of error, warning.'],
  ['auth-service --timeout fast', '--timeout "fast" is not a duration; write it as 30s or 1m30s, or 0 for no limit.'],
  ['auth-service -v x', '-v "x" must be a number, such as 6 to see each request.'],
  [
    'default/auth-service',
    '"default/auth-service" is not the name of a Service; the namespace is a flag: kubectl svctrace auth-service -n default',
  ],
  ['svc/auth-service', '"svc/auth-service": write the name alone: kubectl svctrace auth-service'],
  ['Auth', '"Auth" is not the name of a Service: lower case letters, digits and "-".'],
  [
    'auth-service --standalone --bundle f',
    '--bundle and --standalone exclude each other: each says where the trace comes from.',
  ],
  [
    'auth-service --keep --standalone',
    '--keep has no meaning with --standalone: no ServiceTrace is created that could be kept.',
  ],
  ['auth-service --probe-image i', '--probe-image needs --standalone: the operator has its own.'],
  ['--bundle f --view rules --node a,b', '--node has no meaning with --bundle: it has been collected already.'],
  ['--bundle f --node a', '--node has no meaning with --bundle: it has been collected already.'],
  ['--bundle f --watch', '--watch and --bundle exclude each other: a recorded trace does not change.'],
  [
    'auth-service --watch --connect',
    '--connect and --watch exclude each other: the connections would be made again at every look.',
  ],
  ['auth-service --connect=ping', '--connect "ping" is not known; it is one of none, transport, http.'],
  ['--bundle f -A', '-A has no meaning with --bundle: that says which Service is meant.'],
  [
    'simulate auth --from 10.0.0.1 --to 10.0.0.2:80 --bundle b --timeout 5s',
    '--timeout has no meaning with --bundle: it has been collected already.',
  ],
  ['dns --bundle f --timeout 5s', '--timeout has no meaning with --bundle: it has been collected already.'],
  ['auth-service -A -n x', '-A and -n exclude each other: all namespaces are looked in, or one.'],
  [
    'auth-service --as-group dev',
    '--as-group needs --as: the API server impersonates a group or a UID with a user alone.',
  ],
  ['auth-service --from !', '--from "!" is neither an IP address nor the name of a pod in the Service\'s namespace.'],
  [
    'capture a',
    '--to FILE is missing: where shall the packets go? Write kubectl svctrace capture SERVICE --to FILE.pcapng.',
  ],
  ['capture a --to b --duration 1h', '--duration must be between 1s and 10m.'],
  ['capture a --to b --max-bytes 2G', '--max-bytes "2G" must be between 1K and 1024M, such as 16M.'],
  ['logs', 'Which Service? Write kubectl svctrace logs SERVICE.'],
  ['logs a -f -p', '--follow and --previous exclude each other: a run that has ended writes no more.'],
  [
    'logs a --kube-proxy -l x=y',
    "--selector has no meaning with --kube-proxy: kube-proxy's pods have one container, and are chosen with --node.",
  ],
  ['logs a --tail x', '--tail "x" must be a number, such as 100.'],
  ['dns', 'Which Service? Write kubectl svctrace dns SERVICE.'],
  ['dns auth-service --exec', '--exec needs --from: it reads /etc/resolv.conf in that pod.'],
  ['dns auth-service --from 10.0.0.1', '--from "10.0.0.1" must be a pod: only a pod has a resolv.conf of its own.'],
  ['dns --bundle f --node a', '--node has no meaning with --bundle: it has been collected already.'],
  [
    'record auth-service',
    '--to FILE is missing: where shall the recorded trace go? Write kubectl svctrace record SERVICE --to FILE.',
  ],
  ['completion', 'Which shell? It is one of bash, zsh, fish.'],
  ['completion tcsh', 'The shell "tcsh" is not known; it is one of bash, zsh, fish.'],
];

describe('refuses', () => {
  it.each(refused)('%s', async (line, sentence) => {
    await expect(requestOf(line)).rejects.toThrow(new UsageError(sentence));
  });
});

describe('help', () => {
  it.each([
    '--help',
    'trace --help',
    'record -h',
    'install --help',
    'uninstall --help',
    'status --help',
    'version --help',
    'completion --help',
  ])('%s begins its usage with kubectl svctrace', async (line) => {
    const parsed = await parseCommandLine(line.split(' '), 100);
    expect(parsed.kind === 'help' && parsed.text.split('\n')[0]).toMatch(/^Usage: kubectl svctrace /);
  });

  it('lists what is there, and no more', async () => {
    const parsed = await parseCommandLine(['--help'], 100);
    await expect(parsed.kind === 'help' ? parsed.text : '').toMatchFileSnapshot('screens/help.txt');
  });
});
