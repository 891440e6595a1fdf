/** One node of a status as the cells of a table row. */
import { desiredTargets, type DesiredTarget } from '../core/desired-targets.ts';
import type { DesiredService } from '../core/service.ts';
import type { NodePortStatus, NodeStatus, ServiceTrace, ServiceTraceStatus } from '../core/service-trace.ts';
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
function targetsCell(node: NodeStatus, { status, metadata, spec }: ServiceTrace): Cell {
  if (status?.service?.notProxied !== undefined) return cell('none asked', 'dim');
  if (node.probe.state !== 'Collected' || node.ports.length === 0 || node.ports.some(({ verdict }) => verdict === 'Unknown')) return cell('unknown', 'warning');
  const desired = desiredService(status, metadata.namespace ?? '', spec.serviceRef.name);
  if (desired === undefined) return cell('unknown', 'warning');
  let right = 0;
  let wanted = 0;
  let extra = 0;
  for (const port of node.ports) {
    const targets = expectedTargets(desired, node.name, port);
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
export function missingTargets(node: NodeStatus, port: NodePortStatus, { status, metadata, spec }: ServiceTrace): DesiredTarget[] {
  if (node.probe.state !== 'Collected' || port.verdict === 'Unknown' || status?.service?.notProxied !== undefined) return [];
  const desired = desiredService(status, metadata.namespace ?? '', spec.serviceRef.name);
  const wanted = desired === undefined ? undefined : expectedTargets(desired, node.name, port);
  return (wanted ?? []).filter((target) => !port.dnatTargets.some(({ address, port: number }) => address === target.address && number === target.port));
}

/** What the node should have for a frontend; undefined where zone hints decide it and the node's zone is not known. */
function expectedTargets(desired: DesiredService, node: string, port: NodePortStatus): ReturnType<typeof desiredTargets> | undefined {
  const endpoints = desired.endpointSlices.flatMap((slice) => slice.endpoints);
  const zone = endpoints.find(({ nodeName, zone: of }) => nodeName === node && of !== undefined)?.zone;
  if (zone === undefined && endpoints.some(({ hints }) => (hints ?? []).length > 0)) return undefined;
  return desiredTargets(desired, port, { node, traffic: port.frontend === 'ClusterIP' ? 'internal' : 'external', ...(zone === undefined ? {} : { zone }) });
}

function desiredService(status: ServiceTraceStatus | undefined, namespace: string, name: string): DesiredService | undefined {
  return status?.service === undefined ? undefined : { namespace, name, service: status.service, endpointSlices: status.endpointSlices ?? [] };
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
