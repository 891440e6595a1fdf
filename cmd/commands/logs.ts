/** `kubectl svctrace logs SERVICE`: the logs of all pods behind the Service as one, or those of the nodes' kube-proxies. */
import { logWords, wordsIn } from '../../core/kube-proxy/log-words.ts';
import type { DesiredService } from '../../core/api/service.ts';
import { readDesiredService } from '../../engine/desired-service.ts';
import { connect, type ClusterClient } from '../cluster/cluster-client.ts';
import type { LogPod } from '../cluster/log-pods.ts';
import { NotFoundError, UsageError, ClusterError } from '../cli/errors.ts';
import { exitStatus } from '../cli/exit-status.ts';
import type { Io } from '../cli/io.ts';
import type { LogLine } from '../logs/merge.ts';
import { podNews } from '../logs/pods.ts';
import { createLogReader, followPods, servicePods, type PodSource, listPods } from '../logs/reader.ts';
import { createLogColors } from '../printers/log-colors.ts';
import { wantsColor } from '../tables/paint.ts';
import { visibleLine, visibleText } from '../../core/lib/visible.ts';
import type { LogsRequest } from '../cli/request.ts';
import { checkService, describeMissingService } from '../cluster/find-service.ts';
import { kubeProxyLabels } from '../../core/kube-proxy/objects.ts';
import { desiredOfTrace } from '../../core/api/desired-of-trace.ts';
import { traceByOperator } from '../sources/read-service.ts';
import { logsAccess, missingRights, operatorAccess, serviceAccess } from '../cluster/rights.ts';

const kubeProxyNamespace = 'kube-system';
/** For a trace of one node that reads nothing there. */
const serviceMilliseconds = 60_000;

/** @param connectTo replaced by tests. @throws ClusterError with all rights that are missing */
export async function runLogs(request: LogsRequest, io: Io, connectTo: typeof connect = connect): Promise<number> {
  const clusterClient = connectTo(request.flags, io.env, (line) => {
    io.stderr.write(`${line}\n`);
  });
  const { namespace } = clusterClient;
  const place = request.kubeProxy ? kubeProxyNamespace : namespace;
  const needed = await missingRights(clusterClient, logsAccess(place, request));
  const lacking = await missingRights(clusterClient, serviceAccess(namespace));
  const mayAsk = lacking.length === 0 || (await missingRights(clusterClient, operatorAccess(namespace))).length === 0;
  // Nobody reads logs in the user's place; of which pods they are, the operator's trace says, too.
  const missing = mayAsk ? needed : [...lacking, ...needed];
  if (missing.length > 0) throw new ClusterError(`logs needs rights that you lack: ${missing.join('; ')}.`);
  const desired = await readService(clusterClient, request, lacking, io);
  const source = request.kubeProxy ? kubeProxyPods(request) : servicePods(desired, request);
  const reader = createLogReader(clusterClient, {
    namespace: source.namespace,
    container: request.container,
    previous: request.previous,
    sinceSeconds: request.sinceSeconds,
    tailLines: request.tail,
    onLines: linePrinter(request, desired, io),
    say: (text) => {
      io.stderr.write(`Notice: ${text}\n`);
    },
    signal: io.signal,
  });
  const pods = await listPods(clusterClient, source);
  if (pods.length === 0 && !request.follow) throw new NotFoundError(source.none);
  checkContainer(pods, request);
  if (!request.follow) return (await reader.readAll(pods)) ? exitStatus.ok : exitStatus.partial;
  if (pods.length === 0) io.stderr.write(`Notice: ${source.none} Waiting for one.\n`);
  await followPods(clusterClient, source, reader, io.signal, (now, before) => {
    for (const { from, text } of before === undefined ? [] : podNews(before, now, ''))
      io.stderr.write(`Notice: ${from}: ${text}\n`);
  });
  io.signal.throwIfAborted();
  return exitStatus.ok;
}

/** Of the API server, else of an operator's trace that reads nothing else. @throws NotFoundError */
async function readService(
  clusterClient: ClusterClient,
  { service }: LogsRequest,
  lacking: readonly string[],
  io: Io,
): Promise<DesiredService> {
  const { namespace, kubeConfig } = clusterClient;
  if (lacking.length > 0) {
    const collect = { rules: false, conntrack: 'None', kubeProxy: false, dns: false } as const;
    const asked = { service, nodes: [], maxNodes: 1, collect, timeoutMilliseconds: serviceMilliseconds, lacking };
    return desiredOfTrace(await traceByOperator(clusterClient, asked, io));
  }
  await checkService(clusterClient, namespace, service);
  const desired = await readDesiredService(kubeConfig, namespace, service);
  if (desired === undefined) throw new NotFoundError(await describeMissingService(clusterClient, namespace, service));
  return desired;
}

function kubeProxyPods({ nodes }: LogsRequest): PodSource {
  const where = nodes.length === 0 ? '' : ` on ${nodes.join(', ')}`;
  return {
    namespace: kubeProxyNamespace,
    selectors: kubeProxyLabels,
    isMeant: ({ node }) => nodes.length === 0 || (node !== undefined && nodes.includes(node)),
    none: `There is no pod of kube-proxy (label ${kubeProxyLabels.join(' or ')}) in namespace ${kubeProxyNamespace}${where}: where it is not a pod, its log is on the node (journalctl -u kube-proxy).`,
  };
}

function checkContainer(pods: readonly LogPod[], { container }: LogsRequest): void {
  if (container === undefined || pods.length === 0) return;
  const names = [...new Set(pods.flatMap(({ containers }) => containers.map(({ name }) => name)))];
  if (!names.includes(container))
    throw new UsageError(`-c ${container}: no pod has a container of this name; they have ${names.join(', ')}.`);
}

/** Writes lines: the pod and the container, and for kube-proxies a mark where the line concerns the Service. */
function linePrinter(
  { kubeProxy, color, raw }: LogsRequest,
  desired: DesiredService,
  io: Io,
): (lines: readonly LogLine[]) => void {
  const useColor = wantsColor(color, io.stdout.isTTY === true, io.env);
  const paint = createLogColors(useColor);
  const words = kubeProxy ? logWords(desired) : [];
  const lineOf = ({ from, text }: LogLine): string => {
    const mark = !kubeProxy ? '' : wordsIn(text, words).length > 0 ? '> ' : '  ';
    return `${mark}${paint(from.split('/')[0] ?? from, visibleText(from))} ${raw ? text : visibleLine(text)}\n`;
  };
  const { stdout } = io;
  // Without --raw, the stream would show what a line holds as well; with it, nothing between may.
  const write =
    raw && stdout.writeRaw !== undefined
      ? (text: string) => stdout.writeRaw?.(text)
      : (text: string) => stdout.write(text);
  return (lines) => {
    write(lines.map(lineOf).join(''));
  };
}
