/** Reads one Service's part of the IPVS mode: its virtual servers, the sets that name it, and the few rules that ask them. */
import { comparableAddress, hostPort, isSameAddress, reachableAddresses } from '../../core/net/address.ts';
import type { ProcVirtualServer } from '../../core/proc/ip-vs.ts';
import type { ProbeRequestService } from '../../core/wire/probe-request.ts';
import type { IptablesBackend } from '../../core/kube-proxy/mode.ts';
import { familyOf, type Family } from '../../core/net/family.ts';
import type { Commands } from '../io/commands.ts';
import type { Emit } from '../io/emit.ts';
import { provenAddresses } from './service-selector.ts';
import { builtInChainNames } from '../../core/net/netfilter.ts';

/** ipvsadm(8): how a virtual server of each protocol is named. */
const serviceFlags = { TCP: '-t', UDP: '-u', SCTP: '--sctp-service' } as const;

/** What ipvsadm says of a virtual server that is not there. */
const absentMessage = /No such service|Service not defined/i;

/**
 * Each frontend's virtual server is asked for by its address, so that the cost is the Service's; the rules of this mode
 * are few whatever the cluster's size (they ask sets), so nat and filter are read whole.
 * @param backend whose tables hold kube-proxy's chains
 * @param servers all of the node, as far as what is there beside the Service's own is asked for
 */
export async function readIpvs(
  commands: Commands,
  family: Family,
  backend: IptablesBackend,
  services: readonly ProbeRequestService[],
  nodeAddresses: readonly string[],
  servers: readonly ProcVirtualServer[],
  emit: Emit,
): Promise<void> {
  for (const service of services) {
    const name = `${service.namespace}/${service.name}`;
    const lines: string[] = [];
    const frontends = frontendsOf(service, family, nodeAddresses);
    for (const { flag, address, port } of [...frontends, ...leftoversOf(service, family, servers, frontends)]) {
      for (const extra of [[], ['--stats']]) {
        const { status, problem } = await commands.stream(
          ['ipvsadm', '-L', '-n', '--exact', ...extra, flag, hostPort(address, port)],
          (line) => lines.push(line),
        );
        if (status !== 0 && !absentMessage.test(problem)) {
          emit({
            kind: 'unread',
            service: name,
            family,
            part: 'rules',
            what: 'rules of IPVS, virtual servers',
            reason: problem,
          });
          return;
        }
      }
    }
    emit({ kind: 'ipvs', service: name, family, lines });
    await readSets(commands, family, service, realServers(lines), emit);
    await readRules(commands, family, backend, name, emit);
  }
}

interface ServerAddress {
  readonly flag: string;
  readonly address: string;
  readonly port: number;
}

/** Virtual servers of its cluster IPs, which are its alone, on ports that it does not have. */
function leftoversOf(
  { clusterIPs }: ProbeRequestService,
  family: Family,
  servers: readonly ProcVirtualServer[],
  known: readonly ServerAddress[],
): ServerAddress[] {
  return servers
    .map(({ protocol, address, port }) => ({ flag: serviceFlags[protocol], address, port }))
    .filter(
      ({ flag, address, port }) =>
        familyOf(address) === family &&
        clusterIPs.some((own) => isSameAddress(own, address)) &&
        !known.some((each) => each.flag === flag && each.port === port && isSameAddress(each.address, address)),
    );
}

function frontendsOf(service: ProbeRequestService, family: Family, nodeAddresses: readonly string[]): ServerAddress[] {
  const own = [...service.clusterIPs, ...service.externalIPs, ...service.loadBalancerIPs].filter(
    (address) => familyOf(address) === family,
  );
  const node = reachableAddresses(nodeAddresses, family);
  return service.ports.flatMap(({ protocol, port, nodePort }) => [
    ...own.map((address) => ({ flag: serviceFlags[protocol], address, port })),
    ...(nodePort === undefined || nodePort === 0
      ? []
      : node.map((address) => ({ flag: serviceFlags[protocol], address, port: nodePort }))),
  ]);
}

/** `address port` behind each arrow of a listing. */
function realServers(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const [, address, port] = /^\s+->\s+\[?([0-9a-fA-F.:]+?)\]?:(\d+)\s/.exec(line) ?? [];
    return address === undefined || port === undefined ? [] : [`${comparableAddress(address)} ${port}`];
  });
}

