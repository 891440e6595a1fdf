/** One node of a status as the cells of a table row. */
import { desiredTargets, type DesiredTarget } from '../core/desired-targets.ts';
import type { DesiredService } from '../core/service.ts';
import type { DnatTargetStatus, NodePortStatus, NodeStatus, ServiceTrace, ServiceTraceStatus } from '../core/service-trace.ts';
import { cell, type Cell } from './tone.ts';
import { ageText, countText } from './words.ts';

export const nodeColumns = ['NODE', 'MODE', 'BACKEND', 'SYNC', 'TARGETS', 'CONNTRACK', 'PROBE'] as const;

export function nodeRow(node: NodeStatus, trace: ServiceTrace, now: number): Cell[] {
  return [cell(node.name), modeCell(node), cell(node.backend ?? '-', node.backend === undefined ? 'dim' : 'plain'), syncCell(node, now), targetsCell(node, trace), conntrackCell(node), probeCell(node)];
}

function modeCell({ proxyMode }: NodeStatus): Cell {
  return cell(proxyMode, proxyMode === 'unknown' ? 'warning' : 'plain');
}

/** Age of kube-proxy's last sync, and whether kube-proxy itself is well. */
function syncCell({ kubeProxy, probe }: NodeStatus, now: number): Cell {
  if (probe.state !== 'Collected') return cell('unknown', 'warning');
  if (kubeProxy?.healthy === false) return cell('unhealthy', 'error');
  if (kubeProxy?.lastSync === undefined) return cell('unknown', 'warning');
  return cell(ageText(kubeProxy.lastSync, now));
}

/** Right DNAT targets of all that should be there, over the frontends; `+n` are targets that should not. */
function targetsCell(node: NodeStatus, trace: ServiceTrace): Cell {
  const { status } = trace;
  if (status?.service?.notProxied !== undefined) return cell('none asked', 'dim');
  if (node.probe.state !== 'Collected' || node.ports.length === 0 || node.ports.some(({ verdict }) => verdict === 'Unknown')) return cell('unknown', 'warning');
  if (status?.service === undefined) return cell('unknown', 'warning');
  let right = 0;
  let wanted = 0;
  let extra = 0;
  for (const port of node.ports) {
    const targets = expectedTargets(trace, node.name, port);
    if (targets === undefined) return cell(`${port.dnatTargets.length}/unknown`, 'warning');
    const present = new Set(port.dnatTargets.map(({ address, port: number }) => `${address} ${number}`));
    const found = targets.filter(({ address, port: number }) => present.has(`${address} ${number}`)).length;
    right += found;
    wanted += targets.length;
    extra += present.size - found;
  }
  return cell(`${right}/${wanted}${extra === 0 ? '' : ` +${extra}`}`, right === wanted && extra === 0 ? 'ok' : 'error');
}

/** Targets that the EndpointSlices ask for, and the node's rules do not have; none where that is not known. */
export function missingTargets(node: NodeStatus, port: NodePortStatus, trace: ServiceTrace): DesiredTarget[] {
  if (!isComparable(node, port, trace)) return [];
  const present = new Set(port.dnatTargets.map(keyOf));
  return (expectedTargets(trace, node.name, port) ?? []).filter((target) => !present.has(keyOf(target)));
}

/** Targets of the node's rules that the EndpointSlices do not ask for; none where that is not known. */
export function staleTargets(node: NodeStatus, port: NodePortStatus, trace: ServiceTrace): DnatTargetStatus[] {
  if (!isComparable(node, port, trace)) return [];
  const wanted = expectedTargets(trace, node.name, port);
  if (wanted === undefined) return [];
  const keys = new Set(wanted.map(keyOf));
  return port.dnatTargets.filter((target) => !keys.has(keyOf(target)));
}

function isComparable(node: NodeStatus, port: NodePortStatus, { status }: ServiceTrace): boolean {
  return node.probe.state === 'Collected' && port.verdict !== 'Unknown' && status?.service !== undefined && status.service.notProxied === undefined;
}

function keyOf({ address, port }: { readonly address: string; readonly port: number }): string {
  return `${address} ${String(port)}`;
}

/** What many nodes ask of one status, worked out once. */
interface Expected {
  readonly desired: DesiredService;
  readonly zones: ReadonlyMap<string, string>;
  readonly hasHints: boolean;
  readonly targets: Map<string, DesiredTarget[]>;
}

const expectedOf = new WeakMap<ServiceTraceStatus, Expected>();

/** What the node should have for a frontend; undefined where zone hints decide it and the node's zone is not known. */
function expectedTargets({ status, metadata, spec }: ServiceTrace, node: string, port: NodePortStatus): readonly DesiredTarget[] | undefined {
  if (status?.service === undefined) return undefined;
  let expected = expectedOf.get(status);
  if (expected === undefined) {
    const endpoints = (status.endpointSlices ?? []).flatMap((slice) => slice.endpoints);
    expected = {
      desired: { namespace: metadata.namespace ?? '', name: spec.serviceRef.name, service: status.service, endpointSlices: status.endpointSlices ?? [] },
      zones: new Map(endpoints.flatMap(({ nodeName, zone }) => (nodeName === undefined || zone === undefined ? [] : [[nodeName, zone] as const]))),
      hasHints: endpoints.some(({ hints, nodeHints }) => (hints ?? []).length > 0 || (nodeHints ?? []).length > 0),
      targets: new Map(),
    };
    expectedOf.set(status, expected);
  }
  const { desired, zones, hasHints, targets } = expected;
  const zone = zones.get(node);
  if (zone === undefined && hasHints) return undefined;
  const traffic = port.frontend === 'ClusterIP' ? 'internal' : 'external';
  const policy = traffic === 'internal' ? desired.service.internalTrafficPolicy : desired.service.externalTrafficPolicy;
  const key = [traffic, port.family, port.protocol, port.portName ?? '', hasHints || policy === 'Local' ? node : ''].join(' ');
  const known = targets.get(key) ?? desiredTargets(desired, port, { node, traffic, ...(zone === undefined ? {} : { zone }) });
  targets.set(key, known);
  return known;
}

function conntrackCell({ conntrack }: NodeStatus): Cell {
  if (conntrack === undefined) return cell('-', 'dim');
  const full = conntrack.count !== undefined && conntrack.max !== undefined && conntrack.max > 0 && conntrack.count / conntrack.max > 0.8;
  return full ? cell(`${countText(conntrack.matched)} (table ${Math.round((100 * (conntrack.count ?? 0)) / (conntrack.max ?? 1))}% full)`, 'error') : cell(countText(conntrack.matched));
}

function probeCell({ probe }: NodeStatus): Cell {
  if (probe.state === 'Failed') return cell(`failed: ${probe.reason ?? 'no reason given'}`, 'error');
  if (probe.state === 'Waiting') return cell(`waiting: ${probe.reason ?? 'not started'}`, 'warning');
  const unread = probe.unread?.length ?? 0;
  return unread === 0 ? cell('collected', 'ok') : cell(`collected, ${unread} unread`, 'warning');
}
