/** Single changes of what kube-proxy wrote, and the findings about rules that each must give: no more, and no less. */
import { iptablesChainNames, iptablesEndpointChainName } from '../../core/kube-proxy/chain-names.ts';
import type { DesiredService } from '../../core/api/service.ts';
import type { Protocol } from '../../core/net/family.ts';
import type { DumpedNode, NftObject } from './dumped-node.ts';

export interface RuleMutation {
  readonly name: string;
  readonly mode: 'iptables' | 'nftables';
  readonly service: string;
  readonly change?: (node: DumpedNode, service: { readonly clusterIP: string }) => void;
  readonly desired?: (desired: DesiredService) => DesiredService;
  readonly ids: readonly string[];
}

/** The lines of a chain of iptables (IPv4), to be changed. */
function chain(node: DumpedNode, name: string, table = 'nat'): string[] {
  const dump = (node.iptables.nf_tables ?? node.iptables.legacy)?.IPv4;
  const found = dump?.get(table)?.get(name);
  if (found === undefined) throw new Error(`there is no chain ${name} in ${table}`);
  return found.lines;
}

function remove(lines: string[], pattern: RegExp): void {
  const at = lines.findIndex((line) => pattern.test(line));
  if (at < 0) throw new Error(`no rule is like ${pattern.source}`);
  lines.splice(at, 1);
}

function edit(lines: string[], pattern: RegExp, by: string): void {
  const at = lines.findIndex((line) => pattern.test(line));
  if (at < 0) throw new Error(`no rule is like ${pattern.source}`);
  lines[at] = (lines[at] ?? '').replace(pattern, by);
}

function move(lines: string[], from: number, to: number): void {
  const [line] = lines.splice(from, 1);
  if (line !== undefined) lines.splice(to < 0 ? lines.length : to, 0, line);
}

/** A table of another program with one rule on a hook. */
function foreignTable(
  node: DumpedNode,
  hook: string,
  prio: number,
  expr: readonly unknown[],
  extra: { readonly family?: string; readonly type?: string; readonly policy?: string } = {},
): void {
  const { family = 'inet', type = 'filter', policy = 'accept' } = extra;
  node.nftables.push(
    { table: { family, name: 'guard', handle: 90 } },
    { chain: { family, table: 'guard', name: 'first', handle: 91, type, hook, prio, policy } },
  );
  if (expr.length > 0) node.nftables.push({ rule: { family, table: 'guard', chain: 'first', handle: 92, expr } });
}

const names = (service: string, protocol: Protocol = 'TCP'): ReturnType<typeof iptablesChainNames> =>
  iptablesChainNames({ namespace: 'default', name: service, protocol });
const sep = (service: string, endpoint: string): string =>
  iptablesEndpointChainName({ namespace: 'default', name: service, protocol: 'TCP' }, endpoint);

const spec =
  (changes: Partial<DesiredService['service']>) =>
  (desired: DesiredService): DesiredService => ({ ...desired, service: { ...desired.service, ...changes } });
const withEndpoints =
  (of: string) =>
  (desired: DesiredService): DesiredService => ({
    ...desired,
    endpointSlices: [
      {
        name: `${of}-1`,
        addressType: 'IPv4',
        ports: [{ protocol: 'TCP', port: 8080 }],
        endpoints: [{ addresses: ['10.244.1.2'], ready: true, serving: true, terminating: false, nodeName: 'node-a' }],
      },
    ],
  });

const one = 'ipv4-only';
const [own, remote] = ['10.244.1.2:8080', '10.244.2.2:8080'];

