/** One node of a status as the cells of a table row. */
import { desiredTargets, type DesiredTarget } from '../../core/api/desired-targets.ts';
import { oncePer } from '../../core/lib/once-per.ts';
import type { DesiredService } from '../../core/api/service.ts';
import type { NodePortStatus, NodeStatus, ServiceTrace, ServiceTraceStatus } from '../../core/api/service-trace.ts';
import { cell, type Cell } from './tone.ts';
import { ageText, countText } from './words.ts';

export const nodeColumns = ['NODE', 'MODE', 'BACKEND', 'SYNC', 'TARGETS', 'CONNTRACK', 'PROBE'] as const;

export function nodeRow(node: NodeStatus, trace: ServiceTrace, now: number): Cell[] {
  return [
    cell(node.name),
    modeCell(node),
    cell(node.backend ?? '-', node.backend === undefined ? 'dim' : 'plain'),
    syncCell(node, now),
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
  const drift = driftOf(node, trace);
  if (drift.unknown !== undefined) return cell(`${drift.unknown}/unknown`, 'warning');
  const { right, wanted, extra } = drift;
  return cell(`${right}/${wanted}${extra === 0 ? '' : ` +${extra}`}`, right === wanted && extra === 0 ? 'ok' : 'error');
}

/** How a node's DNAT targets differ from what the EndpointSlices ask for, over its frontends. */
export interface Drift {
  readonly right: number;
  readonly wanted: number;
  readonly extra: number;
  /** The targets of the first frontend of which it is not known what it should have. */
  readonly unknown?: number;
}

/** Of many nodes with many targets this is asked at every key: it is worked out once for each status. */
export function driftOf(node: NodeStatus, trace: ServiceTrace): Drift {
  const none: Drift = { right: 0, wanted: 0, extra: 0 };
  if (trace.status?.service === undefined) return none;
  const { drifts } = expectedOf(trace.status);
  const known = drifts.get(node) ?? measureDrift(node, trace);
  drifts.set(node, known);
  return known;
}

function measureDrift(node: NodeStatus, trace: ServiceTrace): Drift {
  let [right, wanted, extra] = [0, 0, 0];
  for (const port of node.ports) {
    if (port.verdict === 'Unknown') continue;
    const expected = expectedTargets(trace, node.name, port);
    if (expected === undefined) return { right, wanted, extra, unknown: port.dnatTargets.length };
    const { isFound, others } = compareTargets(port, expected);
    right += isFound.reduce((sum, each) => sum + each, 0);
    wanted += expected.targets.length;
    extra += others.size;
  }
  return { right, wanted, extra };
}

/** Targets that the EndpointSlices ask for, and the node's rules do not have; none where that is not known. */
export function missingTargets(node: NodeStatus, port: NodePortStatus, trace: ServiceTrace): DesiredTarget[] {
  if (!isComparable(node, port, trace)) return [];
  const expected = expectedTargets(trace, node.name, port);
  if (expected === undefined) return [];
  const { isFound } = compareTargets(port, expected);
  return expected.targets.filter((_, index) => isFound[index] === 0);
}

/** Each target once, though rules may name it twice. */
function compareTargets(
  { dnatTargets }: NodePortStatus,
  { targets, places }: ExpectedTargets,
): { readonly isFound: Uint8Array; readonly others: ReadonlySet<string> } {
  const isFound = new Uint8Array(targets.length);
  const others = new Set<string>();
  for (const { address, port } of dnatTargets) {
    const place = places.get(address)?.find((each) => each.port === port)?.index;
    if (place === undefined) others.add(`${address} ${String(port)}`);
    else isFound[place] = 1;
  }
  return { isFound, others };
}

function isComparable(node: NodeStatus, port: NodePortStatus, { status }: ServiceTrace): boolean {
  return (
    node.probe.state === 'Collected' &&
    port.verdict !== 'Unknown' &&
    status?.service !== undefined &&
    status.service.notProxied === undefined
  );
}

/** What many nodes ask of one status, worked out once. */
interface Expected {
  readonly endpointSlices: NonNullable<ServiceTraceStatus['endpointSlices']>;
  readonly zones: ReadonlyMap<string, string>;
  readonly hasHints: boolean;
  readonly targets: Map<string, ExpectedTargets>;
  readonly drifts: Map<NodeStatus, Drift>;
}

interface ExpectedTargets {
  /** Of different addresses and ports. */
  readonly targets: readonly DesiredTarget[];
  /** By address, its ports, each with its index in `targets`: many targets of many nodes are looked up here. */
  readonly places: ReadonlyMap<string, readonly { readonly port: number; readonly index: number }[]>;
}

const expectedOf = oncePer(({ endpointSlices = [] }: ServiceTraceStatus): Expected => {
  const endpoints = endpointSlices.flatMap((slice) => slice.endpoints);
  return {
    endpointSlices,
    zones: new Map(
      endpoints.flatMap(({ nodeName, zone }) =>
        nodeName === undefined || zone === undefined ? [] : [[nodeName, zone] as const],
      ),
    ),
    hasHints: endpoints.some(({ hints, nodeHints }) => (hints ?? []).length > 0 || (nodeHints ?? []).length > 0),
    targets: new Map(),
    drifts: new Map(),
  };
});

function placesOf(targets: readonly DesiredTarget[]): ExpectedTargets['places'] {
  const places = new Map<string, { port: number; index: number }[]>();
  for (const [index, { address, port }] of targets.entries()) {
    const ofAddress = places.get(address);
    if (ofAddress === undefined) places.set(address, [{ port, index }]);
    else ofAddress.push({ port, index });
  }
  return places;
}

/** What the node should have for a frontend; undefined where zone hints decide it and the node's zone is not known. */
function expectedTargets(
  { status, metadata, spec }: ServiceTrace,
  node: string,
  port: NodePortStatus,
): ExpectedTargets | undefined {
  if (status?.service === undefined) return undefined;
  const { service } = status;
  const { endpointSlices, zones, hasHints, targets } = expectedOf(status);
  const zone = zones.get(node);
  if (zone === undefined && hasHints) return undefined;
  const traffic = port.frontend === 'ClusterIP' ? 'internal' : 'external';
  const policy = traffic === 'internal' ? service.internalTrafficPolicy : service.externalTrafficPolicy;
  const key = [
    traffic,
    port.family,
    port.protocol,
    port.portName ?? '',
    hasHints || policy === 'Local' ? node : '',
  ].join(' ');
  let known = targets.get(key);
  if (known === undefined) {
    const desired: DesiredService = {
      namespace: metadata.namespace ?? '',
      name: spec.serviceRef.name,
      service,
      endpointSlices,
    };
    const wanted = desiredTargets(desired, port, { node, traffic, ...(zone === undefined ? {} : { zone }) });
    known = { targets: wanted, places: placesOf(wanted) };
    targets.set(key, known);
  }
  return known;
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
  const unread = probe.unread?.length ?? 0;
  return unread === 0 ? cell('collected', 'ok') : cell(`collected, ${unread} unread`, 'warning');
}
