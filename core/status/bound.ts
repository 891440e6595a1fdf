/** Keeps a status below the size that one object may have. */
import { cellPer } from '../lib/once-per.ts';
import { boundedText } from '../lib/bounded-text.ts';
import { withFewerConnections } from '../convergence/endpoint-connections.ts';
import { withSlowestNodes } from '../convergence/history.ts';
import type { Condition, NodeStatus, ServiceTraceStatus, SliceChangeStatus } from '../api/service-trace.ts';
import { present } from '../lib/present.ts';

/** 512 KiB, of which the rest of the object needs a little (docs/design: one object stays under 512 KiB). */
const maxBytes = 500 * 1024;

/** The API server refuses a condition's reason that is longer. */
const maxReasonLength = 1024;

/** The same status, with every message and reason that others wrote, or that lists what others named, in its bounds. */
function boundMessages(status: ServiceTraceStatus): ServiceTraceStatus {
  const { conditions, findings, nodes } = status;
  return {
    ...status,
    ...(conditions === undefined ? {} : { conditions: conditions.map(boundCondition) }),
    ...(findings === undefined
      ? {}
      : {
          findings: findings.map((finding) => ({
            ...finding,
            message: boundedText(finding.message),
            evidence: finding.evidence.map((each) => boundedText(each)),
            advice: boundedText(finding.advice),
          })),
        }),
    ...(nodes === undefined ? {} : { nodes: nodes.map(boundNode) }),
  };
}

export function boundCondition(condition: Condition): Condition {
  return {
    ...condition,
    reason: boundedText(condition.reason, maxReasonLength),
    message: boundedText(condition.message),
  };
}

function boundNode(node: NodeStatus): NodeStatus {
  const { probe, kubeProxy, dns } = node;
  return {
    ...node,
    probe: {
      ...probe,
      ...(probe.message === undefined ? {} : { message: boundedText(probe.message) }),
      ...(probe.unread === undefined
        ? {}
        : {
            unread: probe.unread.map(({ what, reason }) => ({ what: boundedText(what), reason: boundedText(reason) })),
          }),
    },
    ...(kubeProxy?.message === undefined
      ? {}
      : { kubeProxy: { ...kubeProxy, message: boundedText(kubeProxy.message) } }),
    ...(dns?.error === undefined ? {} : { dns: { ...dns, error: boundedText(dns.error) } }),
  };
}

/**
 * The status, cut step by step until it is small enough: first what can be asked for again in detail, last what the
 * findings stand on. What was cut is named in `truncated`, so that nothing is missing without a word.
 */
export function boundStatus(status: ServiceTraceStatus): ServiceTraceStatus {
  let bounded = boundMessages(status);
  for (const { what, cut } of cuts) {
    if (bytesOf(bounded, maxBytes) <= maxBytes) return bounded;
    const shorter = cut(bounded);
    // What is not there is not cut.
    if (isSameJson(shorter, bounded)) continue;
    bounded = { ...shorter, truncated: [...(bounded.truncated ?? []), what] };
  }
  return bounded;
}

interface Cut {
  readonly what: string;
  readonly cut: (status: ServiceTraceStatus) => ServiceTraceStatus;
}

const cuts: readonly Cut[] = [
  {
    what: 'conntrack entries (their counts are whole); choose fewer nodes with spec.nodes to see them',
    cut: eachNode(withoutEntries),
  },
  {
    what: 'connections past the first 10 of each node',
    cut: eachNode((node) =>
      node.connections === undefined ? node : { ...node, connections: node.connections.slice(0, 10) },
    ),
  },
  {
    what: 'connections past the first 10 of each change of the EndpointSlices',
    cut: eachChange((change) => withFewerConnections(change, 10)),
  },
  {
    what: 'nodes past the slowest 10 of each change of the EndpointSlices (lag counts all)',
    cut: eachChange((change) => withSlowestNodes(change, 10)),
  },
  {
    what: 'rules of programs past the first three; choose fewer nodes with spec.nodes to see them',
    cut: (status) => ({
      ...status,
      programs: (status.programs ?? []).map((program, index) => (index < 3 ? program : { ...program, chains: [] })),
    }),
  },
  {
    what: 'rules of all programs',
    cut: (status) => ({ ...status, programs: (status.programs ?? []).map((program) => ({ ...program, chains: [] })) }),
  },
  {
    what: 'rows of the comparison past the first 10',
    cut: ({ comparison, ...status }) =>
      comparison === undefined
        ? status
        : {
            ...status,
            comparison: {
              ...comparison,
              rows: comparison.rows.slice(0, 10),
              omitted: comparison.omitted + Math.max(0, comparison.rows.length - 10),
            },
          },
  },
  {
    what: 'missing and extra DNAT targets of nodes past the first 10 of each frontend (their counts are whole)',
    cut: eachNode((node) => withDriftOf(node, 10)),
  },
  {
    what: 'changes of the EndpointSlices past the last 3',
    cut: ({ convergence, ...status }) =>
      convergence?.changes === undefined
        ? present({ ...status, convergence })
        : {
            ...status,
            convergence: {
              ...convergence,
              omittedChanges: (convergence.omittedChanges ?? 0) + Math.max(0, convergence.changes.length - 3),
              changes: convergence.changes.slice(-3),
            },
          },
  },
  {
    what: 'findings past the first 200',
    cut: (status) => ({ ...status, findings: (status.findings ?? []).slice(0, 200) }),
  },
  {
    what: 'evidence of findings',
    cut: (status) => ({
      ...status,
      findings: (status.findings ?? []).map((finding) => ({ ...finding, evidence: [] })),
    }),
  },
  {
    what: 'DNAT targets of nodes',
    cut: eachNode((node) => {
      const bounded = withDriftOf(node, 0);
      return { ...bounded, ports: bounded.ports.map((port) => ({ ...port, dnatTargets: [] })) };
    }),
  },
  {
    what: 'endpoints past the first 500 of each EndpointSlice list',
    cut: (status) => {
      let room = 500;
      return {
        ...status,
        endpointSlices: (status.endpointSlices ?? []).map((slice) => {
          const endpoints = slice.endpoints.slice(0, room);
          room -= endpoints.length;
          return { ...slice, endpoints };
        }),
      };
    },
  },
  { what: 'nodes past the first 500', cut: (status) => ({ ...status, nodes: (status.nodes ?? []).slice(0, 500) }) },
  // Long names of nodes stand in each of their findings several times.
  {
    what: 'findings past the first 50',
    cut: (status) => ({ ...status, findings: (status.findings ?? []).slice(0, 50) }),
  },
  { what: 'nodes past the first 100', cut: (status) => ({ ...status, nodes: (status.nodes ?? []).slice(0, 100) }) },
];

