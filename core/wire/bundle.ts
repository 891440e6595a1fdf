/**
 * A recorded trace: what was collected, before any of it was judged, so that a newer version can judge it again.
 * The file is NDJSON: a header line, the desired state, then each node's answer followed by its report's records.
 */
import * as z from 'zod';
import { canonicalAddress } from '../net/address.ts';
import { clusterFactsSchema, type ClusterFacts } from '../api/cluster-facts.ts';
import { nodeReportRecordSchema, type NodeAnswer, type NodeReportRecord } from './node-report.ts';
import { parseServiceTrace } from '../api/parse-service-trace.ts';
import { present } from '../lib/present.ts';
import type { DesiredService } from '../api/service.ts';
import {
  serviceTraceGroup,
  serviceTraceVersion,
  type ServiceStatus,
  type ServiceTraceSpec,
} from '../api/service-trace.ts';

export interface Bundle {
  /** RFC 3339. */
  readonly recordedAt: string;
  readonly toolVersion: string;
  readonly namespace: string;
  readonly spec: ServiceTraceSpec;
  readonly desired: DesiredService;
  readonly answers: readonly NodeAnswer[];
  /** Of all answers: a file that was cut lacks some of them. Absent in bundles of versions that did not write it. */
  readonly nodes?: readonly string[];
  /** What the API server reported around the Service; absent in bundles of versions that did not ask. */
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
  /** Of all nodes that follow; absent in bundles of versions that did not write it. */
  nodes: z.array(z.string()).optional(),
  /** The ServiceTrace's spec, and a status that holds service and endpointSlices as the API server had them. */
  trace: z.unknown(),
  lastChange: z.string().optional(),
  serviceChange: z.string().optional(),
  noticedChange: z.string().optional(),
  changedWhileCollecting: z.array(z.string()).optional(),
  externalAddresses: z
    .array(z.object({ address: z.string(), use: z.enum(['Own', 'Shared', 'Taken', 'Unlisted', 'Beyond']) }))
    .optional(),
  cluster: clusterFactsSchema.optional(),
  nodeZones: z.record(z.string(), z.string()).optional(),
  walkFrom: z.array(z.object({ node: z.string(), address: z.string() })).optional(),
});

const answerSchema = z.union([
  z.object({
    kind: z.literal('answer'),
    node: z.string(),
    collectedAt: z.string(),
    askedAt: z.string().optional(),
    rulesReadAt: z.string().optional(),
    complete: z.boolean(),
  }),
  z.object({
    kind: z.literal('noAnswer'),
    node: z.string(),
    state: z.enum(['Waiting', 'Failed', 'Skipped']),
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
      nodes: bundle.nodes,
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
      const { report, node, collectedAt, askedAt, rulesReadAt } = answer;
      lines.push(
        { kind: 'answer', node, collectedAt, askedAt, rulesReadAt, complete: report.complete },
        ...report.records,
      );
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
  const lines = text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .map((line, index) => ({ line, number: index + 1 }))
    .filter(({ line }) => line.trim() !== '');
  const first = lines[0];
  if (first === undefined) throw new InvalidBundleError(`the file is empty; ${howToWrite}`);
  const head = headOf(first);
  const header = headerSchema.safeParse(head);
  if (!header.success) {
    const [problem] = header.error.issues;
    throw new InvalidBundleError(
      `line ${String(first.number)} is not the header of a bundle of version 1${problem === undefined ? '' : ` (${problem.path.map(String).join('.')}: ${problem.message})`}; ${howToWrite}`,
    );
  }
  if (!isTime(header.data.recordedAt))
    throw new InvalidBundleError(
      `line ${String(first.number)}: recordedAt is not a time of RFC 3339: ${header.data.recordedAt.slice(0, 40)}`,
    );
  const trace = parseTrace(header.data.trace);
  const service = trace.status?.service;
  if (service === undefined) throw new InvalidBundleError('line 1 has no Service in trace.status.service');
  checkService(service);
  const isEnded = text.endsWith('\n');
  const answers = parseAnswers(lines.slice(1), isEnded);
  checkNodes(
    answers,
    header.data.nodes ?? knownNodes(trace.spec, trace.status?.endpointSlices ?? [], header.data.cluster),
  );
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
      ...present({
        lastChange: header.data.lastChange,
        serviceChange: header.data.serviceChange,
        noticedChange: header.data.noticedChange,
      }),
      ...(header.data.changedWhileCollecting === undefined
        ? {}
        : { changedWhileCollecting: header.data.changedWhileCollecting }),
      ...(header.data.externalAddresses === undefined ? {} : { externalAddresses: header.data.externalAddresses }),
    },
    answers,
    ...(header.data.cluster === undefined ? {} : { cluster: header.data.cluster }),
    ...(header.data.nodes === undefined ? {} : { nodes: header.data.nodes }),
    ...(header.data.nodeZones === undefined ? {} : { nodeZones: header.data.nodeZones }),
    ...(header.data.walkFrom === undefined ? {} : { walkFrom: header.data.walkFrom }),
  };
}

const howToWrite = 'write a bundle with `kubectl svctrace record SERVICE --to FILE`';

/** What the first line says, where it may be the header of any version's bundle. */
function headOf({ line, number }: { readonly line: string; readonly number: number }): unknown {
  let head: unknown;
  try {
    head = JSON.parse(line);
  } catch {
    throw new InvalidBundleError(
      `line ${String(number)} is not a header of a bundle: ${line.trim().slice(0, 60)}; ${howToWrite}`,
    );
  }
  const version = z.object({ kind: z.literal('svctraceBundle'), version: z.number() }).safeParse(head);
  if (version.success && version.data.version > 1)
    throw new InvalidBundleError(
      `it was written by a newer version of kubectl svctrace (its format is ${String(version.data.version)}, and this one reads 1); read it with that version`,
    );
  return head;
}

function isTime(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}/.test(text) && !Number.isNaN(Date.parse(text));
}

