/** Parts of a status in words, the same in every printer and view. Unknown is "unknown", and not counted is "-". */
import { chosenByText } from '../../core/evaluate/share.ts';
import type {
  Condition,
  DnatTargetStatus,
  FindingStatus,
  NodePortStatus,
  ServiceStatus,
  ServiceTraceStatus,
} from '../../core/api/service-trace.ts';
import { cell, type Cell, type Tone } from './tone.ts';
import { plural } from '../../core/lib/plural.ts';

/** 45s, 3m, 2h, 5d: the form of kubectl's AGE. */
export function ageText(from: string | undefined, to: number): string {
  const milliseconds = to - Date.parse(from ?? '');
  if (!Number.isFinite(milliseconds)) return 'unknown';
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

export function countText(count: number | undefined): string {
  return count === undefined ? '-' : String(count);
}

/** A share of something is not shown as none. */
export function percentText(share: number | undefined): string {
  if (share === undefined) return 'unknown';
  return share > 0 && share < 0.0005 ? '<0.1%' : `${(share * 100).toFixed(1)}%`;
}

/** The share of a destination, or what decides where none is known. */
export function shareText({
  probability,
  chosenBy = 'Unknown',
}: Pick<DnatTargetStatus, 'probability' | 'chosenBy'>): string {
  return probability === undefined ? chosenByText[chosenBy] : percentText(probability);
}

const conditionWords: Readonly<Record<Condition['status'], Cell>> = {
  True: cell('yes', 'ok'),
  False: cell('no', 'error'),
  Unknown: cell('unknown', 'warning'),
};

export function conditionCell({ type, status }: Condition): Cell {
  // Rules that lag are a state to look at; the findings report what is wrong with them.
  return type === 'Converged' && status === 'False' ? cell('no', 'warning') : conditionWords[status];
}

export const severityTones: Readonly<Record<FindingStatus['severity'], Tone>> = {
  error: 'error',
  warning: 'warning',
  info: 'dim',
};

type PortStatus = ServiceStatus['ports'][number];

/** `http 80/TCP`. */
export function ownPortText({ name, port, protocol }: Pick<PortStatus, 'name' | 'port' | 'protocol'>): string {
  return `${name === undefined || name === '' ? '' : `${name} `}${String(port)}/${protocol}`;
}

/** `http 80/TCP → 8080 (NodePort 30080)`. */
export function portText({ targetPort, nodePort, ...port }: PortStatus): string {
  return `${ownPortText(port)}${targetPort === undefined ? '' : ` → ${targetPort}`}${nodePort === undefined || nodePort === 0 ? '' : ` (NodePort ${nodePort})`}`;
}

/** The policies that differ from what everybody has, and those that are always worth saying. */
export function policyTexts(service: ServiceStatus): string[] {
  return [
    ...(service.internalTrafficPolicy === undefined ? [] : [`internalTrafficPolicy ${service.internalTrafficPolicy}`]),
    ...(service.externalTrafficPolicy === undefined || service.type === 'ClusterIP'
      ? []
      : [`externalTrafficPolicy ${service.externalTrafficPolicy}`]),
    ...(service.sessionAffinity === undefined || service.sessionAffinity === 'None'
      ? []
      : [`sessionAffinity ${service.sessionAffinity}`]),
  ];
}

/** Ready and all endpoints, a dual-stack pod counted once; undefined where the summary is not there yet. */
export function endpointsText(status: ServiceTraceStatus | undefined): string {
  return status?.summary?.endpoints ?? 'unknown';
}

/** 412 B, 1.4 KiB, 2.0 MiB */
export function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/** Whether everything that was asked for was read: only then does "no finding" mean that nothing is wrong. */
export function isAllKnown({ nodes = [] }: ServiceTraceStatus): boolean {
  return (
    nodes.length > 0 && nodes.every(({ probe }) => probe.state === 'Collected' && (probe.unread ?? []).length === 0)
  );
}

export function noFindingCell(status: ServiceTraceStatus): Cell {
  return isAllKnown(status)
    ? cell('none', 'ok')
    : cell('none in what could be read, and not all could be read', 'warning');
}

/** What the rules do with a frontend beyond sending to all endpoints: `policy Local, affinity 300 s, only from 192.0.2.0/24`; empty for an ordinary one. */
export function routingText({
  trafficPolicy,
  sessionAffinitySeconds,
  sourceRanges,
}: Pick<NodePortStatus, 'trafficPolicy' | 'sessionAffinitySeconds' | 'sourceRanges'>): string {
  return [
    ...(trafficPolicy === 'Local' ? ['policy Local'] : []),
    ...(sessionAffinitySeconds === undefined ? [] : [`affinity ${String(sessionAffinitySeconds)} s`]),
    ...(sourceRanges === undefined ? [] : [`only from ${sourceRanges.join(', ')}`]),
  ].join(', ');
}

/** Of what a list of conntrack entries leaves out. */
export function omittedEntriesText(omitted: number): string {
  return `${plural(omitted, 'more entry', 'more entries')} ${omitted === 1 ? 'is' : 'are'} not listed`;
}
