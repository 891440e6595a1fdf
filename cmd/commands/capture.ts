/** `kubectl svctrace capture SERVICE --to FILE.pcapng`: its packets before and after DNAT, of several nodes in one file. */
import { setTimeout as sleep } from 'node:timers/promises';
import { capturePlaces, type CapturePlace } from '../../core/capture/request.ts';
import { parseCaptureRecord, type CaptureRecordOf } from '../../core/capture/record.ts';
import { createHopDescriber, readPacketHeader } from '../../core/capture/packet-hop.ts';
import { printPcapng, type PcapngPacket } from '../../core/capture/pcapng.ts';
import type { DesiredService } from '../../core/api/service.ts';
import { plural } from '../../core/lib/plural.ts';
import { NodeChoiceError, type CaptureEnd } from '../../engine/capture-on-nodes.ts';
import { readDesiredService } from '../../engine/desired-service.ts';
import { createTraceEngine } from '../../engine/trace-engine.ts';
import { connect } from '../cluster/cluster-client.ts';
import { ClusterError, NotFoundError, UsageError } from '../cli/errors.ts';
import { exitStatus } from '../cli/exit-status.ts';
import type { Io } from '../cli/io.ts';
import { createProgress, type Progress } from '../cli/progress.ts';
import type { CaptureRequest } from '../cli/request.ts';
import { checkService, describeMissingService } from '../cluster/find-service.ts';
import { version } from '../../core/lib/version.ts';
import { openNewFile } from '../cli/write-new-file.ts';
import { requireRights, standaloneAccess } from '../cluster/rights.ts';

/** Each is asked for at the same time, for as long as the capture takes. */
const maxNodes = 20;
const secondMilliseconds = 1000;
/** Clocks that differ by more than this put packets of two nodes out of order. */
const clockMilliseconds = 100;

/** @param connectTo replaced by tests */
export async function runCapture(
  request: CaptureRequest,
  io: Io,
  connectTo: typeof connect = connect,
): Promise<number> {
  const clusterClient = connectTo(request.flags, io.env, (line) => {
    io.stderr.write(`${line}\n`);
  });
  const { namespace } = clusterClient;
  await requireRights(clusterClient, standaloneAccess(namespace, request.probeNamespace), 'capture');
  await checkService(clusterClient, namespace, request.service);
  const desired = await readDesiredService(clusterClient.kubeConfig, namespace, request.service);
  if (desired === undefined)
    throw new NotFoundError(await describeMissingService(clusterClient, namespace, request.service));
  const { places, omittedEndpoints } = capturePlaces(desired);
  if (places.length === 0)
    throw new UsageError(
      `Service "${request.service}" has neither an address nor an endpoint whose packets could be captured.`,
    );
  // Before anything is captured, so that nothing is captured for nothing. Packets are for their owner alone.
  const file = await openNewFile(request.file, request.overwrite, 0o600);
  const progress = createProgress(io.stderr);
  try {
    const captured = await captureNodes(clusterClient.kubeConfig, request, places, progress, io.signal);
    progress.end();
    const nodes = [...captured.nodes.values()].filter(({ start }) => start !== undefined);
    if (nodes.length === 0)
      throw new ClusterError(
        `Nothing was captured. ${captured.ends.map(({ node, problem }) => `${node}: ${problem ?? 'its probe reported nothing'}`).join('; ')}`,
      );
    let packets = 0;
    for (const piece of capturedFile(nodes, places, desired)) {
      packets += 1;
      await file.write(piece);
    }
    await file.commit();
    packets -= nodes.length + 1;
    for (const notice of [
      ...noticesOf(nodes, captured.ends),
      ...(omittedEndpoints === 0
        ? []
        : [
            `${plural(omittedEndpoints, 'endpoint')} past the first ${omittedEndpoints === 1 ? 'is' : 'are'} not in the filter`,
          ]),
    ])
      progress.say(`Notice: ${notice}`);
    progress.say(
      `Captured ${plural(packets, 'packet')} on ${plural(nodes.length, 'node')} to ${request.file}; the comment of each has its node and its place on the packet path (Wireshark, or tshark -r ${request.file} -T fields -e frame.comment).`,
    );
    return captured.ends.some(({ problem }) => problem !== undefined) ||
      nodes.some(({ end }) => end === undefined || end.reason === 'failed')
      ? exitStatus.partial
      : exitStatus.ok;
  } finally {
    progress.end();
    await file.close();
  }
}

/** What one node sent. */
export interface CapturedNode {
  readonly node: string;
  start?: CaptureRecordOf<'captureStart'>;
  end?: CaptureRecordOf<'captureEnd'>;
  /** This machine's time when the first record came, in milliseconds. */
  startedHere?: number;
  readonly packets: CaptureRecordOf<'packet'>[];
}

