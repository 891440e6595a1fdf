/**
 * Writes core/api/service-trace.ts from crds/servicetraces.yaml, the one source of truth of the API.
 * `node scripts/generate-types.ts` writes it; `node scripts/generate-types.ts --check` fails where the file is stale.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { compile, type JSONSchema } from 'json-schema-to-typescript';
import { parse } from 'yaml';
import * as z from 'zod';

const crdFile = new URL('../crds/servicetraces.yaml', import.meta.url);
const typesFile = new URL('../core/api/service-trace.ts', import.meta.url);

type Schema = { [key: string]: unknown };

const crdShape = z.object({
  spec: z.object({
    group: z.string(),
    names: z.object({ kind: z.string(), plural: z.string() }),
    versions: z
      .array(
        z.object({
          name: z.string(),
          schema: z.object({ openAPIV3Schema: z.record(z.string(), z.unknown()) }),
        }),
      )
      .length(1),
  }),
});

/** The schema without Kubernetes' extensions, which JSON Schema tools do not know, and without the envelope. */
function withoutExtensions(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutExtensions);
  if (typeof value !== 'object' || value === null) return value;
  const result: Schema = {};
  for (const [key, child] of Object.entries(value)) {
    if (!key.startsWith('x-kubernetes-')) result[key] = withoutExtensions(child);
  }
  return result;
}

function property(schema: unknown, name: string): unknown {
  const shape = z.object({ properties: z.record(z.string(), z.unknown()) });
  const found = shape.parse(schema).properties[name];
  if (found === undefined) throw new Error(`crds/servicetraces.yaml: the schema has no property ${name}`);
  return found;
}

/** A copy of `schema` whose nested object `path` is named, so that the generated type has that name. */
function titled(schema: unknown, titles: { readonly [path: string]: string }, path = ''): unknown {
  if (Array.isArray(schema) || typeof schema !== 'object' || schema === null) return schema;
  const result: Schema = { ...schema };
  const title = titles[path];
  if (title !== undefined) result['title'] = title;
  if ('properties' in schema && typeof schema.properties === 'object' && schema.properties !== null) {
    result['properties'] = Object.fromEntries(
      Object.entries(schema.properties).map(([key, child]) => [
        key,
        titled(child, titles, path === '' ? key : `${path}.${key}`),
      ]),
    );
  }
  if ('items' in schema) result['items'] = titled(schema.items, titles, `${path}[]`);
  return result;
}

const titles = {
  spec: 'ServiceTraceSpec',
  'spec.collect': 'CollectSpec',
  'spec.nodes': 'NodesSpec',
  'spec.from': 'FromSpec',
  status: 'ServiceTraceStatus',
  'status.conditions[]': 'Condition',
  'status.service': 'ServiceStatus',
  'status.service.ports[]': 'ServicePortStatus',
  'status.endpointSlices[]': 'EndpointSliceStatus',
  'status.endpointSlices[].endpoints[]': 'EndpointStatus',
  'status.endpoints': 'EndpointsCostStatus',
  'status.comparison': 'ComparisonStatus',
  'status.comparison.rows[]': 'ComparisonRowStatus',
  'status.comparison.outliers[]': 'NodeOutlierStatus',
  'status.programs[]': 'ProgramStatus',
  'status.programs[].chains[]': 'ChainStatus',
  'status.programs[].chains[].rules[]': 'RuleStatus',
  'status.nodes[]': 'NodeStatus',
  'status.nodes[].probe': 'ProbeStatus',
  'status.nodes[].kubeProxy': 'KubeProxyStatus',
  'status.nodes[].ports[]': 'NodePortStatus',
  'status.nodes[].ports[].dnatTargets[]': 'DnatTargetStatus',
  'status.nodes[].ports[].drift': 'DriftStatus',
  'status.nodes[].ports[].drift.missingTargets[]': 'MissingTargetStatus',
  'status.nodes[].conntrack': 'ConntrackStatus',
  'status.nodes[].conntrack.entries[]': 'ConntrackEntryStatus',
  'status.nodes[].conntrack.entries[].original': 'OriginalTuple',
  'status.nodes[].conntrack.entries[].reply': 'ReplyTuple',
  'status.nodes[].dns': 'DnsStatus',
  'status.walks[]': 'WalkStatus',
  'status.walks[].destinations[]': 'WalkDestination',
  'status.walks[].path[]': 'WalkStep',
  'status.findings[]': 'FindingStatus',
  'status.findings[].commands[]': 'CommandStatus',
  'status.convergence': 'ConvergenceStatus',
  'status.convergence.changes[]': 'SliceChangeStatus',
  'status.convergence.changes[].endpoints[]': 'EndpointChangeStatus',
  'status.convergence.changes[].expected[]': 'ExpectedTargetsStatus',
  'status.convergence.changes[].expected[].targets[]': 'ExpectedTargetStatus',
  'status.convergence.changes[].lag': 'LagStatus',
  'status.convergence.changes[].lag.p50': 'LagBounds',
  'status.convergence.changes[].nodes[]': 'NodeLagStatus',
  'status.convergence.changes[].rules[]': 'RuleDeltaStatus',
  'status.convergence.changes[].conntrack[]': 'KeptConnectionsStatus',
  'status.convergence.changes[].connections[]': 'EndpointConnectionsStatus',
  'status.connectionEvents': 'ConnectionEventsStatus',
  'status.connectionEvents.recent[]': 'ConnectionEventStatus',
  'status.summary': 'SummaryStatus',
} as const;

