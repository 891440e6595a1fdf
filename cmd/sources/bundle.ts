/** A trace that was recorded to a file, judged again by this version. */
import { statusInputOf } from '../../core/status/input.ts';
import { findLoopingChains } from '../../core/program/looping-chains.ts';
import { readFile } from 'node:fs/promises';
import { canonicalAddress } from '../../core/net/address.ts';
import { InvalidBundleError, parseBundle, type Bundle } from '../../core/wire/bundle.ts';
import { present } from '../../core/lib/present.ts';
import type { ServiceTrace } from '../../core/api/service-trace.ts';
import { buildStatus } from '../../core/status/status.ts';
import { NotFoundError, UsageError } from '../cli/errors.ts';
import { fileTrouble } from '../cli/file-errors.ts';
import type { TraceSource } from './source.ts';
import { traceOf } from './trace-object.ts';
import { kubectl } from '../../core/api/command.ts';

/** @throws UsageError where the file cannot be read; NotFoundError where it holds another Service */
export async function openBundle(
  file: string,
  asked: { readonly service: string | undefined; readonly namespace: string | undefined },
): Promise<TraceSource> {
  const bundle = await readBundle(file);
  const { name } = bundle.desired;
  if (asked.service !== undefined && asked.service !== name)
    throw new NotFoundError(`${file} holds a trace of Service "${name}", not of "${asked.service}".`);
  if (asked.namespace !== undefined && asked.namespace !== bundle.namespace)
    throw new NotFoundError(`${file} holds a trace of namespace "${bundle.namespace}", not of "${asked.namespace}".`);
  const noLogs = `a recorded trace holds rules, EndpointSlices and conntrack; where the cluster is, ${kubectl('svctrace', 'logs', name, '-n', bundle.namespace, '-f').run} follows them`;
  let show: ((trace: ServiceTrace) => void) | undefined;
  return {
    origin: { kind: 'recorded', at: bundle.recordedAt },
    async follow(onEvent, signal) {
      const give = (trace: ServiceTrace): void => {
        if (signal.aborted) return;
        onEvent({ kind: 'trace', trace });
        if (!signal.aborted) onEvent({ kind: 'ended', reason: `recorded at ${bundle.recordedAt}` });
      };
      show = give;
      give(traceOfBundle(bundle));
    },
    async walkFrom(client) {
      show?.(traceOfBundle(bundle, placesOf(client, bundle)));
    },
    async logs(onEvent) {
      onEvent({ kind: 'absent', reason: noLogs });
    },
    close: async () => undefined,
  };
}

/** The recorded trace, judged by this version. @param walkFrom where the packets enter that are walked */
export function traceOfBundle(bundle: Bundle, walkFrom = bundle.walkFrom): ServiceTrace {
  const { namespace, spec, desired } = bundle;
  const status = buildStatus({ ...statusInputOf(bundle), ...present({ walkFrom }) });
  return traceOf({ namespace, name: desired.name, spec, status });
}

/** Where a client's packets enter, by what the bundle knows. @throws UsageError where it knows no such client */
function placesOf(client: string, { answers, cluster, desired }: Bundle): NonNullable<Bundle['walkFrom']> {
  const address = canonicalAddress(client);
  if (address !== undefined) return answers.map(({ node }) => ({ node, address }));
  const pod = cluster?.pods?.find(({ name }) => name === client);
  if (pod?.node !== undefined) return pod.addresses.map((each) => ({ node: pod.node ?? '', address: each }));
  const endpoints = desired.endpointSlices
    .flatMap((slice) => slice.endpoints)
    .filter(({ targetRef, nodeName }) => targetRef?.name === client && nodeName !== undefined);
  if (endpoints.length > 0)
    return endpoints.flatMap(({ addresses, nodeName = '' }) =>
      addresses.slice(0, 1).map((each) => ({ node: nodeName, address: each })),
    );
  throw new UsageError(`${client} is not an IP address, and the bundle knows no pod of this name`);
}

/** @throws UsageError where the file cannot be read, is not a bundle, or holds rules that no kernel does */
export async function readBundle(file: string): Promise<Bundle> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`--bundle ${file} cannot be read: ${fileTrouble(error)}`, {
      cause: error,
    });
  }
  try {
    const bundle = parseBundle(text);
    const looping = findLoopingChains(bundle.answers);
    if (looping === undefined) return bundle;
    const { node, chains } = looping;
    throw new UsageError(
      `--bundle ${file}: on ${node}, the rules jump in a circle, ${chains.join(' -> ')}, which no kernel takes: the file was altered; record it again.`,
    );
  } catch (error) {
    if (error instanceof InvalidBundleError)
      throw new UsageError(`--bundle ${file}: ${error.message}`, { cause: error });
    throw error;
  }
}
