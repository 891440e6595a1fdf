/** One node of a status as the cells of a table row. */
import type { NodeStatus, ServiceTrace } from '../../core/api/service-trace.ts';
import { knowsLags, nodeLagCell } from './lag.ts';
import { cell, type Cell } from './tone.ts';
import { ageText, countText } from './words.ts';

/** LAG only where a change of the EndpointSlices is known: a trace that collected once knows none. */
export function nodeColumnsOf({ status }: ServiceTrace): readonly string[] {
  const lag = status !== undefined && knowsLags(status) ? ['LAG'] : [];
  return ['NODE', 'MODE', 'BACKEND', 'SYNC', ...lag, 'TARGETS', 'CONNTRACK', 'PROBE'];
}

export function nodeRow(node: NodeStatus, trace: ServiceTrace, now: number): Cell[] {
  return [
    cell(node.name),
    modeCell(node),
    cell(node.backend ?? '-', node.backend === undefined ? 'dim' : 'plain'),
    syncCell(node, now),
    ...(trace.status !== undefined && knowsLags(trace.status) ? [nodeLagCell(node.name, trace.status)] : []),
    targetsCell(node, trace),
    conntrackCell(node),
    probeCell(node),
  ];
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
  if (
    node.probe.state !== 'Collected' ||
    node.ports.length === 0 ||
    node.ports.some(({ verdict }) => verdict === 'Unknown')
  )
    return cell('unknown', 'warning');
  if (status?.service === undefined) return cell('unknown', 'warning');
  const drift = driftOf(node);
  if (drift.unknown !== undefined) return cell(`${drift.unknown}/unknown`, 'warning');
  const { right, wanted, extra } = drift;
  return cell(`${right}/${wanted}${extra === 0 ? '' : ` +${extra}`}`, right === wanted && extra === 0 ? 'ok' : 'error');
}

/** How a node's DNAT targets differ from those that it should have, over its frontends. */
export interface Drift {
  readonly right: number;
  readonly wanted: number;
  readonly extra: number;
  /** The targets of the first frontend of which it is not known what it should have. */
  readonly unknown?: number;
}

export function driftOf({ ports }: NodeStatus): Drift {
  let [right, wanted, extra] = [0, 0, 0];
  for (const { verdict, dnatTargets, drift } of ports) {
    if (verdict === 'Unknown') continue;
    // A status of an earlier version says nothing of it.
    if (drift === undefined) return { right, wanted, extra, unknown: dnatTargets.length };
    right += drift.desired - drift.missing;
    wanted += drift.desired;
    extra += drift.extra;
  }
  return { right, wanted, extra };
}

function conntrackCell({ conntrack }: NodeStatus): Cell {
  if (conntrack === undefined) return cell('-', 'dim');
  const full =
    conntrack.count !== undefined &&
    conntrack.max !== undefined &&
    conntrack.max > 0 &&
    conntrack.count / conntrack.max > 0.8;
  return full
    ? cell(
        `${countText(conntrack.matched)} (table ${Math.round((100 * (conntrack.count ?? 0)) / (conntrack.max ?? 1))}% full)`,
        'error',
      )
    : cell(countText(conntrack.matched));
}

function probeCell({ probe }: NodeStatus): Cell {
  if (probe.state === 'Failed') return cell(`failed: ${probe.reason ?? 'no reason given'}`, 'error');
  if (probe.state === 'Waiting') return cell(`waiting: ${probe.reason ?? 'not started'}`, 'warning');
  if (probe.state === 'Skipped') return cell(`skipped: ${probe.reason ?? 'no reason given'}`, 'dim');
  const unread = probe.unread?.length ?? 0;
  return unread === 0 ? cell('collected', 'ok') : cell(`collected, ${unread} unread`, 'warning');
}
