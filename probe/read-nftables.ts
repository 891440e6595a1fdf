/** Reads the part of Services in kube-proxy's nftables table: their elements by key, their chains by name and by what leads to them. */
import { canonicalAddress } from '../core/address.ts';
import { nftablesChainNames, nftablesChainService } from '../core/chain-names.ts';
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

/** The base chains of every release since 1.29: one that is missing is told. Others that are there are read as well. */
const knownBaseChains = ['nat-prerouting', 'nat-output', 'nat-postrouting', 'filter-input', 'filter-forward', 'filter-output'];
/** Chains that a Service may lead to by a map alone. */
const commonChains = ['services', 'masquerading', 'reject-chain', 'mark-for-masquerade'];

/** Maps and sets that are asked by every packet, in any release: one that is not there holds nothing of the Service. */
const dispatchMaps = ['service-ips', 'service-nodeports', 'no-endpoint-services', 'no-endpoint-nodeports', 'firewall-ips', 'cluster-ips', 'nodeport-ips'];
/** The pairs of an endpoint with itself, since 1.36: as many as the node has endpoints. */
const hairpinSet = 'hairpin-connections';

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
  const shared = [...new Set([...knownBaseChains, ...listing.baseChains(), ...commonChains])];
  const askedSets = [...new Set([...dispatchMaps, ...setsOf(chainsOf(listing, shared))])].filter((name) => name !== hairpinSet);
  for (const service of services) {
    const id = `${service.namespace}/${service.name}`;
    const concerns = selectElements(service, family, nodeAddresses);
    // A map that is not there is known to hold nothing of the Service.
    const elements = new Map(askedSets.map((name): [string, unknown[]] => [name, (listing.elements(name) ?? []).filter(concerns)]));
    const computed = [...shared, ...ownChains(service)];
    const unled = listing.chainNames().filter((name) => nftablesChainService(name) === id);
    const chains = chainsOf(listing, [...computed, ...[...elements.values()].flatMap(parseNftMapElements).flatMap(({ verdict }) => chainOfVerdict(verdict)), ...unled]);
    const targets = new Set([...chains.values()].flatMap((objects) => parseNftRules(objects ?? []).flatMap(({ statements }) => statements.flatMap(dnatTargets))));
    for (const [name, found] of elements) emit({ kind: 'nftElements', service: id, family, table, name, elements: found });
    const pairs = listing.elements(hairpinSet);
    if (pairs !== undefined) emit({ kind: 'nftElements', service: id, family, table, name: hairpinSet, elements: pairs.filter((element) => isHairpinOf(element, targets)) });
    for (const name of setsOf(chains).filter((each) => each.startsWith('affinity-'))) {
      const timeout = listing.timeout(name);
      // Its elements are clients, which are nobody's business here.
      if (timeout !== undefined) emit({ kind: 'nftElements', service: id, family, table, name, elements: [], timeout });
    }
    for (const [chain, objects] of chains) {
      const record: RecordOf<'nftChain'> = { kind: 'nftChain', service: id, family, table, chain, scope: 'all', absent: objects === undefined, objects: objects ?? [] };
      // The chains of other kinds of Services are absent as a rule, and say nothing.
      if (objects !== undefined || !computed.includes(chain) || knownBaseChains.includes(chain)) emit(record);
    }
  }
}

/**
 * Elements of the Service: those whose key begins with one of its addresses, protocols and ports (`10.96.0.7 . tcp . 80`,
 * `10.96.0.7 . tcp . 80 . 192.0.2.0/24`, `tcp . 30080`) or with a cluster IP, which is its alone; those that lead to a
 * chain of its name; and addresses alone, of its own or the node's.
 */
function selectElements(service: ProbeRequestService, family: Family, nodeAddresses: readonly string[]): (element: unknown) => boolean {
  const own = (addresses: readonly string[]): string[] => addresses.filter((address) => familyOf(address) === family).map((address) => canonicalAddress(address) ?? address);
  const clusterIPs = own(service.clusterIPs);
  const addresses = [...clusterIPs, ...own(service.externalIPs), ...own(service.loadBalancerIPs)];
  const alone = new Set([...addresses, ...own(nodeAddresses)]);
  const frontends = new Set(
    service.ports.flatMap(({ protocol, port, nodePort }) => {
      const l4 = protocol.toLowerCase();
      return [...addresses.map((address) => `${address} ${l4} ${String(port)}`), ...(nodePort === undefined ? [] : [`${l4} ${String(nodePort)}`])];
    }),
  );
  const id = `${service.namespace}/${service.name}`;
  return (element) => {
    const [key, value] = Array.isArray(element) ? (element as readonly unknown[]) : [element];
    const words = keyWords(key) ?? [];
    const [first = ''] = words;
    if (words.length === 1) return alone.has(first);
    if (clusterIPs.includes(first)) return true;
    const frontend = words.length === 2 ? withProtocolName(words) : withProtocolName(words.slice(0, 3));
    if (frontends.has(frontend.join(' '))) return true;
    return value !== undefined && parseNftMapElements([element]).some(({ verdict }) => chainOfVerdict(verdict).some((chain) => nftablesChainService(chain) === id));
  };
}

/** Sets and maps that rules ask by name. */
function setsOf(chains: ReadonlyMap<string, { [key: string]: unknown }[] | undefined>): string[] {
  const names = new Set<string>();
  for (const objects of chains.values()) for (const { statements } of parseNftRules(objects ?? [])) for (const name of statements.flatMap(setReferences)) names.add(name);
  return [...names];
}

function setReferences(statement: NftStatement): string[] {
  if (statement.kind === 'setUpdate') return [statement.set];
  if (statement.kind === 'vmap') return statement.data.kind === 'setReference' ? [statement.data.name] : [];
  if (statement.kind === 'match') return statement.right.kind === 'setReference' ? [statement.right.name] : [];
  return [];
}

/** `10.244.1.2 . 10.244.1.2 . tcp . 8080`, of one of the targets. */
function isHairpinOf(element: unknown, targets: ReadonlySet<string>): boolean {
  const words = keyWords(element);
  return words !== undefined && targets.has(`${words[0] ?? ''} ${words.at(-1) ?? ''}`);
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

function ownChains(service: ProbeRequestService): string[] {
  return service.ports.flatMap(({ name, protocol }) => {
    const names = nftablesChainNames({ namespace: service.namespace, name: service.name, portName: name, protocol });
    return [names.cluster, names.local, names.external, names.firewall];
  });
}

/** `address port` of each DNAT target. */
function dnatTargets(statement: NftStatement): string[] {
  return dnatTargetsOfStatement(statement).flatMap(({ address, port }) => (port === undefined ? [] : [`${address} ${String(port)}`]));
}
