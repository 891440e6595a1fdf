/** Asks kube-proxy for its mode, configuration, health and metrics on the node's loopback interface. */
import type { RecordOf } from '../core/wire/node-report.ts';
import { relevantMetrics } from '../core/kube-proxy/metrics.ts';

/** A kube-proxy that does not answer within this time is told as one that hangs: a node under load is given some. */
const timeoutMilliseconds = 5000;
/** A configuration has about 3 KB. */
const maxConfigLength = 65_536;

/** Never rejects: what does not answer is absent, with the reason in errors. */
export async function askKubeProxy(): Promise<RecordOf<'kubeProxy'>> {
  const errors: string[] = [];
  const [mode, metrics, configz, live] = await Promise.all([
    get('127.0.0.1:10249/proxyMode', errors),
    get('127.0.0.1:10249/metrics', errors),
    get('127.0.0.1:10249/configz', errors),
    get('127.0.0.1:10256/livez', errors),
  ]);
  // Before 1.28 there is no livez; healthz is 503 on a node that is being deleted, so it comes second.
  const health = live?.status === 404 ? await get('127.0.0.1:10256/healthz', errors) : live;
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
    errors,
  };
}

async function get(address: string, errors: string[]): Promise<{ status: number; body: string } | undefined> {
  try {
    const response = await fetch(`http://${address}`, { signal: AbortSignal.timeout(timeoutMilliseconds) });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    errors.push(`${address}: ${cause instanceof Error ? cause.message : String(cause)}`);
    return undefined;
  }
}
