/** Reads one Service's part of kube-proxy's nftables table: its elements by key, its chains by name. */
import pLimit from 'p-limit';
import { z } from 'zod';
import { nftablesChainNames } from '../core/chain-names.ts';
import type { RecordOf } from '../core/node-report.ts';
import type { NftStatement } from '../core/nft-statement.ts';
import { chainOfVerdict, dnatTargetsOfStatement, jumpsOfStatement } from '../core/nft-targets.ts';
import { parseNftElementsText, parseNftMapElements } from '../core/parse/nft-elements.ts';
import { parseNftRules } from '../core/parse/nft-json.ts';
import type { ProbeRequestService } from '../core/probe-request.ts';
import { familyOf, type Family } from '../core/service.ts';
import type { Commands } from './commands.ts';
import type { Emit } from './read-iptables.ts';

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

const absentMessage = /No such file or directory|does not exist/;

/** Reads one family for each Service. */
export async function readNftables(
  commands: Commands,
  family: Family,
  services: readonly ProbeRequestService[],
  nodeAddresses: readonly string[],
  emit: Emit,
): Promise<void> {
  const reader = new NftReader(commands, family);
  await Promise.all(
    services.map(async (service) => {
      const id = `${service.namespace}/${service.name}`;
      // A map that the Service can have no element in is known to hold none of it.
      const elements = new Map([...dispatchMaps.map((name): [string, unknown[]] => [name, []]), ...(await reader.elements(questionsOf(service, family, nodeAddresses)))]);
      const chains = await reader.chains([...commonChains, ...ownChains(service), ...[...elements.values()].flatMap(parseNftMapElements).flatMap(({ verdict }) => chainOfVerdict(verdict))]);
      const targets = [...chains.values()].flatMap((objects) => parseNftRules(objects ?? []).flatMap(({ statements }) => statements.flatMap(dnatTargets)));
      const hairpins = await reader.elements([...new Set(targets)].flatMap((target) => hairpinQuestions(target, service)));
      for (const [name, found] of [...elements, ...hairpins]) emit({ kind: 'nftElements', service: id, family, table, name, elements: found });
      for (const [chain, objects] of chains) {
        const record: RecordOf<'nftChain'> = { kind: 'nftChain', service: id, family, table, chain, scope: 'all', absent: objects === undefined, objects: objects ?? [] };
        // The chains of other kinds of Services are absent as a rule, and say nothing.
        if (objects !== undefined || !isComputed(chain, service)) emit(record);
      }
    }),
  );
  for (const [what, reason] of reader.problems) emit({ kind: 'unread', family, what: `rules of nftables, ${what}`, reason });
}

class NftReader {
  readonly problems = new Map<string, string>();
  readonly #commands: Commands;
  readonly #nft: 'ip' | 'ip6';
  readonly #limit = pLimit(4);

  constructor(commands: Commands, family: Family) {
    this.#commands = commands;
    this.#nft = family === 'IPv4' ? 'ip' : 'ip6';
  }

  /** Elements by set or map; a set without any of the keys is there with none. */
  async elements(questions: readonly Question[]): Promise<Map<string, unknown[]>> {
    const found = new Map<string, unknown[]>([...new Set(questions.map(({ name }) => name))].map((name) => [name, []]));
    await Promise.all(
      questions.map(async ({ name, key }) => {
        let text = '';
        const { status, problem } = await this.#limit(() =>
          this.#commands.stream(['nft', '-j', 'get', 'element', this.#nft, table, name, `{ ${key} }`], (line) => { text += `${line}\n`; }),
        );
        if (status === 0) found.get(name)?.push(...(text.startsWith('{') ? elementsOf(parseObjects(text) ?? []) : parseNftElementsText(text)));
        else if (!absentMessage.test(problem)) this.problems.set(`set ${name}`, problem);
      }),
    );
    return found;
  }

  /** Chains by name, and those that their rules jump to; undefined for one that is not there. */
  async chains(names: readonly string[]): Promise<Map<string, { [key: string]: unknown }[] | undefined>> {
    const found = new Map<string, { [key: string]: unknown }[] | undefined>();
    const read = async (wanted: readonly string[]): Promise<void> => {
      const fresh = [...new Set(wanted)].filter((name) => !found.has(name));
      for (const name of fresh) found.set(name, undefined);
      const next = await Promise.all(fresh.map(async (name) => {
        let text = '';
        const { status, problem } = await this.#limit(() => this.#commands.stream(['nft', '-j', 'list', 'chain', this.#nft, table, name], (line) => { text += line; }));
        if (status !== 0) {
          if (!absentMessage.test(problem)) this.problems.set(`chain ${name}`, problem);
          return [];
        }
        const objects = parseObjects(text);
        if (objects === undefined) {
          this.problems.set(`chain ${name}`, 'nft -j printed no JSON of the known form');
          return [];
        }
        found.set(name, objects);
        return parseNftRules(objects).flatMap(({ statements }) => statements.flatMap(jumpsOfStatement));
      }));
      const deeper = next.flat();
      if (deeper.length > 0) await read(deeper);
    };
    await read(names);
    return found;
  }
}

const listingSchema = z.object({ nftables: z.array(z.record(z.string(), z.unknown())) });

/** The objects of `nft -j` without metainfo. */
function parseObjects(text: string): { [key: string]: unknown }[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const listing = listingSchema.safeParse(value);
  return listing.success ? listing.data.nftables.filter((object) => !('metainfo' in object)) : undefined;
}

/** Elements in the JSON of an nft that prints `get element` so. */
function elementsOf(objects: readonly { [key: string]: unknown }[]): unknown[] {
  const shape = z.object({ elem: z.array(z.unknown()) });
  return objects.flatMap((object) => Object.values(object).flatMap((value) => {
    const parsed = shape.safeParse(value);
    return parsed.success ? parsed.data.elem : [];
  }));
}

function questionsOf(service: ProbeRequestService, family: Family, nodeAddresses: readonly string[]): Question[] {
  const own = (addresses: readonly string[]): string[] => addresses.filter((address) => familyOf(address) === family);
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