/** What the API server would never have stored. */
function checkService({ clusterIPs, ports }: ServiceStatus): void {
  const badAddress = clusterIPs.find((address) => address !== 'None' && canonicalAddress(address) === undefined);
  if (badAddress !== undefined)
    throw new InvalidBundleError(
      `line 1: ${badAddress.slice(0, 40)} is not an IP address, and stands in trace.status.service.clusterIPs`,
    );
  for (const { port, nodePort } of ports) {
    for (const each of [port, ...(nodePort === undefined || nodePort === 0 ? [] : [nodePort])]) {
      if (!Number.isInteger(each) || each < 1 || each > 65_535)
        throw new InvalidBundleError(
          `line 1: ${String(each)} is not a port from 1 to 65535, and stands in trace.status.service.ports`,
        );
    }
  }
}

/** Of a bundle that does not list its nodes, where all were asked: those that the API server listed. */
function knownNodes(
  spec: ServiceTraceSpec,
  slices: DesiredService['endpointSlices'],
  cluster: ClusterFacts | undefined,
): readonly string[] {
  if (spec.nodes !== undefined) return [];
  return [
    ...new Set([
      ...(cluster?.nodes ?? []).map(({ name }) => name),
      ...slices.flatMap(({ endpoints }) => endpoints.flatMap(({ nodeName }) => nodeName ?? [])),
    ]),
  ];
}

function checkNodes(answers: readonly NodeAnswer[], nodes: readonly string[]): void {
  const missing = nodes.filter((name) => !answers.some(({ node }) => node === name)).sort();
  if (missing.length === 0) return;
  const last = answers.at(-1)?.node;
  throw new InvalidBundleError(
    `the file is cut: it ends behind ${last === undefined ? 'its header' : `the report of ${last}`}, and lacks ${missing.join(', ')}; copy it again`,
  );
}

function parseTrace(value: unknown): ReturnType<typeof parseServiceTrace> {
  try {
    return parseServiceTrace(value);
  } catch (error) {
    throw new InvalidBundleError(`line 1: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** @param isEnded whether the last line has its end */
function parseAnswers(lines: readonly { line: string; number: number }[], isEnded: boolean): NodeAnswer[] {
  let open: { readonly node: string; readonly records: readonly NodeReportRecord[] } | undefined;
  const close = (): void => {
    if (open !== undefined && !open.records.some(({ kind }) => kind === 'end'))
      throw new InvalidBundleError(cutText(open.node));
  };
  const answers: NodeAnswer[] = [];
  let records: NodeReportRecord[] | undefined;
  for (const { line, number } of lines) {
    const isLast = number === lines.at(-1)?.number;
    const value = isLast && !isEnded && !isJson(line) ? undefined : parseLine(line, number);
    if (value === undefined)
      throw new InvalidBundleError(
        open === undefined
          ? `the file is cut: it ends within line ${String(number)}; copy it again`
          : cutText(open.node),
      );
    const answer = answerSchema.safeParse(value);
    if (answer.success) {
      const data = answer.data;
      close();
      open = undefined;
      if (answers.some(({ node }) => node === data.node))
        throw new InvalidBundleError(`line ${String(number)}: ${data.node} is there a second time`);
      if (data.kind === 'noAnswer') {
        records = undefined;
        answers.push({ node: data.node, state: data.state, reason: data.reason, message: data.message });
      } else {
        records = [];
        answers.push({
          node: data.node,
          collectedAt: data.collectedAt,
          ...(data.askedAt === undefined ? {} : { askedAt: data.askedAt }),
          ...(data.rulesReadAt === undefined ? {} : { rulesReadAt: data.rulesReadAt }),
          report: { node: data.node, records, complete: data.complete },
        });
        if (data.complete) open = { node: data.node, records };
      }
      continue;
    }
    const record = nodeReportRecordSchema.safeParse(value);
    if (!record.success)
      throw new InvalidBundleError(`line ${number} is neither a node's answer nor a record of its report`);
    if (records === undefined)
      throw new InvalidBundleError(`line ${number} is a ${record.data.kind} record that belongs to no node's answer`);
    records.push(record.data);
  }
  close();
  return answers;
}

function cutText(node: string): string {
  return `the file is cut: it ends within the report of ${node}; copy it again`;
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

function parseLine(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new InvalidBundleError(`line ${number} is not JSON: ${line.slice(0, 80)}`);
  }
}