/**
 * Whether an element is the Service's (pkg/proxy/ipvs/ipset.go): `address,protocol:port[,source range]` by the frontend, a
 * node port by its number, and `endpoint,protocol:port,endpoint` of the set of hairpins by a real server. An endpoint may
 * be written by hand, and be another Service's address: it is looked for in that one set alone, with its port.
 */
function ownElements(
  service: ProbeRequestService,
  endpoints: readonly string[],
): (set: string, element: string) => boolean {
  const servers = new Set(endpoints);
  const proven = new Set(provenAddresses(service).map(comparableAddress));
  const shared = new Set([...service.externalIPs, ...service.loadBalancerIPs].map(comparableAddress));
  const ports = new Set(service.ports.map(({ protocol, port }) => `${protocol.toLowerCase()}:${String(port)}`));
  const nodePorts = new Set(
    service.ports.flatMap(({ nodePort }) => (nodePort === undefined || nodePort === 0 ? [] : [String(nodePort)])),
  );
  return (set, element) => {
    const [first = '', second] = element.split(',');
    if (second === undefined) return nodePorts.has(first.replace(/^\w+:/, ''));
    const address = comparableAddress(first);
    if (isHairpinSet(set)) return servers.has(`${address} ${second.replace(/^\w+:/, '')}`);
    if (proven.has(address) || (shared.has(address) && ports.has(second))) return true;
    // SCTP's sets of node ports have the node's address before the port.
    return isNodePortSet(set) && nodePorts.has(second.replace(/^\w+:/, ''));
  };
}

function isHairpinSet(set: string): boolean {
  return set.endsWith('LOOP-BACK');
}

function isNodePortSet(set: string): boolean {
  return set.includes('NODE-PORT');
}

/** The elements of kube-proxy's sets that name the Service (pkg/proxy/ipvs/ipset.go); its sets of IPv6 begin with KUBE-6-. */
async function readSets(
  commands: Commands,
  family: Family,
  service: ProbeRequestService,
  endpoints: readonly string[],
  emit: Emit,
): Promise<void> {
  const name = `${service.namespace}/${service.name}`;
  const names: string[] = [];
  const listed = await commands.stream(['ipset', 'list', '-n'], (line) => {
    if (line.startsWith('KUBE-') && line.startsWith('KUBE-6-') === (family === 'IPv6')) names.push(line.trim());
  });
  const unread = (problem: string): void => {
    emit({
      kind: 'unread',
      service: name,
      family,
      part: 'rules',
      what: 'rules of IPVS, sets of ipset',
      reason: problem,
    });
  };
  if (listed.status !== 0) {
    unread(listed.problem);
    return;
  }
  const isOwn = ownElements(service, endpoints);
  for (const set of names) {
    const lines: string[] = [];
    const { status, problem } = await commands.stream(['ipset', 'save', set], (line) => {
      const element = /^add \S+ (\S+)/.exec(line)?.[1];
      if (line.startsWith('create ') || (element !== undefined && isOwn(set, element))) lines.push(line);
    });
    if (status === 0) emit({ kind: 'ipSet', service: name, family, name: set, lines });
    else unread(problem);
  }
}

async function readRules(
  commands: Commands,
  family: Family,
  backend: IptablesBackend,
  service: string,
  emit: Emit,
): Promise<void> {
  const program = `${family === 'IPv4' ? 'iptables' : 'ip6tables'}-${backend === 'legacy' ? 'legacy' : 'nft'}-save`;
  for (const table of ['nat', 'filter']) {
    const chains = new Map<string, string[]>();
    const { status, problem } = await commands.stream([program, '-c', '-t', table], (line) => {
      const declared = /^:(\S+)/.exec(line)?.[1];
      const chain = declared ?? /^(?:\[\d+:\d+\] )?-A (\S+)/.exec(line)?.[1];
      if (chain === undefined || !(chain.startsWith('KUBE-') || builtInChainNames.has(chain))) return;
      const rules = chains.get(chain) ?? [];
      chains.set(chain, rules);
      if (declared === undefined) rules.push(line);
    });
    if (status !== 0)
      emit({
        kind: 'unread',
        service,
        family,
        part: 'rules',
        what: `rules of ${program}, table ${table}`,
        reason: problem,
      });
    else
      for (const [chain, lines] of chains)
        emit({ kind: 'iptablesChain', service, backend, family, table, chain, scope: 'all', absent: false, lines });
  }
}
