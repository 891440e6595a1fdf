/** Asks kube-proxy for its mode, configuration, health and metrics on the node's loopback interface. */
import { httpGet, HttpTimeoutError, type HttpAnswer } from './io/http-get.ts';
import type { RecordOf } from '../core/wire/node-report.ts';
import { relevantMetrics } from '../core/kube-proxy/metrics.ts';

/** A kube-proxy that does not answer within this time is reported as unresponsive: a node under load is given some. */
const timeoutMilliseconds = 5000;
/** A configuration has about 3 KB. */
const maxConfigLength = 65_536;

/** Never rejects: what does not answer is absent, with the reason in errors. */
export async function askKubeProxy(): Promise<RecordOf<'kubeProxy'>> {
  const failed: Failed[] = [];
  const [mode, metrics, configz, live] = await Promise.all([
    get(10249, 'proxyMode', failed),
    get(10249, 'metrics', failed),
    get(10249, 'configz', failed),
    get(10256, 'livez', failed),
  ]);
  // Before 1.28 there is no livez; healthz is 503 on a node that is being deleted, so it comes second.
  const health = live?.status === 404 ? await get(10256, 'healthz', failed) : live;
  return {
    kind: 'kubeProxy',
    ...(mode?.status === 200 ? { proxyMode: mode.body } : {}),
    ...(health === undefined
      ? {}
      : {
          livez: {
            path: live?.status === 404 ? '/healthz' : '/livez',
            status: health.status,
            body: health.body.slice(0, 4096),
          },
        }),
    ...(metrics?.status === 200 ? { metrics: relevantMetrics(metrics.body.split('\n')) } : {}),
    ...(configz?.status === 200 && configz.body.length <= maxConfigLength ? { configz: configz.body } : {}),
    errors: failed.map(({ error }) => error),
    failures: failed.map(({ port, cause }) => ({ port, cause })),
  };
}

/** Its word for its mode alone; undefined where it has none. */
export async function askProxyMode(): Promise<string | undefined> {
  const mode = await get(10249, 'proxyMode', []);
  return mode?.status === 200 ? mode.body : undefined;
}

type Failed = NonNullable<RecordOf<'kubeProxy'>['failures']>[number] & { readonly error: string };

async function get(port: number, path: string, failed: Failed[]): Promise<HttpAnswer | undefined> {
  const address = `127.0.0.1:${String(port)}/${path}`;
  try {
    return await httpGet({ host: '127.0.0.1', port, path: `/${path}` }, timeoutMilliseconds);
  } catch (error) {
    failed.push({
      port,
      cause: causeOf(error),
      error: `${address}: ${error instanceof Error ? error.message : String(error)}`,
    });
    return undefined;
  }
}

function causeOf(reason: unknown): Failed['cause'] {
  if (!(reason instanceof Error)) return 'other';
  if (reason instanceof HttpTimeoutError) return 'late';
  return 'code' in reason && reason.code === 'ECONNREFUSED' ? 'refused' : 'other';
}