const ofIptables: readonly Omit<RuleMutation, 'mode'>[] = [
  {
    name: 'PREROUTING without its jump',
    service: one,
    change: (node) => {
      remove(chain(node, 'PREROUTING'), /KUBE-SERVICES/);
    },
    ids: ['RULE-NO-JUMP'],
  },
  {
    name: 'OUTPUT without its jump',
    service: one,
    change: (node) => {
      remove(chain(node, 'OUTPUT'), /KUBE-SERVICES/);
    },
    ids: ['RULE-NO-JUMP'],
  },
  {
    name: 'nat flushed',
    service: one,
    change: (node) => {
      for (const { lines } of node.iptables.nf_tables?.IPv4?.get('nat')?.values() ?? []) lines.length = 0;
    },
    ids: ['RULE-NO-JUMP'],
  },
  {
    name: 'PREROUTING that leads there by another chain',
    service: one,
    change: (node) => {
      node.iptables.nf_tables?.IPv4?.get('nat')?.set('KUBE-SVL-DETOUR', {
        lines: ['-A KUBE-SVL-DETOUR -j KUBE-SERVICES'],
      });
      edit(chain(node, 'PREROUTING'), /-j KUBE-SERVICES/, '-j KUBE-SERVICES -m comment --comment detour');
    },
    ids: [],
  },
  {
    name: 'the Service chain flushed',
    service: one,
    change: (node) => {
      chain(node, names(one).cluster).length = 0;
    },
    ids: ['RULE-SVC-MISSING'],
  },
  {
    name: 'an endpoint with another address',
    service: one,
    change: (node) => {
      edit(chain(node, sep(one, own)), /10\.244\.1\.2:8080/, '10.244.9.9:8080');
    },
    ids: ['RULE-EP-MISSING', 'RULE-EP-STALE'],
  },
  {
    name: 'an endpoint more',
    service: one,
    change: (node) => {
      node.iptables.nf_tables?.IPv4?.get('nat')?.set('KUBE-SEP-STALE', {
        lines: [
          '-A KUBE-SEP-STALE -p tcp -m comment --comment default/ipv4-only -m tcp -j DNAT --to-destination 10.244.9.9:8080',
        ],
      });
      chain(node, names(one).cluster).splice(
        1,
        0,
        `-A ${names(one).cluster} -m comment --comment "default/ipv4-only -> 10.244.9.9:8080" -m statistic --mode random --probability 0.25000000000 -j KUBE-SEP-STALE`,
      );
    },
    ids: ['RULE-EP-STALE'],
  },
  {
    name: 'an endpoint with another port',
    service: one,
    change: (node) => {
      edit(chain(node, sep(one, own)), /10\.244\.1\.2:8080/, '10.244.1.2:8081');
    },
    ids: ['RULE-DNAT-PORT'],
  },
  {
    name: 'the first endpoint twice',
    service: one,
    change: (node) => {
      const lines = chain(node, names(one).cluster);
      lines.splice(1, 0, lines[1] ?? '');
    },
    ids: ['RULE-EP-DUP'],
  },
  {
    name: 'the last endpoint twice',
    service: one,
    change: (node) => {
      const lines = chain(node, names(one).cluster);
      lines.push(lines.at(-1) ?? '');
    },
    ids: ['RULE-EP-DUP'],
  },
  {
    name: 'the dispatch rule twice',
    service: one,
    change: (node) => {
      const lines = chain(node, 'KUBE-SERVICES');
      lines.push(...lines.filter((line) => line.includes('default/ipv4-only ')));
    },
    ids: [],
  },
  {
    name: 'the rules of an endpoint twice',
    service: one,
    change: (node) => {
      const lines = chain(node, sep(one, own));
      lines.splice(0, 0, ...lines.slice(0, 1));
      lines.push(lines.at(-1) ?? '');
    },
    ids: [],
  },
  {
    name: 'the first probability changed',
    service: one,
    change: (node) => {
      edit(chain(node, names(one).cluster), /--probability 0\.333\d+/, '--probability 0.60000000000');
    },
    ids: ['RULE-PROB'],
  },
  {
    name: 'a last rule that leaves packets over',
    service: one,
    change: (node) => {
      const lines = chain(node, names(one).cluster);
      lines[3] = (lines[3] ?? '').replace(' -j ', ' -m statistic --mode random --probability 0.50000000000 -j ');
    },
    ids: ['RULE-PROB'],
  },
  {
    name: 'a probability taken away',
    service: one,
    change: (node) => {
      edit(chain(node, names(one).cluster), / -m statistic --mode random --probability 0\.333\d+/, '');
    },
    ids: ['RULE-ORDER'],
  },
  {
    name: 'the first two choices swapped',
    service: one,
    change: (node) => {
      move(chain(node, names(one).cluster), 1, 2);
    },
    ids: ['RULE-ORDER'],
  },
  {
    name: 'the last choice first',
    service: one,
    change: (node) => {
      move(chain(node, names(one).cluster), 3, 1);
    },
    ids: ['RULE-ORDER'],
  },
  {
    name: 'the mark behind the choice',
    service: one,
    change: (node) => {
      move(chain(node, names(one).cluster), 0, -1);
    },
    ids: ['RULE-ORDER'],
  },
  {
    name: 'the mark among the choices',
    service: one,
    change: (node) => {
      move(chain(node, names(one).cluster), 0, 1);
    },
    ids: ['RULE-ORDER'],
  },
  {
    name: 'endpoints in another sequence',
    service: one,
    change: (node) => {
      const lines = chain(node, names(one).cluster);
      [lines[1], lines[2]] = [
        (lines[1] ?? '').replace(sep(one, own), sep(one, remote)),
        (lines[2] ?? '').replace(sep(one, remote), sep(one, own)),
      ];
    },
    ids: [],
  },
  {
    name: 'DNAT before the hairpin mark',
    service: one,
    change: (node) => {
      move(chain(node, sep(one, own)), 0, 1);
    },
    ids: ['RULE-ORDER'],
  },
  {
    name: 'KUBE-POSTROUTING flushed',
    service: one,
    change: (node) => {
      chain(node, 'KUBE-POSTROUTING').length = 0;
    },
    ids: ['RULE-NO-MASQ'],
  },
  {
    name: 'KUBE-POSTROUTING asks for another mark',
    service: one,
    change: (node) => {
      edit(chain(node, 'KUBE-POSTROUTING'), /! --mark 0x4000\/0x4000/, '! --mark 0x8000/0x8000');
    },
    ids: ['RULE-NO-MASQ'],
  },
  {
    name: 'KUBE-MARK-MASQ sets another mark',
    service: one,
    change: (node) => {
      edit(chain(node, 'KUBE-MARK-MASQ'), /0x4000\/0x4000/, '0x8000/0x8000');
    },
    ids: ['RULE-NO-MASQ'],
  },
  {
    name: 'KUBE-MARK-MASQ flushed',
    service: one,
    change: (node) => {
      chain(node, 'KUBE-MARK-MASQ').length = 0;
    },
    ids: ['RULE-NO-MASQ'],
  },
  {
    name: 'KUBE-POSTROUTING masquerades first',
    service: one,
    change: (node) => {
      move(chain(node, 'KUBE-POSTROUTING'), 2, 0);
    },
    ids: ['RULE-ORDER'],
  },
  {
    name: 'KUBE-POSTROUTING clears the mark first',
    service: one,
    change: (node) => {
      move(chain(node, 'KUBE-POSTROUTING'), 1, 0);
    },
    ids: ['RULE-ORDER'],
  },
  {
    name: 'KUBE-SERVICES without the way to node ports',
    service: 'node-port',
    change: (node) => {
      remove(chain(node, 'KUBE-SERVICES'), /KUBE-NODEPORTS/);
    },
    ids: ['RULE-NODEPORT'],
  },
  {
    name: 'external traffic marked too late',
    service: 'node-port',
    change: (node) => {
      move(chain(node, names('node-port').external), 0, -1);
    },
    ids: ['RULE-ORDER'],
  },
  {
    name: 'external Local to all endpoints',
    service: 'node-port-local',
    change: (node) => {
      edit(chain(node, names('node-port-local').external), /-j KUBE-SVL-\S+/, `-j ${names('node-port-local').cluster}`);
    },
    ids: ['RULE-POLICY'],
  },
  {
    name: 'external Local that marks all',
    service: 'node-port-local',
    change: (node) => {
      const lines = chain(node, names('node-port-local').external);
      lines.splice(0, 0, `-A ${names('node-port-local').external} -j KUBE-MARK-MASQ`);
    },
    ids: ['RULE-POLICY'],
  },
  {
    name: 'a spec of external Local',
    service: 'node-port',
    desired: spec({ externalTrafficPolicy: 'Local' }),
    ids: ['RULE-POLICY'],
  },
  {
    name: 'a spec of external Cluster',
    service: 'node-port-local',
    desired: spec({ externalTrafficPolicy: 'Cluster' }),
    ids: ['RULE-POLICY'],
  },
  {
    name: 'a spec of internal Local',
    service: one,
    desired: spec({ internalTrafficPolicy: 'Local' }),
    ids: ['RULE-POLICY'],
  },
  {
    name: 'a spec of internal Cluster',
    service: 'internal-local',
    desired: spec({ internalTrafficPolicy: 'Cluster' }),
    ids: ['RULE-POLICY'],
  },
  {
    name: 'endpoints for what is refused',
    service: 'nobody',
    desired: withEndpoints('nobody'),
    ids: ['RULE-REJECT-LIVE'],
  },
  {
    name: 'nothing that refuses',
    service: 'nobody',
    change: (node) => {
      remove(chain(node, 'KUBE-SERVICES', 'filter'), /default\/nobody has no endpoints/);
    },
    ids: ['RULE-NO-REJECT'],
  },
  {
    name: 'a foreign DROP in FORWARD',
    service: one,
    change: (node) => {
      chain(node, 'FORWARD', 'filter').unshift('-A FORWARD -d 10.244.0.0/16 -p tcp -m tcp --dport 8080 -j DROP');
    },
    ids: ['RULE-FOREIGN'],
  },
  {
    name: 'a foreign DROP of a frontend in raw',
    service: one,
    change: (node) => {
      node.iptables.nf_tables?.IPv4?.set(
        'raw',
        new Map([
          ['PREROUTING', { policy: 'ACCEPT', lines: ['-A PREROUTING -j DOCKER-RAW'] }],
          ['DOCKER-RAW', { lines: ['-A DOCKER-RAW -d 10.96.0.0/16 -j DROP'] }],
        ]),
      );
    },
    ids: ['RULE-FOREIGN'],
  },
  {
    name: 'a foreign REJECT in OUTPUT',
    service: one,
    change: (node) => {
      chain(node, 'OUTPUT', 'filter').push(
        '-A OUTPUT -p tcp -m tcp --dport 8080 -j REJECT --reject-with icmp-port-unreachable',
      );
    },
    ids: ['RULE-FOREIGN'],
  },
  {
    name: 'a foreign DROP of other packets',
    service: one,
    change: (node) => {
      chain(node, 'FORWARD', 'filter').unshift('-A FORWARD -p tcp -m tcp --dport 2049 -j DROP');
    },
    ids: [],
  },
  {
    name: 'a foreign DROP that may be for other interfaces',
    service: one,
    change: (node) => {
      chain(node, 'FORWARD', 'filter').unshift('-A FORWARD -i docker0 -j DROP');
    },
    ids: ['RULE-FOREIGN-UNKNOWN'],
  },
  {
    name: 'a foreign condition that is not known before an ACCEPT',
    service: one,
    change: (node) => {
      chain(node, 'FORWARD', 'filter').unshift('-A FORWARD -i docker0 -j ACCEPT', '-A FORWARD -i docker0 -j LOG');
    },
    ids: [],
  },
  {
    name: 'a foreign DROP whatever the interface is',
    service: one,
    change: (node) => {
      chain(node, 'FORWARD', 'filter').unshift('-A FORWARD -i eth7 -j DROP', '-A FORWARD -d 10.244.0.0/16 -j DROP');
    },
    ids: ['RULE-FOREIGN'],
  },
  {
    name: 'a foreign DROP behind an ACCEPT that may come first',
    service: one,
    change: (node) => {
      chain(node, 'FORWARD', 'filter').unshift('-A FORWARD -i eth7 -j ACCEPT', '-A FORWARD -d 10.244.0.0/16 -j DROP');
    },
    ids: ['RULE-FOREIGN-UNKNOWN'],
  },
  {
    name: 'a foreign ACCEPT of cluster IPs in nat',
    service: one,
    change: (node) => {
      chain(node, 'PREROUTING').unshift('-A PREROUTING -d 10.96.0.0/12 -j ACCEPT');
    },
    ids: ['RULE-FOREIGN'],
  },
  {
    name: 'a foreign ACCEPT of this cluster IP in nat',
    service: one,
    change: (node, { clusterIP }) => {
      chain(node, 'PREROUTING').unshift(`-A PREROUTING -d ${clusterIP}/32 -j ACCEPT`);
    },
    ids: ['RULE-FOREIGN'],
  },
  {
    name: 'a foreign DNAT of this cluster IP',
    service: one,
    change: (node, { clusterIP }) => {
      chain(node, 'PREROUTING').unshift(
        `-A PREROUTING -d ${clusterIP}/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 198.51.100.9:80`,
      );
    },
    ids: ['RULE-FOREIGN'],
  },
  {
    name: 'a foreign DNAT in a chain of its own',
    service: one,
    change: (node, { clusterIP }) => {
      node.iptables.nf_tables?.IPv4?.get('nat')?.set('HOSTPORTS', {
        lines: [
          `-A HOSTPORTS -d ${clusterIP}/32 -p tcp -j REDIRECT --to-ports 15001`,
          '-A HOSTPORTS -p udp -j DNAT --to-destination 198.51.100.9',
        ],
      });
      chain(node, 'OUTPUT').unshift('-A OUTPUT -j HOSTPORTS');
    },
    ids: ['RULE-FOREIGN'],
  },
  {
    name: 'a foreign DNAT of other packets',
    service: one,
    change: (node) => {
      chain(node, 'PREROUTING').unshift(
        '-A PREROUTING -d 192.0.2.7/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 198.51.100.9:80',
      );
    },
    ids: [],
  },
  {
    name: 'a foreign NOTRACK in raw',
    service: one,
    change: (node) => {
      node.iptables.nf_tables?.IPv4?.set(
        'raw',
        new Map([['PREROUTING', { policy: 'ACCEPT', lines: ['-A PREROUTING -d 10.96.0.0/12 -j CT --notrack'] }]]),
      );
    },
    ids: ['RULE-FOREIGN'],
  },
  {
    name: 'NOTRACK of a cluster IP that the node has',
    service: one,
    change: (node, { clusterIP }) => {
      node.iptables.nf_tables?.IPv4?.set(
        'raw',
        new Map([['PREROUTING', { policy: 'ACCEPT', lines: [`-A PREROUTING -d ${clusterIP}/32 -j CT --notrack`] }]]),
      );
      node.addresses.push(clusterIP);
    },
    ids: [],
  },
  {
    name: 'a table of nftables that drops packets to pods',
    service: one,
    change: (node) => {
      foreignTable(node, 'forward', -10, [
        {
          match: {
            op: '==',
            left: { payload: { protocol: 'ip', field: 'daddr' } },
            right: { prefix: { addr: '10.244.0.0', len: 16 } },
          },
        },
        { drop: null },
      ]);
    },
    ids: ['RULE-FOREIGN'],
  },
  {
    name: 'FORWARD with the policy DROP',
    service: one,
    change: (node) => {
      const found = node.iptables.nf_tables?.IPv4?.get('filter')?.get('FORWARD');
      if (found !== undefined) found.policy = 'DROP';
    },
    ids: ['RULE-FOREIGN'],
  },
  {
    name: 'FORWARD with the policy DROP, and a CNI that lets pods through',
    service: one,
    change: (node) => {
      const found = node.iptables.nf_tables?.IPv4?.get('filter')?.get('FORWARD');
      if (found !== undefined) {
        found.policy = 'DROP';
        found.lines.push('-A FORWARD -s 10.244.0.0/16 -j ACCEPT', '-A FORWARD -d 10.244.0.0/16 -j ACCEPT');
      }
    },
    ids: [],
  },
  {
    name: 'the other backend filled too',
    service: one,
    change: (node) => {
      node.iptables.legacy = structuredClone(node.iptables.nf_tables ?? {});
    },
    ids: ['RULE-LEGACY+NFT'],
  },
  {
    name: 'a remembered client for other seconds',
    service: 'sticky',
    change: (node) => {
      edit(chain(node, names('sticky').cluster), /--seconds 10800/, '--seconds 60');
    },
    ids: ['RULE-AFFINITY'],
  },
  {
    name: 'an endpoint that does not remember',
    service: 'sticky',
    change: (node) => {
      edit(chain(node, sep('sticky', own)), / -m recent --set \S+ \S+ --mask \S+ --rsource/, '');
    },
    ids: ['RULE-AFFINITY'],
  },
  {
    name: 'remembered clients of an endpoint that is gone',
    service: 'sticky',
    change: (node) => {
      const lines = chain(node, names('sticky').cluster);
      lines.splice(-3, 3, `-A ${names('sticky').cluster} -j ${sep('sticky', own)}`);
    },
    desired: (desired) => ({
      ...desired,
      endpointSlices: desired.endpointSlices.map((slice) =>
        slice.addressType === 'IPv4'
          ? { ...slice, endpoints: slice.endpoints.filter(({ addresses }) => addresses.includes('10.244.1.2')) }
          : slice,
      ),
    }),
    ids: ['SVC-AFFINITY-STUCK'],
  },
  {
    name: 'a spec without affinity',
    service: 'sticky',
    desired: spec({ sessionAffinity: 'None' }),
    ids: ['RULE-AFFINITY'],
  },
  { name: 'a spec of affinity', service: one, desired: spec({ sessionAffinity: 'ClientIP' }), ids: ['RULE-AFFINITY'] },
  {
    name: 'a spec of affinity for other seconds',
    service: 'sticky',
    desired: spec({ sessionAffinityTimeoutSeconds: 60 }),
    ids: ['RULE-AFFINITY'],
  },
  {
    name: 'a range more',
    service: 'balanced-ranges',
    change: (node) => {
      const lines = chain(node, names('balanced-ranges').firewall);
      lines.splice(0, 0, (lines[0] ?? '').replace(/ -s \S+/, ' -s 198.51.100.0/24'));
    },
    ids: ['RULE-RANGES'],
  },
  {
    name: 'ranges written as halves',
    service: 'balanced-ranges',
    change: (node) => {
      const lines = chain(node, names('balanced-ranges').firewall);
      const at = lines.findIndex((line) => line.includes(' -s 192.0.2.0/24 '));
      const line = lines[at] ?? '';
      lines.splice(at, 1, line.replace('192.0.2.0/24', '192.0.2.0/25'), line.replace('192.0.2.0/24', '192.0.2.128/25'));
    },
    ids: [],
  },
  {
    name: 'no range that lets anybody in',
    service: 'balanced-ranges',
    change: (node) => {
      const lines = chain(node, names('balanced-ranges').firewall);
      lines.splice(0, lines.length, ...lines.filter((line) => !line.includes(' -s ')));
    },
    ids: ['RULE-RANGES'],
  },
  {
    name: 'a load balancer IP without its firewall',
    service: 'balanced-ranges',
    change: (node) => {
      edit(chain(node, 'KUBE-SERVICES'), /-j KUBE-FW-66GBIZQJIBJK7JNL/, `-j ${names('balanced-ranges').external}`);
    },
    ids: ['RULE-RANGES'],
  },
  {
    name: 'a spec of other ranges',
    service: 'balanced-ranges',
    desired: spec({ loadBalancerSourceRanges: ['192.0.2.0/24', '10.0.0.0/8', '2001:db8:1::/64', 'fd00:10:244::/48'] }),
    ids: ['RULE-RANGES'],
  },
  {
    name: 'a spec without ranges',
    service: 'balanced-ranges',
    desired: spec({ loadBalancerSourceRanges: [] }),
    ids: ['RULE-RANGES'],
  },
  {
    name: 'a rule for a port that it lacks',
    service: one,
    change: (node) => {
      const lines = chain(node, 'KUBE-SERVICES');
      lines.push(
        ...lines
          .filter((line) => line.includes('default/ipv4-only '))
          .map((line) => line.replace('--dport 80', '--dport 8443')),
      );
    },
    ids: ['RULE-SVC-EXTRA'],
  },
  {
    name: 'a node port that it lacks',
    service: 'node-port',
    change: (node) => {
      const lines = chain(node, 'KUBE-NODEPORTS');
      lines.push(
        ...lines
          .filter((line) => line.includes('default/node-port"') || line.includes('default/node-port '))
          .map((line) => line.replace(/--dport \d+/, '--dport 31999')),
      );
    },
    ids: ['RULE-SVC-EXTRA'],
  },
  {
    name: 'an external IP that it had',
    service: 'external-ip',
    desired: spec({ externalIPs: [] }),
    ids: ['RULE-SVC-EXTRA'],
  },
  {
    name: 'a rule of another Service on its external IP',
    service: 'external-ip',
    change: (node) => {
      chain(node, 'KUBE-SERVICES').push(
        `-A KUBE-SERVICES -d 198.18.0.25/32 -p tcp -m comment --comment "default/other external IP" -m tcp --dport 8443 -j ${names('cluster-ip').external}`,
      );
    },
    ids: [],
  },
  {
    name: 'a chain that no rule leads to',
    service: 'node-port',
    change: (node) => {
      node.iptables.nf_tables?.IPv4?.get('nat')?.set(names('node-port').local, {
        lines: [
          `-A ${names('node-port').local} -m comment --comment "default/node-port -> 10.244.1.2:8080" -j ${sep('node-port', own)}`,
        ],
      });
    },
    ids: ['RULE-ORPHAN'],
  },
];

