/**
 * Connects only to what is the Service's own at this moment. The operator has looked before it asked, and whoever may write
 * an EndpointSlice may have written another one since: so the node's own rules are read right before, and conntrack, which
 * saw each packet, says after it who was connected to. Nothing is sent over a connection before that, and nothing is reported
 * of one that went elsewhere.
 */
import { addressSet, hostPort, isSameTarget, reachableAddresses } from '../core/net/address.ts';
import type { NodeReport, NodeReportRecord } from '../core/wire/node-report.ts';
import { parseConntrackLine } from '../core/conntrack/parse-entry.ts';
import type { ProbeRequest, ProbeRequestService } from '../core/wire/probe-request.ts';
import { rulesOfNodeReport } from '../core/program/node-report-rules.ts';
import { familyOf } from '../core/net/family.ts';
import type { Commands } from './io/commands.ts';
import type { Emit } from './io/emit.ts';
import {
  tryConnections,
  type ConnectRequest,
  type ConnectionCheck,
  type LocalEnd,
  type Target,
} from './try-connections.ts';

export interface CheckedNode {
  readonly node: string;
  readonly addresses: readonly string[];
  /** Reads the rules of the Services again. */
  readonly readRules: (emit: Emit) => Promise<void>;
}

/** Emits one record for each target; one that is not the Service's own is `untried`, with the reason. */
export async function connectChecked(
  connect: ConnectRequest,
  services: ProbeRequest['services'],
  commands: Commands,
  { node, addresses, readRules }: CheckedNode,
  emit: Emit,
): Promise<void> {
  const records: NodeReportRecord[] = [
    { kind: 'start', version: 1, node, startedAt: '', kernel: '', probeVersion: '', addresses: [...addresses] },
  ];
  await readRules((record) => {
    records.push(record);
  });
  const report: NodeReport = { node, records, complete: true };
  const allowed: Target[] = [];
  for (const target of connect.targets) {
    const reason = refusalOf(target, connect, services, report, addresses);
    if (reason === undefined) allowed.push(target);
    else emit({ kind: 'connection', ...target, outcome: 'untried', error: reason, milliseconds: 0 });
  }
  await tryConnections({ ...connect, targets: allowed }, (target) => checkOf(target, connect, commands), emit);
}

/** Why a target may not be connected to, as far as the node knows; undefined where it may. */
function refusalOf(
  target: Target,
  { backends }: ConnectRequest,
  services: ProbeRequest['services'],
  report: NodeReport,
  addresses: readonly string[],
): string | undefined {
  const service = services.find(({ namespace, name }) => `${namespace}/${name}` === target.service);
  if (service === undefined || !isOwnTarget(target, service, backends, addresses)) return "it is not the Service's own";
  if (target.hop === 'Endpoint') return undefined;
  const family = familyOf(target.address);
  const rules = rulesOfNodeReport(report, target.service, family);
  const [source] = reachableAddresses(addresses, family);
  if (rules === undefined) return "the node's rules for it could not be read";
  const { leaves } = rules.walk({
    source: source ?? target.address,
    destination: target.address,
    destinationPort: target.port,
    protocol: target.protocol,
    entersAt: 'OUTPUT',
  });
  const isElsewhere = leaves.some(
    ({ dnat }) => dnat !== undefined && !backends.some((backend) => isSameTarget(backend, dnat)),
  );
  return isElsewhere ? 'the rules of the node send it to what is not an endpoint of the Service' : undefined;
}

function isOwnTarget(
  { hop, address, port, protocol }: Target,
  service: ProbeRequestService,
  backends: ConnectRequest['backends'],
  addresses: readonly string[],
): boolean {
  const isPort = service.ports.some((each) => each.protocol === protocol && each.port === port);
  switch (hop) {
    case 'ClusterIP':
      return isPort && addressSet(service.clusterIPs).has(address);
    case 'NodePort':
      return (
        addressSet(addresses).has(address) &&
        service.ports.some((each) => each.protocol === protocol && each.nodePort === port)
      );
    case 'LoadBalancerIP':
      return (
        isPort && addressSet(service.loadBalancerIPs).has(address) && addressSet(service.ownIPs ?? []).has(address)
      );
    case 'ExternalIP':
      return false;
    case 'Endpoint':
      return backends.some((backend) => isSameTarget(backend, { address, port }));
  }
}

/** Who was connected to, by the conntrack entry of the very connection. */
function checkOf(target: Target, { backends }: ConnectRequest, commands: Commands): ConnectionCheck {
  return async (local, hasAnswered) => {
    const answering = local === undefined ? undefined : await replySource(target, local, commands);
    // A packet that a rule of the node refused or dropped has no entry; an endpoint that is connected to past all rules needs none.
    if (answering === undefined)
      return hasAnswered && target.hop !== 'Endpoint'
        ? `conntrack does not say who answered for ${hostPort(target.address, target.port)}`
        : undefined;
    if (backends.some((backend) => isSameTarget(backend, answering))) return undefined;
    // No rule sent it elsewhere: to nobody, or to a load balancer outside of the cluster; on a node port, to a program of the node.
    const isPastRules = isSameTarget(answering, target);
    if (isPastRules && (!hasAnswered || target.hop === 'LoadBalancerIP')) return undefined;
    return 'what it was sent to is not an endpoint of the Service';
  };
}

async function replySource(
  { address, port, protocol }: Target,
  local: LocalEnd,
  commands: Commands,
): Promise<{ readonly address: string; readonly port: number } | undefined> {
  const lines: string[] = [];
  await commands.stream(
    [
      'conntrack',
      '-G',
      '-p',
      protocol.toLowerCase(),
      '-s',
      local.address,
      '-d',
      address,
      '--sport',
      String(local.port),
      '--dport',
      String(port),
    ],
    (line) => lines.push(line),
  );
  const [entry] = lines.flatMap((line) => parseConntrackLine(line) ?? []);
  return entry === undefined ? undefined : { address: entry.reply.source, port: entry.reply.sourcePort };
}
