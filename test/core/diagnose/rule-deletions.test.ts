/** Each single rule of each recorded Service is taken away from a node: what that breaks is found, and nothing else. */
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { nftablesChainService } from '../../../core/kube-proxy/chain-names.ts';
import { desiredTargets } from '../../../core/api/desired-targets.ts';
import { printNftRule } from '../../../core/nftables/print.ts';
import { parseNftRules } from '../../../core/nftables/parse-json-rule.ts';
import type { DesiredService } from '../../../core/api/service.ts';
import { familyOf, type Protocol } from '../../../core/net/family.ts';
import { currentRelease } from '../../proxy/kube-proxy-releases.ts';
import { probe, type DumpedNode, type IptablesDump, type NftObject } from '../../support/dumped-node.ts';
import { findingsOf, recordedNode, recordedServices, requestOf } from '../../support/recorded-proxy.ts';

/** The ids of findings about rules, each once. */
async function ruleFindings(node: DumpedNode, desired: DesiredService): Promise<string[]> {
  const findings = findingsOf(desired, [await probe(node, [requestOf(desired)])]);
  return [
    ...new Set(
      findings
        .filter(({ id }) => /^(?:RULE|IPVS|NODE-OUTLIER|DATA)/.test(id) && id !== 'RULE-LOCAL-DROP')
        .map(({ id }) => id),
    ),
  ].sort();
}

/** Where packets of a port may go on a node, by the manifest alone: those to the cluster IP, and those from outside and of the node itself to the other frontends. */
interface Wanted {
  readonly sets: readonly (readonly string[])[];
  readonly cluster: readonly string[];
  readonly internal: readonly string[];
  readonly local: readonly string[];
}

function wantedOf(desired: DesiredService, protocol: Protocol, portName: string | undefined, node: string): Wanted {
  const under = (policy: string | undefined): string[] =>
    desiredTargets(
      { ...desired, service: { ...desired.service, internalTrafficPolicy: policy ?? 'Cluster' } },
      { family: 'IPv4', protocol, portName },
      { node, zone: `zone-${node.slice(-1)}`, traffic: 'internal' },
    ).map(({ address }) => address);
  const { internalTrafficPolicy, externalTrafficPolicy, type, externalIPs } = desired.service;
  const internal = under(internalTrafficPolicy);
  const isExposed = type !== 'ClusterIP' || externalIPs.length > 0;
  return {
    sets: [internal, ...(isExposed ? [under(externalTrafficPolicy), under('Cluster')] : [])],
    cluster: under('Cluster'),
    internal,
    local: under('Local'),
  };
}

/** What is missing where no packet gets to an endpoint any more. */
function lossOfEndpoint(address: string, sets: readonly (readonly string[])[]): string[] {
  const of = sets.filter((set) => set.includes(address));
  return [...new Set(of.map((set) => (set.length === 1 ? 'RULE-SVC-MISSING' : 'RULE-EP-MISSING')))];
}

/** The ids that the loss of a rule of iptables must give. */
function lossOfIptablesRule(
  line: string,
  table: string,
  chain: string,
  { sets, cluster, internal, local }: Wanted,
): string[] {
  const target = / -j (\S+)/.exec(line)?.[1] ?? '';
  if (table === 'filter') {
    if (chain === 'KUBE-PROXY-FIREWALL') return ['RULE-RANGES'];
    return target === 'DROP' || target === 'REJECT' ? ['RULE-NO-REJECT'] : [];
  }
  const [prefix] = /^KUBE-(?:SERVICES|NODEPORTS|EXT|FW|SVC|SVL|SEP)/.exec(chain) ?? [];
  switch (prefix) {
    case 'KUBE-SERVICES':
      return ['RULE-SVC-MISSING'];
    case 'KUBE-NODEPORTS':
      return line.includes('-d 127.0.0.0/8') ? [] : ['RULE-NODEPORT'];
    case 'KUBE-FW':
      // The load balancer IP itself is let in for the node's own packets.
      return target === '' || / -s 198\.19\./.test(line) ? [] : ['RULE-RANGES'];
    case 'KUBE-EXT':
      if (target === 'KUBE-MARK-MASQ') return ['RULE-NO-MASQ'];
      // Where the node's own endpoints are all there are, no packet goes elsewhere without the rule.
      if (line.includes(' -s 10.244.0.0/16 ') || line.includes('--src-type LOCAL'))
        return cluster.join() === local.join() ? [] : ['RULE-POLICY'];
      return ['RULE-SVC-MISSING'];
    case 'KUBE-SVC':
    case 'KUBE-SVL':
      if (target === 'KUBE-MARK-MASQ') return ['RULE-NO-MASQ'];
      if (line.includes('--rcheck')) return ['RULE-AFFINITY'];
      return lossOfEndpoint(
        / -> (\S+):\d+"/.exec(line)?.[1] ?? '',
        prefix === 'KUBE-SVL'
          ? sets.filter((set) => set.join() === local.join()).slice(0, 1)
          : sets.filter((set) => set.join() === cluster.join()),
      );
    case 'KUBE-SEP': {
      const address = / -s (\S+)\/32/.exec(line)?.[1];
      if (address !== undefined)
        return internal.includes(address) && /^10\.244\.1\./.test(address) ? ['RULE-NO-HAIRPIN-MASQ'] : [];
      return lossOfEndpoint(/ --to-destination (\S+):/.exec(line)?.[1] ?? '', sets);
    }
    default:
      return [];
  }
}