export const iptablesMutations: readonly RuleMutation[] = ofIptables.map((mutation) => ({
  mode: 'iptables',
  ...mutation,
}));

/** The rules of a chain of nftables (IPv4), each to be changed or left out (undefined). */
function nftRules(
  node: DumpedNode,
  chainName: RegExp,
  change: (expressions: unknown[], index: number) => unknown[] | undefined,
): void {
  let index = -1;
  let changed = 0;
  node.nftables = node.nftables.flatMap((object): NftObject[] => {
    const { rule } = object;
    if (rule?.['family'] !== 'ip' || rule['table'] !== 'kube-proxy' || !chainName.test(String(rule['chain'])))
      return [object];
    index += 1;
    const expressions: unknown[] = structuredClone(Array.isArray(rule['expr']) ? rule['expr'] : []);
    const next = change(expressions, index);
    if (next === undefined || JSON.stringify(next) !== JSON.stringify(rule['expr'])) changed += 1;
    return next === undefined ? [] : [{ rule: { ...rule, expr: next } }];
  });
  if (changed === 0) throw new Error(`no rule of ${chainName.source} was changed`);
}

/** Text of one rule's JSON, replaced. */
const replaced =
  (pattern: RegExp | string, by: string) =>
  (expressions: unknown[]): unknown[] =>
    JSON.parse(JSON.stringify(expressions).replace(pattern, by)) as unknown[];