async function generate(): Promise<string> {
  const crd = crdShape.parse(parse(await readFile(crdFile, 'utf8')));
  const version = crd.spec.versions[0];
  if (version === undefined) throw new Error('crds/servicetraces.yaml has no version');
  const openApi = withoutExtensions(version.schema.openAPIV3Schema);
  const envelope = {
    type: 'object',
    required: ['apiVersion', 'kind', 'metadata', 'spec'],
    properties: {
      apiVersion: { type: 'string', enum: [`${crd.spec.group}/${version.name}`] },
      kind: { type: 'string', enum: [crd.spec.names.kind] },
      metadata: {
        title: 'ServiceTraceMetadata',
        description: 'The part of ObjectMeta that this project reads.',
        type: 'object',
        properties: {
          name: { type: 'string' },
          generateName: { type: 'string' },
          namespace: { type: 'string' },
          uid: { type: 'string' },
          resourceVersion: { type: 'string' },
          generation: { type: 'integer' },
          creationTimestamp: { type: 'string' },
          deletionTimestamp: { type: 'string' },
          labels: { type: 'object', additionalProperties: { type: 'string' } },
          annotations: { type: 'object', additionalProperties: { type: 'string' } },
        },
      },
      spec: titled(property(openApi, 'spec'), titles, 'spec'),
      status: titled(property(openApi, 'status'), titles, 'status'),
    },
  };
  const types = await compile(structuredClone(envelope) as JSONSchema, 'ServiceTrace', {
    additionalProperties: false,
    bannerComment: '',
    declareExternallyReferenced: true,
    format: true,
    // Arrays stay arrays: a minItems of 1 would become a tuple type, which no list of names is.
    ignoreMinAndMaxItems: true,
    style: { singleQuote: true, printWidth: 120 },
  });
  return [
    '// Generated from crds/servicetraces.yaml by `npm run generate`; change that file, not this one.',
    '',
    `export const serviceTraceGroup = '${crd.spec.group}';`,
    `export const serviceTraceVersion = '${version.name}';`,
    `export const serviceTracePlural = '${crd.spec.names.plural}';`,
    '',
    types,
    '/** JSON Schema of a ServiceTrace, for parsing one that came from the API or from a file. */',
    `export const serviceTraceSchema = ${JSON.stringify(envelope, null, 1)};`,
    '',
  ].join('\n');
}

const wanted = await generate();
if (process.argv.includes('--check')) {
  const present = await readFile(typesFile, 'utf8').catch(() => '');
  if (present !== wanted) {
    console.error(
      'core/api/service-trace.ts is older than crds/servicetraces.yaml: run `npm run generate` and commit the result',
    );
    process.exitCode = 1;
  }
} else {
  await writeFile(typesFile, wanted);
}
