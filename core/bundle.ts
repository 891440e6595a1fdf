/**
 * A recorded trace: what was collected, before any of it was judged, so that a newer version can judge it again.
 * The file is NDJSON: a header line, the desired state, then each node's answer followed by its report's records.
 */
import * as z from 'zod';
import { clusterFactsSchema, type ClusterFacts } from './cluster-facts.ts';
import { nodeReportRecordSchema, type NodeAnswer, type NodeReportRecord } from './node-report.ts';
import { parseServiceTrace } from './parse/service-trace.ts';
import { present } from './present.ts';
import type { DesiredService } from './service.ts';
import { serviceTraceGroup, serviceTraceVersion, type ServiceTraceSpec } from './service-trace.ts';

export interface Bundle {
  /** RFC 3339. */
  readonly recordedAt: string;
  readonly toolVersion: string;
  readonly namespace: string;
  readonly spec: ServiceTraceSpec;
  readonly desired: DesiredService;
  readonly answers: readonly NodeAnswer[];
  /** What the API server told around the Service; absent in bundles of versions that did not ask. */
  readonly cluster?: ClusterFacts;
  /** Zone by node name, for topology hints; absent where no node has one. */
  readonly nodeZones?: Readonly<Record<string, string>>;
  /** Where the client of spec.from is, by node; absent where there is none. */
  readonly walkFrom?: readonly { readonly node: string; readonly address: string }[];
}

/** Thrown for a file that is not a bundle: says the line and what was expected there. */
export class InvalidBundleError extends Error {
  override readonly name = 'InvalidBundleError';
}

const headerSchema = z.object({
  kind: z.literal('svctraceBundle'),
  version: z.literal(1),
  recordedAt: z.string(),
  toolVersion: z.string(),
  namespace: z.string(),
  /** The ServiceTrace's spec, and a status that holds service and endpointSlices as the API server had them. */
  trace: z.unknown(),
  lastChange: z.string().optional(),
  serviceChange: z.string().optional(),
  noticedChange: z.string().optional(),
  changedWhileCollecting: z.array(z.string()).optional(),
  externalAddresses: z.array(z.object({ address: z.string(), use: z.enum(['Own', 'Shared', 'Taken', 'Unlisted', 'Beyond']) })).optional(),
  cluster: clusterFactsSchema.optional(),
  nodeZones: z.record(z.string(), z.string()).optional(),
  walkFrom: z.array(z.object({ node: z.string(), address: z.string() })).optional(),
});

const answerSchema = z.union([
  z.object({ kind: z.literal('answer'), node: z.string(), collectedAt: z.string(), askedAt: z.string().optional(), complete: z.boolean() }),
  z.object({
    kind: z.literal('noAnswer'),
    node: z.string(),
    state: z.enum(['Waiting', 'Failed']),
    reason: z.string(),
    message: z.string(),
  }),
]);

/** The bundle as text; `parseBundle` reads it back to an equal value. */
export function printBundle(bundle: Bundle): string {
  const { desired } = bundle;
  const lines: unknown[] = [
    {
      kind: 'svctraceBundle',
      version: 1,
      recordedAt: bundle.recordedAt,
      toolVersion: bundle.toolVersion,
      namespace: bundle.namespace,
      trace: {
        apiVersion: `${serviceTraceGroup}/${serviceTraceVersion}`,
        kind: 'ServiceTrace',
        metadata: { name: desired.name, namespace: desired.namespace },
        spec: bundle.spec,
        status: { service: desired.service, endpointSlices: desired.endpointSlices },
      },
      lastChange: desired.lastChange,
      serviceChange: desired.serviceChange,
      noticedChange: desired.noticedChange,
      changedWhileCollecting: desired.changedWhileCollecting,
      externalAddresses: desired.externalAddresses,
      cluster: bundle.cluster,
      nodeZones: bundle.nodeZones,
      walkFrom: bundle.walkFrom,
    },
  ];
  for (const answer of bundle.answers) {
    if ('report' in answer) {
      const { report, node, collectedAt, askedAt } = answer;
      lines.push({ kind: 'answer', node, collectedAt, askedAt, complete: report.complete }, ...report.records);
    } else {
      lines.push({ kind: 'noAnswer', ...answer });
    }
  }
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

/**
 * Reads what `printBundle` wrote.
 * @throws InvalidBundleError where a line is not what it should be, or the file ends within its header
 */
export function parseBundle(text: string): Bundle {
  const lines = text.split('\n').map((line, index) => ({ line, number: index + 1 })).filter(({ line }) => line.trim() !== '');
  const first = lines[0];
  if (first === undefined) throw new InvalidBundleError('the file is empty; write a bundle with `kubectl svctrace record SERVICE --to FILE`');
  const header = headerSchema.safeParse(parseLine(first.line, first.number));
  if (!header.success) {
    throw new InvalidBundleError('line 1 is not the header of a bundle of version 1; write a bundle with `kubectl svctrace record SERVICE --to FILE`');
  }
  const trace = parseTrace(header.data.trace);
  const service = trace.status?.service;
  if (service === undefined) throw new InvalidBundleError('line 1 has no Service in trace.status.service');
  return {
    recordedAt: header.data.recordedAt,
    toolVersion: header.data.toolVersion,
    namespace: header.data.namespace,
    spec: trace.spec,
    desired: {
      namespace: header.data.namespace,
      name: trace.spec.serviceRef.name,
      service,
      endpointSlices: trace.status?.endpointSlices ?? [],
      ...present({ lastChange: header.data.lastChange, serviceChange: header.data.serviceChange, noticedChange: header.data.noticedChange }),
      ...(header.data.changedWhileCollecting === undefined ? {} : { changedWhileCollecting: header.data.changedWhileCollecting }),
      ...(header.data.externalAddresses === undefined ? {} : { externalAddresses: header.data.externalAddresses }),
    },
    answers: parseAnswers(lines.slice(1)),
    ...(header.data.cluster === undefined ? {} : { cluster: header.data.cluster }),
    ...(header.data.nodeZones === undefined ? {} : { nodeZones: header.data.nodeZones }),
    ...(header.data.walkFrom === undefined ? {} : { walkFrom: header.data.walkFrom }),
  };
}

function parseTrace(value: unknown): ReturnType<typeof parseServiceTrace> {
  try {
    return parseServiceTrace(value);
  } catch (error) {
    throw new InvalidBundleError(`line 1: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function parseAnswers(lines: readonly { line: string; number: number }[]): NodeAnswer[] {
  const answers: NodeAnswer[] = [];
  let records: NodeReportRecord[] | undefined;
  for (const { line, number } of lines) {
    const value = parseLine(line, number);
    const answer = answerSchema.safeParse(value);
    if (answer.success) {
      const data = answer.data;
      if (data.kind === 'noAnswer') {
        records = undefined;
        answers.push({ node: data.node, state: data.state, reason: data.reason, message: data.message });
      } else {
        records = [];
        answers.push({ node: data.node, collectedAt: data.collectedAt, ...(data.askedAt === undefined ? {} : { askedAt: data.askedAt }), report: { node: data.node, records, complete: data.complete } });
      }
      continue;
    }
    const record = nodeReportRecordSchema.safeParse(value);
    if (!record.success) throw new InvalidBundleError(`line ${number} is neither a node's answer nor a record of its report`);
    if (records === undefined) throw new InvalidBundleError(`line ${number} is a ${record.data.kind} record that belongs to no node's answer`);
    records.push(record.data);
  }
  return answers;
}

function parseLine(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new InvalidBundleError(`line ${number} is not JSON: ${line.slice(0, 80)}`);
  }
}