/** Both families are written by the same code of kube-proxy: one is enough here. */
function withOneFamily(desired: DesiredService): DesiredService {
  const own = (addresses: readonly string[]): string[] => addresses.filter((address) => familyOf(address) === 'IPv4');
  const { service } = desired;
  return {
    ...desired,
    service: {
      ...service,
      clusterIPs: own(service.clusterIPs),
      externalIPs: own(service.externalIPs),
      loadBalancerIPs: own(service.loadBalancerIPs),
    },
  };
}

describe('without a rule, iptables', () => {
  const kind = 'iptables';
  const { version } = currentRelease;
  const services = recordedServices(version).filter(({ service }) =>
    service.clusterIPs.some((address) => familyOf(address) === 'IPv4'),
  );

  it.each(services.map((desired) => [desired.name, desired] as const))(
    'of %s',
    { timeout: 120_000 },
    async (name, desired) => {
      const ipv4 = (node: DumpedNode): IptablesDump | undefined => node.iptables.nf_tables?.IPv4;
      const pattern = new RegExp(
        `--comment "?(?:pod traffic for |masquerade traffic for |masquerade LOCAL traffic for |route LOCAL traffic for )?default/${name}[ :"]`,
      );
      const node = recordedNode(version, kind);
      const ipv4Only = withOneFamily(desired);
      const wrong: string[] = [];
      let deleted = 0;
      for (const [table, chains] of ipv4(node) ?? []) {
        for (const [chain, { lines }] of chains) {
          for (const [index, line] of [...lines].entries()) {
            const isOwn =
              pattern.test(line) ||
              (/^KUBE-(?:EXT|SVC|SVL|SEP|FW)-/.test(chain) && lines.some((each) => pattern.test(each)));
            if (!isOwn || (table === 'filter' && chain === 'KUBE-NODEPORTS')) continue;
            deleted += 1;
            const [removed = ''] = lines.splice(index, 1);
            const port = desired.service.ports.find(
              ({ name: portName }) =>
                portName === undefined || lines.some((each) => each.includes(`default/${name}:${portName}`)),
            );
            const wanted = wantedOf(desired, port?.protocol ?? 'TCP', port?.name, node.name);
            const expected = lossOfIptablesRule(line, table, chain, wanted).sort();
            const found = await ruleFindings(node, ipv4Only);
            lines.splice(index, 0, removed);
            if (found.join() !== expected.join())
              wrong.push(
                `${table} ${line}: wanted ${expected.join() || 'nothing'}, found ${found.join() || 'nothing'}`,
              );
          }
        }
      }
      expect(wrong).toEqual([]);
      expect(deleted).toBeGreaterThan(0);
    },
  );
});

/** The ids that the loss of a rule of nftables must give. */
function lossOfNftRule(chain: string, rule: string, { sets, cluster, internal, local }: Wanted): string[] {
  const [kind] = chain.split('-');
  if (kind === 'firewall') return isShutAnyway(chain) ? [] : ['RULE-RANGES'];
  if (kind === 'external') {
    if (rule.includes('mark set')) return ['RULE-NO-MASQ'];
    if (rule.startsWith('ip saddr 10.244.0.0/16 ') || rule.includes('fib saddr type local goto'))
      return cluster.join() === local.join() ? [] : ['RULE-POLICY'];
    return ['RULE-SVC-MISSING'];
  }
  const of =
    kind === 'local'
      ? sets.filter((set) => set.join() === local.join()).slice(0, 1)
      : sets.filter((set) => set.join() === cluster.join());
  if (kind === 'service' || kind === 'local')
    return rule.startsWith('ip saddr @affinity-')
      ? ['RULE-AFFINITY']
      : of.length === 0 || internal.length + of.length === 0
        ? []
        : ['RULE-SVC-MISSING'];
  if (rule.startsWith('update @')) return ['RULE-AFFINITY'];
  return lossOfEndpoint(/ to (\S+):/.exec(rule)?.[1] ?? '', sets);
}