function eachChange(cut: (change: SliceChangeStatus) => SliceChangeStatus): Cut['cut'] {
  return ({ convergence, ...status }) =>
    convergence?.changes === undefined
      ? present({ ...status, convergence })
      : { ...status, convergence: { ...convergence, changes: convergence.changes.map(cut) } };
}

function eachNode(change: (node: NodeStatus) => NodeStatus): Cut['cut'] {
  return (status) => ({ ...status, nodes: (status.nodes ?? []).map(change) });
}

/** With at most so many missing and extra targets of each frontend. */
function withDriftOf(node: NodeStatus, most: number): NodeStatus {
  return {
    ...node,
    ports: node.ports.map((port) => {
      if (port.drift === undefined) return port;
      const { missingTargets, extraTargets, ...counts } = port.drift;
      return {
        ...port,
        drift: {
          ...counts,
          ...present({ missingTargets: missingTargets?.slice(0, most), extraTargets: extraTargets?.slice(0, most) }),
        },
      };
    }),
  };
}

function withoutEntries(node: NodeStatus): NodeStatus {
  if (node.conntrack?.entries === undefined) return node;
  const { entries, ...rest } = node.conntrack;
  return { ...node, conntrack: { ...rest, omitted: (rest.omitted ?? 0) + entries.length } };
}

/** Whether both are written as the same JSON; a cut leaves most of a status as the same objects, which need no look. */
function isSameJson(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (Array.isArray(one) && Array.isArray(other))
    return one.length === other.length && one.every((each, index) => isSameJson(each, other[index]));
  const [own, others] = [writtenParts(one), new Map(writtenParts(other))];
  return (
    own.length === others.size && own.every(([key, value]) => others.has(key) && isSameJson(value, others.get(key)))
  );
}

function writtenParts(value: object): (readonly [string, unknown])[] {
  return Object.entries(value).filter(([, each]) => each !== undefined);
}

/** So deep, what was counted is remembered; deeper parts of a status are small, and their lists are remembered. */
const rememberedDepth = 5;

const encoder = new TextEncoder();
/** Values are never changed, and cuts leave most of them as they were: what was counted to its end is counted once. */
const counted = cellPer<object, number>();

/**
 * Bytes of UTF-8 JSON, as it goes to the API server.
 * @param most of more than these, it is some number above them
 */
function bytesOf(value: unknown, most: number, depth = 0): number {
  if (typeof value === 'string') return bytesOfText(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value).length;
  const cell = depth > rememberedDepth ? undefined : counted(value);
  if (cell?.value !== undefined) return cell.value;
  let bytes = 1;
  let parts = 0;
  if (Array.isArray(value))
    for (const each of value as readonly unknown[]) {
      bytes += bytesOf(each, most - bytes, depth + 1) + 1;
      parts += 1;
      if (bytes > most) return bytes;
    }
  else
    for (const key in value) {
      const each = (value as Readonly<Record<string, unknown>>)[key];
      if (each === undefined) continue;
      bytes += bytesOfText(key) + bytesOf(each, most - bytes, depth + 1) + 2;
      parts += 1;
      if (bytes > most) return bytes;
    }
  if (parts === 0) bytes += 1;
  if (cell !== undefined) cell.value = bytes;
  return bytes;
}

/** Nearly every text is of characters that JSON and UTF-8 write as one byte: no copy of it is made to see its length. */
function bytesOfText(text: string): number {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code < firstPlain || code > lastPlain || code === quotationMark || code === backslash)
      return encoder.encode(JSON.stringify(text)).length;
  }
  return text.length + 2;
}

const firstPlain = 0x20;
const lastPlain = 0x7e;
const quotationMark = 0x22;
const backslash = 0x5c;
