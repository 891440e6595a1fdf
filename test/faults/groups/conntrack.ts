/** The connection tables of the nodes, with entries that real clients make. */
import { testpodImage } from '../../cluster/images.ts';
import type { Fault, FaultGroup } from '../fault.ts';
import { entryRule, deleteRule, iptables, rulesOf, serviceChain } from '../iptables-edits.ts';
import { eventually } from '../../support/eventually.ts';
import type { Place } from '../place.ts';
import { namespace } from '../place.ts';
import { syncGraceSeconds } from '../prepare.ts';
import { clientPod, serverPod, service } from '../workload.ts';
import { seenFromOne } from './node-settings.ts';

const udp = (name: string): Fault['objects'] => [
  service(name, { ports: [{ name: 'dns', port: 53, targetPort: 5353, protocol: 'UDP' }] }),
];

/** Entries that nobody answers go after 30 s; on these nodes they stay until the fault is taken away. */
async function keepEntries(place: Place, node: string): Promise<() => Promise<unknown>> {
  const timeout = '/proc/sys/net/netfilter/nf_conntrack_udp_timeout';
  const write = async (seconds: string): Promise<unknown> =>
    place.node(node).exec(['sh', '-c', `echo ${seconds} > ${timeout}`]);
  const { stdout } = await place.node(node).exec(['cat', timeout]);
  await write('300');
  return async () => write(stdout.trim());
}

/** Datagrams from a pod of the node, each from a port of its own, whether they are answered or not. */
async function sendDatagrams(place: Place, client: string, address: string): Promise<void> {
  await place.kubectl([
    '-n',
    namespace,
    'exec',
    client,
    '--',
    '/testpod',
    'connect',
    '--udp',
    '--count',
    '2',
    '--timeout',
    '300ms',
    '--to',
    `${address}:53`,
  ]);
}

async function deleteEntries(place: Place, node: string, ...filter: string[]): Promise<void> {
  // It ends with 1 where nothing matches.
  await place.node(node).exec(['conntrack', '-D', ...filter], { reject: false });
}

/** More entries than this share of nf_conntrack_max is a table that is nearly full (core/diagnose/findings/ct-full.ts). */
const filledShare = 0.85;

export const conntrack: FaultGroup = {
  name: 'conntrack',
  graceSeconds: syncGraceSeconds,
  faults: [
    {
      name: 'udp-entries-to-a-gone-endpoint',
      does: 'a UDP client sends while a rule sends packets to an address that no pod has; the rule is taken away, and its entries stay (node-a)',
      service: 'udp-stale',
      objects: udp('udp-stale') ?? [],
      expected: ['CT-UDP-STALE node-a'],
      inject: async (place) => {
        const on = place.node('node-a');
        const address = await place.clusterIp('udp-stale');
        const restoreTimeout = await keepEntries(place, 'node-a');
        const rule = `${await serviceChain(on, 'udp-stale', 'dns')} -p udp -j DNAT --to-destination 10.244.9.9:5353`;
        await iptables(on, 'nat', `-I ${rule}`);
        try {
          await sendDatagrams(place, 'client-a', address);
        } finally {
          await iptables(on, 'nat', `-D ${rule}`);
        }
        return async () => {
          await deleteEntries(place, 'node-a', '-p', 'udp', '--orig-dst', address);
          await restoreTimeout();
        };
      },
    },
    {
      name: 'udp-entries-without-nat',
      does: 'a UDP client sends while the rule of the Service is not there: its entries point to the cluster IP itself, also when the rule is back (node-c)',
      service: 'udp-unnatted',
      objects: udp('udp-unnatted') ?? [],
      expected: ['CT-UDP-UNNATTED node-c'],
      inject: async (place) => {
        const on = place.node('node-c');
        const address = await place.clusterIp('udp-unnatted');
        const restoreTimeout = await keepEntries(place, 'node-c');
        const rule = await entryRule(on, 'udp-unnatted', 'dns');
        const position = (await rulesOf(on, 'nat', 'KUBE-SERVICES')).indexOf(rule) + 1;
        await deleteRule(on, 'nat', rule);
        try {
          await sendDatagrams(place, 'client-c', address);
        } finally {
          await iptables(on, 'nat', rule.replace(/^-A (\S+)/, `-I $1 ${String(position)}`));
        }
        return async () => {
          await deleteEntries(place, 'node-c', '-p', 'udp', '--orig-dst', address);
          await restoreTimeout();
        };
      },
    },
    {
      name: 'connection-to-a-removed-endpoint',
      does: 'a client holds a connection to a pod whose label is then taken away: it is no longer an endpoint (node-a)',
      service: 'tcp-gone',
      objects: [
        service('tcp-gone', { selector: { app: 'tcp-gone', serves: 'yes' } }),
        serverPod('tcp-gone-b', 'tcp-gone', 'node-b', { labels: { serves: 'yes' } }),
        serverPod('tcp-gone-c', 'tcp-gone', 'node-c', { labels: { serves: 'yes' } }),
      ],
      expected: ['CT-TCP-ESTABLISHED-GONE node-a'],
      inject: async (place) => {
        const address = await place.clusterIp('tcp-gone');
        // Enough connections that some go to the pod that is removed; they are held until the client is deleted.
        const client = clientPod('client-held', 'node-a', {
          containers: [
            {
              name: 'client',
              image: testpodImage,
              imagePullPolicy: 'Never',
              args: ['connect', '--count', '12', '--hold', '300s', '--to', `${address}:80`],
            },
          ],
        });
        await place.apply([client]);
        await eventually(async () => {
          const answers = await place.kubectl(['-n', namespace, 'logs', 'client-held']);
          if (answers.split('"ok":true').length !== 13)
            throw new Error(`client-held has not made its connections: ${answers}`);
        }, 30);
        await place.patch('pod/tcp-gone-b', { metadata: { labels: { serves: 'no' } } });
        return async () => {
          await place.kubectl([
            '-n',
            namespace,
            'delete',
            'pod',
            'client-held',
            '--force',
            '--grace-period=0',
            '--wait=true',
          ]);
          await place.patch('pod/tcp-gone-b', { metadata: { labels: { serves: 'yes' } } });
          await deleteEntries(place, 'node-a', '-p', 'tcp', '--orig-dst', address);
        };
      },
    },
  ],
};

export const conntrackFull: FaultGroup = {
  name: 'conntrack full',
  graceSeconds: 0,
  faults: [
    {
      name: 'conntrack-table-full',
      does: `entries are put into the connection table until it is ${String(filledShare * 100)} % full (node-a)`,
      ...seenFromOne,
      node: 'node-a',
      expected: ['CT-FULL node-a'],
      inject: async (place) => {
        const on = place.node('node-a');
        const max = Number((await on.exec(['cat', '/proc/sys/net/netfilter/nf_conntrack_max'])).stdout);
        const lines = Array.from({ length: Math.ceil(max * filledShare) }, (_, index) => {
          const source = `198.18.${String((index >> 15) & 255)}.${String((index >> 7) & 255)}`;
          return `-I -s ${source} -d 198.19.0.1 -p udp --sport ${String(1024 + (index & 127))} --dport 9 --timeout 300 -u ASSURED`;
        });
        // It opens its input again, which it can of a pipe.
        await on.exec(['sh', '-c', 'cat | conntrack --load-file -'], {
          input: `${lines.join('\n')}\n`,
          timeout: 120_000,
        });
        return async () =>
          on.exec(['conntrack', '-D', '-p', 'udp', '--orig-dst', '198.19.0.1'], { timeout: 120_000, reject: false });
      },
    },
  ],
};