/** Rules of a chain in another order. */
function nftOrder(node: DumpedNode, chainName: RegExp, order: readonly number[]): void {
  const own: number[] = [];
  node.nftables.forEach(({ rule }, index) => {
    if (rule?.['family'] === 'ip' && chainName.test(String(rule['chain']))) own.push(index);
  });
  const objects = own.map((index) => node.nftables[index]);
  const next = [...node.nftables];
  own.forEach((place, index) => {
    const object = objects[order[index] ?? index];
    if (object !== undefined) next[place] = object;
  });
  node.nftables = next;
}

function nftElements(node: DumpedNode, name: string, change: (elements: unknown[]) => unknown[]): void {
  node.nftables = node.nftables.map((object): NftObject => {
    const [kind, body] = object['map'] === undefined ? ['set', object['set']] : ['map', object['map']];
    if (body?.['family'] !== 'ip' || body['name'] !== name) return object;
    return { [kind]: { ...body, elem: change(Array.isArray(body['elem']) ? [...(body['elem'] as unknown[])] : []) } };
  });
}

const of = (kind: string, service: string): RegExp => new RegExp(`^${kind}-[A-Z2-7]{8}-default/${service}/tcp/$`);

const daddr = (address: string): unknown => ({
  match: { op: '==', left: { payload: { protocol: 'ip', field: 'daddr' } }, right: address },
});
const iifname = (name: string): unknown => ({ match: { op: '==', left: { meta: { key: 'iifname' } }, right: name } });