/** These have no endpoint on node-b that their clients may use: they are dropped there, whatever their source. */
function isShutAnyway(chain: string): boolean {
  return /\/balanced-ranges-(?:local|nobody)\//.test(chain);
}

const elementSchema = z.object({ elem: z.array(z.unknown()) });

describe('without a rule or an element, nftables', () => {
  const { version } = currentRelease;
  const services = recordedServices(version).filter(({ service }) =>
    service.clusterIPs.some((address) => familyOf(address) === 'IPv4'),
  );

  it.each(services.map((desired) => [desired.name, desired] as const))(
    'of %s',
    { timeout: 120_000 },
    async (_name, desired) => {
      const id = `${desired.namespace}/${desired.name}`;
      const node = recordedNode(version, 'nftables');
      const ipv4Only = withOneFamily(desired);
      const wrong: string[] = [];
      let deleted = 0;
      const judge = async (what: string, expected: readonly string[]): Promise<void> => {
        deleted += 1;
        const found = await ruleFindings(node, ipv4Only);
        if (found.join() !== [...expected].sort().join())
          wrong.push(`${what}: wanted ${expected.join() || 'nothing'}, found ${found.join() || 'nothing'}`);
      };
      const portOf = (words: string): Wanted => {
        const [, protocol = '', portName] = /\/(tcp|udp|sctp)\/([^_]*)/.exec(words) ?? [];
        const port =
          desired.service.ports.find(
            (each) => each.protocol.toLowerCase() === protocol && (each.name ?? '') === (portName ?? ''),
          ) ?? desired.service.ports[0];
        return wantedOf(desired, port?.protocol ?? 'TCP', port?.name, node.name);
      };
      for (const [index, object] of [...node.nftables.entries()]) {
        const { rule, map } = object;
        if (rule?.['family'] === 'ip' && nftablesChainService(String(rule['chain'])) === id) {
          node.nftables = recordedObjects(version).filter((_, at) => at !== index);
          const [parsed] = parseNftRules([object]);
          const text = parsed === undefined ? '' : printNftRule(parsed);
          await judge(
            `${String(rule['chain'])} ${text}`,
            lossOfNftRule(String(rule['chain']), text, portOf(String(rule['chain']))),
          );
          node.nftables = recordedObjects(version);
        }
        if (map?.['family'] !== 'ip') continue;
        const { elem } = elementSchema.parse(map);
        for (const [at, element] of elem.entries()) {
          const text = JSON.stringify(element);
          const isOwn =
            text.includes(`-${id}/`) || text.includes(`"comment":"${id}"`) || text.includes(`"comment":"${id}:`);
          if (!isOwn) continue;
          node.nftables = recordedObjects(version).map((each, place) =>
            place === index ? { map: { ...map, elem: elem.filter((_, other) => other !== at) } } : each,
          );
          const isClusterIp = /"10\.96\.1\./.test(text);
          const expected = new Map([
            ['service-ips', isShutAnyway(text) && text.includes('"198.19.') ? [] : ['RULE-SVC-MISSING']],
            ['service-nodeports', ['RULE-NODEPORT']],
            ['firewall-ips', isShutAnyway(text) ? ['RULE-ORPHAN'] : ['RULE-RANGES']],
            // cluster-ips-check rejects what no rule drops; a rejection in place of a drop is as good.
            ['no-endpoint-services', isClusterIp ? [] : ['RULE-NO-REJECT']],
            ['no-endpoint-nodeports', ['RULE-NO-REJECT']],
          ]).get(String(map['name']));
          await judge(`${String(map['name'])} ${text}`, expected ?? ['an expectation for this map']);
          node.nftables = recordedObjects(version);
        }
      }
      expect(wrong).toEqual([]);
      expect(deleted).toBeGreaterThan(0);
    },
  );
});

const objects = new Map<string, NftObject[]>();

function recordedObjects(version: string): NftObject[] {
  const known = objects.get(version) ?? recordedNode(version, 'nftables').nftables;
  objects.set(version, known);
  return known;
}
