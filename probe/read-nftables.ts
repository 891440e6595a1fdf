/** Reads the part of Services in kube-proxy's nftables table: their elements by key, their chains by name and by what leads to them. */
import { canonicalAddress } from '../core/address.ts';
import { nftablesChainNames } from '../core/chain-names.ts';
import type { RecordOf } from '../core/node-report.ts';
import { chainOfVerdict, dnatTargetsOfStatement, jumpsOfStatement } from '../core/nft-targets.ts';
import type { NftStatement } from '../core/nft-statement.ts';
import { keyWords, parseNftMapElements, withProtocolName } from '../core/parse/nft-elements.ts';
import { parseNftRules } from '../core/parse/nft-json.ts';
import type { ProbeRequestService } from '../core/probe-request.ts';
import { familyOf, type Family } from '../core/service.ts';
import type { Commands } from './commands.ts';
import type { Emit } from './emit.ts';
import { listNftTable, type NftTableListing } from './nft-table.ts';

/** The table of kube-proxy, in both families. */
const table = 'kube-proxy';

/** The chains through which every packet to a Service goes. */
const commonChains = [
  'firewall-check', 'nat-prerouting', 'nat-output', 'services', 'service-endpoints-check', 'nodeport-endpoints-check',
  'cluster-ips-check', 'masquerading', 'reject-chain', 'mark-for-masquerade',
];

/** The maps and sets that the common chains ask. */
const dispatchMaps = ['service-ips', 'service-nodeports', 'no-endpoint-services', 'no-endpoint-nodeports', 'firewall-ips', 'cluster-ips', 'nodeport-ips'];

/** Sets and maps that are asked for keys of the Service. */
interface Question {
  readonly name: string;
  readonly key: string;
}

/** Reads one family for each Service: one listing of the table serves all of them. */
export async function readNftables(
  commands: Commands,
  family: Family,
  services: readonly ProbeRequestService[],
  nodeAddresses: readonly string[],
  emit: Emit,
): Promise<void> {
  const listing = await listNftTable(commands, family, table);
  if ('problem' in listing) {
    emit({ kind: 'unread', family, what: 'rules of nftables, table kube-proxy', reason: listing.problem });
    return;
  }
  for (const service of services) {
    const id = `${service.namespace}/${service.name}`;
    // A map that the Service can have no element in is known to hold none of it.
    const elements = new Map([...dispatchMaps.map((name): [string, unknown[]] => [name, []]), ...elementsOf(listing, questionsOf(service, family, nodeAddresses))]);
    const chains = chainsOf(listing, [...commonChains, ...ownChains(service), ...[...elements.values()].flatMap(parseNftMapElements).flatMap(({ verdict }) => chainOfVerdict(verdict))]);
    const targets = [...chains.values()].flatMap((objects) => parseNftRules(objects ?? []).flatMap(({ statements }) => statements.flatMap(dnatTargets)));
    const hairpins = elementsOf(listing, [...new Set(targets)].flatMap((target) => hairpinQuestions(target, service)));
    for (const [name, found] of [...elements, ...hairpins]) emit({ kind: 'nftElements', service: id, family, table, name, elements: found });
    for (const [chain, objects] of chains) {
      const record: RecordOf<'nftChain'> = { kind: 'nftChain', service: id, family, table, chain, scope: 'all', absent: objects === undefined, objects: objects ?? [] };
      // The chains of other kinds of Services are absent as a rule, and say nothing.
      if (objects !== undefined || !isComputed(chain, service)) emit(record);
    }
  }
}

/** Elements by set or map; one without any of the keys is there with none. */
function elementsOf(listing: NftTableListing, questions: readonly Question[]): Map<string, unknown[]> {
  const keys = new Map<string, Set<string>>();
  for (const { name, key } of questions) keys.set(name, (keys.get(name) ?? new Set()).add(key));
  return new Map([...keys].map(([name, wanted]) => [name, (listing.elements(name) ?? []).filter((element) => wanted.has(keyOf(element)))]));
}

/** `10.96.0.7 . tcp . 80` of an element of a set, or of [key, verdict] of a map. */
function keyOf(element: unknown): string {
  const words = keyWords(Array.isArray(element) ? (element as readonly unknown[])[0] : element);
  return words === undefined ? '' : withProtocolName(words).join(' . ');
}

/** Chains by name, and those that their rules jump to; undefined for one that is not there. */
function chainsOf(listing: NftTableListing, names: readonly string[]): Map<string, { [key: string]: unknown }[] | undefined> {
  const found = new Map<string, { [key: string]: unknown }[] | undefined>();
  const wanted = new Set(names);
  for (const name of wanted) {
    const objects = listing.chain(name);
    found.set(name, objects);
    for (const { statements } of parseNftRules(objects ?? [])) for (const jump of statements.flatMap(jumpsOfStatement)) wanted.add(jump);
  }
  return found;
}

function questionsOf(service: ProbeRequestService, family: Family, nodeAddresses: readonly string[]): Question[] {
  const own = (addresses: readonly string[]): string[] => addresses.filter((address) => familyOf(address) === family).map((address) => canonicalAddress(address) ?? address);
  const external = own([...service.externalIPs, ...service.loadBalancerIPs]);
  const clusterIPs = own(service.clusterIPs);
  const questions: Question[] = clusterIPs.map((address) => ({ name: 'cluster-ips', key: address }));
  for (const { protocol, port, nodePort } of service.ports) {
    const l4 = protocol.toLowerCase();
    for (const address of [...clusterIPs, ...external]) {
      for (const name of ['service-ips', 'no-endpoint-services']) questions.push({ name, key: `${address} . ${l4} . ${String(port)}` });
    }
    for (const address of own(service.loadBalancerIPs)) questions.push({ name: 'firewall-ips', key: `${address} . ${l4} . ${String(port)}` });
    if (nodePort === undefined) continue;
    for (const name of ['service-nodeports', 'no-endpoint-nodeports']) questions.push({ name, key: `${l4} . ${String(nodePort)}` });
  }
  if (service.ports.some(({ nodePort }) => nodePort !== undefined)) {
    for (const address of own(nodeAddresses)) questions.push({ name: 'nodeport-ips', key: address });
  }
  return questions;
}

function hairpinQuestions(target: string, service: ProbeRequestService): Question[] {
  const [address, port] = target.split(' ');
  return [...new Set(service.ports.map(({ protocol }) => protocol.toLowerCase()))].map((l4) => ({
    name: 'hairpin-connections',
    key: `${address ?? ''} . ${address ?? ''} . ${l4} . ${port ?? ''}`,
  }));
}

function ownChains(service: ProbeRequestService): string[] {
  return service.ports.flatMap(({ name, protocol }) => {
    const names = nftablesChainNames({ namespace: service.namespace, name: service.name, portName: name, protocol });
    return [names.cluster, names.local, names.external, names.firewall];
  });
}

function isComputed(chain: string, service: ProbeRequestService): boolean {
  return ownChains(service).includes(chain) || commonChains.includes(chain);
}

/** `address port` of each DNAT target. */
function dnatTargets(statement: NftStatement): string[] {
  return dnatTargetsOfStatement(statement).flatMap(({ address, port }) => (port === undefined ? [] : [`${address} ${String(port)}`]));
}