const ofNftables: readonly Omit<RuleMutation, 'mode'>[] = [
  {
    name: 'a foreign table that drops packets to pods',
    service: one,
    change: (node) => {
      foreignTable(
        node,
        'forward',
        -10,
        [
          {
            match: {
              op: '==',
              left: { payload: { protocol: 'ip', field: 'daddr' } },
              right: { set: ['10.244.1.2', '10.244.2.2'] },
            },
          },
          { drop: null },
        ],
        { family: 'ip' },
      );
    },
    ids: ['RULE-FOREIGN'],
  },
  {
    name: 'a foreign table that drops packets of one interface',
    service: one,
    change: (node) => {
      foreignTable(node, 'forward', 0, [iifname('eth7'), { drop: null }]);
    },
    ids: ['RULE-FOREIGN-UNKNOWN'],
  },
  {
    name: 'a foreign table that drops other packets',
    service: one,
    change: (node) => {
      foreignTable(node, 'forward', 0, [daddr('192.0.2.7'), { drop: null }]);
    },
    ids: [],
  },
  {
    name: 'a foreign table with the policy drop',
    service: one,
    change: (node) => {
      foreignTable(node, 'forward', 0, [], { policy: 'drop' });
    },
    ids: ['RULE-FOREIGN'],
  },
  {
    name: 'a foreign table of the other family',
    service: one,
    change: (node) => {
      foreignTable(node, 'forward', 0, [], { policy: 'drop', family: 'ip6' });
    },
    ids: [],
  },
  {
    name: 'a foreign table that rejects the cluster IP early',
    service: one,
    change: (node, { clusterIP }) => {
      foreignTable(node, 'prerouting', -150, [daddr(clusterIP), { reject: { type: 'tcp reset' } }]);
    },
    ids: ['RULE-FOREIGN'],
  },
  {
    name: 'a foreign table that sends the cluster IP elsewhere',
    service: one,
    change: (node, { clusterIP }) => {
      foreignTable(
        node,
        'prerouting',
        -110,
        [daddr(clusterIP), { dnat: { family: 'ip', addr: '198.51.100.9', port: 80 } }],
        { type: 'nat' },
      );
    },
    ids: ['RULE-FOREIGN'],
  },
  {
    name: 'the same at the priority of kube-proxy',
    service: one,
    change: (node, { clusterIP }) => {
      foreignTable(
        node,
        'prerouting',
        -100,
        [daddr(clusterIP), { dnat: { family: 'ip', addr: '198.51.100.9', port: 80 } }],
        { type: 'nat' },
      );
    },
    ids: ['RULE-FOREIGN-UNKNOWN'],
  },
  {
    name: 'the same behind kube-proxy',
    service: one,
    change: (node, { clusterIP }) => {
      foreignTable(
        node,
        'prerouting',
        -90,
        [daddr(clusterIP), { dnat: { family: 'ip', addr: '198.51.100.9', port: 80 } }],
        { type: 'nat' },
      );
    },
    ids: [],
  },
  {
    name: 'a foreign table of the family netdev',
    service: one,
    change: (node) => {
      foreignTable(node, 'ingress', 0, [{ drop: null }], { family: 'netdev' });
    },
    ids: ['RULE-FOREIGN-UNKNOWN'],
  },
  {
    name: 'nat-prerouting without its rule',
    service: one,
    change: (node) => {
      nftRules(node, /^nat-prerouting$/, () => undefined);
    },
    ids: ['RULE-NO-JUMP'],
  },
  {
    name: 'nat-output gone',
    service: one,
    change: (node) => {
      node.nftables = node.nftables.filter(
        ({ chain: body, rule }) => body?.['name'] !== 'nat-output' && rule?.['chain'] !== 'nat-output',
      );
    },
    ids: ['RULE-NO-JUMP'],
  },
  {
    name: 'the Service chain flushed',
    service: one,
    change: (node) => {
      nftRules(node, of('service', one), () => undefined);
    },
    ids: ['RULE-SVC-MISSING'],
  },
  {
    name: 'an endpoint with another address',
    service: one,
    change: (node) => {
      nftRules(node, of('service', one), replaced('10.244.1.2', '10.244.9.9'));
    },
    ids: ['RULE-EP-MISSING', 'RULE-EP-STALE'],
  },
  {
    name: 'an endpoint with another port',
    service: one,
    change: (node) => {
      nftRules(node, of('service', one), replaced('"10.244.1.2",8080', '"10.244.1.2",8081'));
    },
    ids: ['RULE-DNAT-PORT'],
  },
  {
    name: 'an endpoint twice',
    service: one,
    change: (node) => {
      nftRules(
        node,
        of('service', one),
        replaced(/"mod":3(.*)\[2,/, '"mod":4$1[3,{"concat":["10.244.1.2",8080]}],[2,'),
      );
    },
    ids: ['RULE-EP-DUP'],
  },
  {
    name: 'a choice among more than there are',
    service: one,
    change: (node) => {
      nftRules(node, of('service', one), replaced('"mod":3', '"mod":5'));
    },
    ids: ['RULE-PROB'],
  },
  {
    name: 'a choice among fewer',
    service: one,
    change: (node) => {
      nftRules(node, of('service', one), replaced('"mod":3', '"mod":2'));
    },
    ids: ['RULE-EP-MISSING'],
  },
  {
    name: 'endpoints in another sequence',
    service: one,
    change: (node) => {
      nftRules(
        node,
        of('service', one),
        (expressions) =>
          JSON.parse(
            JSON.stringify(expressions)
              .replace('10.244.1.2', 'X')
              .replace('10.244.2.2', '10.244.1.2')
              .replace('X', '10.244.2.2'),
          ) as unknown[],
      );
    },
    ids: [],
  },
  {
    name: 'the hairpin pair gone',
    service: one,
    change: (node) => {
      nftElements(node, 'hairpin-connections', (elements) =>
        elements.filter((each) => !JSON.stringify(each).includes('"10.244.2.2","tcp"')),
      );
    },
    ids: ['RULE-NO-HAIRPIN-MASQ'],
  },
  {
    name: 'the hairpin rule gone',
    service: one,
    change: (node) => {
      nftRules(node, /^masquerading$/, (expressions, index) => (index === 1 ? undefined : expressions));
    },
    ids: ['RULE-NO-HAIRPIN-MASQ'],
  },
  {
    name: 'the masquerading rule gone',
    service: one,
    change: (node) => {
      nftRules(node, /^masquerading$/, (expressions, index) => (index === 0 ? undefined : expressions));
    },
    ids: ['RULE-NO-MASQ'],
  },
  {
    name: 'nat-postrouting without its rule',
    service: one,
    change: (node) => {
      nftRules(node, /^nat-postrouting$/, () => undefined);
    },
    ids: ['RULE-NO-HAIRPIN-MASQ', 'RULE-NO-MASQ'],
  },
  {
    name: 'another mark',
    service: 'node-port',
    change: (node) => {
      nftRules(node, /^masquerading$/, (expressions, index) =>
        index === 0 ? replaced(/16384/g, '32768')(expressions) : expressions,
      );
    },
    ids: ['RULE-NO-MASQ'],
  },
  {
    name: 'nobody marks what goes to a cluster IP',
    service: one,
    change: (node) => {
      nftRules(node, /^services$/, (expressions, index) => (index === 0 ? undefined : expressions));
    },
    ids: ['RULE-NO-MASQ'],
  },
  {
    name: 'external traffic marked too late',
    service: 'node-port',
    change: (node) => {
      nftOrder(node, of('external', 'node-port'), [1, 0]);
    },
    ids: ['RULE-ORDER'],
  },
  {
    name: 'an endpoint that remembers too late',
    service: 'sticky',
    change: (node) => {
      nftOrder(node, /^endpoint-.*default\/sticky\/tcp\/__10\.244\.1\.2\/8080$/, [1, 0]);
    },
    ids: ['RULE-ORDER'],
  },
  {
    name: 'a choice before the remembered clients',
    service: 'sticky',
    change: (node) => {
      nftOrder(node, of('service', 'sticky'), [3, 0, 1, 2]);
    },
    ids: ['RULE-ORDER'],
  },
  {
    name: 'an affinity set for other seconds',
    service: 'sticky',
    change: (node) => {
      node.nftables = node.nftables.map(({ set, ...rest }): NftObject =>
        set === undefined
          ? rest
          : { set: { ...set, ...(String(set['name']).includes('/sticky/') ? { timeout: 60 } : {}) } },
      );
    },
    desired: spec({ sessionAffinityTimeoutSeconds: 10800 }),
    ids: ['RULE-AFFINITY'],
  },
  {
    name: 'a spec without affinity',
    service: 'sticky',
    desired: spec({ sessionAffinity: 'None' }),
    ids: ['RULE-AFFINITY'],
  },
  { name: 'a spec of affinity', service: one, desired: spec({ sessionAffinity: 'ClientIP' }), ids: ['RULE-AFFINITY'] },
  {
    name: 'a spec of external Local',
    service: 'node-port',
    desired: spec({ externalTrafficPolicy: 'Local' }),
    ids: ['RULE-POLICY'],
  },
  {
    name: 'a spec of internal Local',
    service: one,
    desired: spec({ internalTrafficPolicy: 'Local' }),
    ids: ['RULE-POLICY'],
  },
  {
    name: 'a spec of internal Cluster',
    service: 'internal-local',
    desired: spec({ internalTrafficPolicy: 'Cluster' }),
    ids: ['RULE-POLICY'],
  },
  {
    name: 'endpoints for what is refused',
    service: 'nobody',
    desired: withEndpoints('nobody'),
    ids: ['RULE-REJECT-LIVE'],
  },
  {
    name: 'a range more',
    service: 'balanced-ranges',
    change: (node) => {
      nftRules(node, of('firewall', 'balanced-ranges'), replaced('"192.0.2.0"', '"198.51.100.0"'));
    },
    ids: ['RULE-RANGES'],
  },
  {
    name: 'a spec without ranges',
    service: 'balanced-ranges',
    desired: spec({ loadBalancerSourceRanges: [] }),
    ids: ['RULE-RANGES'],
  },
  {
    name: 'an element for a port that it lacks',
    service: one,
    change: (node) => {
      nftElements(node, 'service-ips', (elements) => [
        ...elements,
        ...elements
          .filter((each) => JSON.stringify(each).includes('/ipv4-only/'))
          .map((each) => JSON.parse(JSON.stringify(each).replace('"tcp",80', '"tcp",8443')) as unknown),
      ]);
    },
    ids: ['RULE-SVC-EXTRA'],
  },
  {
    name: 'a node port that it lacks',
    service: 'node-port',
    change: (node) => {
      nftElements(node, 'service-nodeports', (elements) => [
        ...elements,
        ...elements
          .filter((each) => JSON.stringify(each).includes('/node-port/'))
          .map((each) => JSON.parse(JSON.stringify(each).replace(/"tcp",\d+/, '"tcp",31999')) as unknown),
      ]);
    },
    ids: ['RULE-SVC-EXTRA'],
  },
  {
    name: 'a chain that no rule leads to',
    service: one,
    change: (node) => {
      node.nftables = [
        ...node.nftables,
        ...node.nftables.flatMap(({ rule }): NftObject[] =>
          rule?.['family'] === 'ip' && of('service', one).test(String(rule['chain']))
            ? [{ rule: { ...rule, chain: String(rule['chain']).replace('service-', 'local-') } }]
            : [],
        ),
      ];
    },
    ids: ['RULE-ORPHAN'],
  },
];

export const nftablesMutations: readonly RuleMutation[] = ofNftables.map((mutation) => ({
  mode: 'nftables',
  ...mutation,
}));