async function captureNodes(
  kubeConfig: Parameters<typeof createTraceEngine>[0]['kubeConfig'],
  request: CaptureRequest,
  places: readonly CapturePlace[],
  progress: Progress,
  signal: AbortSignal,
): Promise<{ nodes: Map<string, CapturedNode>; ends: readonly CaptureEnd[] }> {
  const engine = createTraceEngine({
    kubeConfig,
    probeNamespace: request.probeNamespace,
    probeImage: request.probeImage,
    instance: `capture-${process.pid.toString(36)}-${Date.now().toString(36)}`,
    probeIdleSeconds: 60,
  });
  const nodes = new Map<string, CapturedNode>();
  const done = new AbortController();
  void showCounts(nodes, progress, AbortSignal.any([signal, done.signal]));
  try {
    const ends = await engine.capture({
      nodes: request.nodes,
      maxNodes,
      capture: {
        places: [...places],
        durationSeconds: request.durationSeconds,
        maxBytes: request.maxBytes,
        snapLength: request.snapLength,
      },
      onWaiting: (node, message) => {
        progress.update(`${node}: ${message}`);
      },
      onLine: (node, line) => {
        receive(nodes, node, line);
      },
      signal,
    });
    signal.throwIfAborted();
    return { nodes, ends };
  } catch (error) {
    if (error instanceof NodeChoiceError) throw new UsageError(`--node: ${error.message}.`, { cause: error });
    throw error;
  } finally {
    done.abort();
    progress.update('Ending the probes');
    await engine.close();
  }
}

export function receive(nodes: Map<string, CapturedNode>, node: string, line: string): void {
  const record = parseCaptureRecord(line);
  if (record === undefined) return;
  const own = nodes.get(node) ?? { node, packets: [] };
  nodes.set(node, own);
  if (record.kind === 'packet') own.packets.push(record);
  else if (record.kind === 'captureEnd') own.end = record;
  else {
    own.start = record;
    own.startedHere = Date.now();
  }
}

async function showCounts(
  nodes: ReadonlyMap<string, CapturedNode>,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(secondMilliseconds, undefined, { signal }).catch(() => undefined);
    const started = [...nodes.values()];
    if (signal.aborted || started.length === 0) continue;
    progress.update(
      `Capturing on ${plural(started.length, 'node')}: ${plural(
        started.reduce((sum, { packets }) => sum + packets.length, 0),
        'packet',
      )}`,
    );
  }
}

/** The pieces of the file: its header, a piece for each node, then one for each packet in the order of their times. */
export function capturedFile(
  nodes: readonly CapturedNode[],
  places: readonly CapturePlace[],
  { endpointSlices }: Pick<DesiredService, 'endpointSlices'>,
): Generator<Uint8Array> {
  const podOf = (address: string): string | undefined =>
    endpointSlices.flatMap(({ endpoints }) => endpoints).find(({ addresses }) => addresses.includes(address))?.targetRef
      ?.name;
  const describer = createHopDescriber(
    places,
    nodes.flatMap(({ start }) => start?.addresses ?? []),
    podOf,
  );
  const packets = nodes
    .flatMap(({ packets: own }, index) => own.map((packet) => ({ packet, index })))
    .sort((one, other) => one.packet.time - other.packet.time);
  const written = packets.map(({ packet: { time, length, data: base64 }, index }): PcapngPacket => {
    const { node = '', start } = nodes[index] ?? {};
    const data = Buffer.from(base64, 'base64');
    const header = readPacketHeader(data);
    const interfaceName =
      header === undefined
        ? '?'
        : (start?.interfaces[String(header.interfaceIndex)] ?? `interface ${String(header.interfaceIndex)}`);
    return { interfaceIndex: index, time, length, data, comment: describer.describe(node, interfaceName, header) };
  });
  const interfaces = nodes.map((captured) => ({
    name: captured.node,
    description: `node ${captured.node}${clockText(captured)}`,
    filter: captured.start?.filter ?? '',
    snapLength: captured.start?.snapLength ?? 0,
  }));
  return printPcapng(`kubectl svctrace ${version}`, interfaces, written);
}

/** By how much its clock is before this machine's; what the stream takes is in it. */
function clockOffset({ start, startedHere }: CapturedNode): number | undefined {
  return start === undefined || startedHere === undefined ? undefined : Date.parse(start.startedAt) - startedHere;
}

function clockText(captured: CapturedNode): string {
  const offset = clockOffset(captured);
  return offset === undefined ? '' : `, its clock ${offset < 0 ? '' : '+'}${String(Math.round(offset))} ms`;
}

function noticesOf(nodes: readonly CapturedNode[], ends: readonly CaptureEnd[]): string[] {
  const offsets = nodes.flatMap((captured) => clockOffset(captured) ?? []);
  const spread = offsets.length < 2 ? 0 : Math.max(...offsets) - Math.min(...offsets);
  return [
    ...ends.flatMap(({ node, problem }) => (problem === undefined ? [] : [`${node}: ${problem}`])),
    ...nodes.flatMap(({ node, end }) => {
      if (end?.reason === 'failed') return [`${node}: ${end.problem ?? 'the capture failed'}`];
      if (end?.reason === 'bytes')
        return [`${node}: the capture ended early, because its share of --max-bytes was full`];
      return (end?.dropped ?? 0) > 0
        ? [
            `${node}: ${plural(end?.dropped ?? 0, 'packet')} came too fast, and ${end?.dropped === 1 ? 'is' : 'are'} not in the file`,
          ]
        : [];
    }),
    ...(spread > clockMilliseconds
      ? [
          `the nodes' clocks seem to differ by ${String(Math.round(spread))} ms, so packets of different nodes may be out of order`,
        ]
      : []),
  ];
}
