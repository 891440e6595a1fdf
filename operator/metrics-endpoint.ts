/** The metrics endpoint of an operator, with its certificate and who may read it. Loaded only where it is asked for. */
import type { KubeConfig } from '@kubernetes/client-node';
import { messageOf } from '../engine/api-error.ts';
import type { Log } from '../engine/log.ts';
import { countApiRequests } from './api-requests.ts';
import { operatorMetrics } from './metrics.ts';
import { metricsPath, startMetricsServer } from './metrics-server.ts';
import type { OperatorObserver, OperatorState } from './operator-observer.ts';
import { kubernetesReviews, requestAuthorizer } from './request-authorizer.ts';
import { mountedCertificate, selfSignedCertificate, type ServingCertificate } from './serving-certificate.ts';

export interface MetricsEndpointOptions {
  readonly kubeConfig: KubeConfig;
  /** Undefined: all addresses. */
  readonly host: string | undefined;
  readonly port: number;
  /** A directory with tls.crt and tls.key; undefined: a certificate that nobody vouches for. */
  readonly certificateDirectory: string | undefined;
  /** The endpoint's names in DNS. */
  readonly names: readonly string[];
  readonly log: Log;
  /** What there is at the time of its call. */
  readonly read: () => OperatorState;
}

export interface MetricsEndpoint {
  readonly observer: OperatorObserver;
  close(): Promise<void>;
}

/** A mounted Secret changes when its certificate is renewed. */
const mountedLookMilliseconds = 60_000;
const selfSignedRenewMilliseconds = 30 * 24 * 3600 * 1000;
/** setTimeout takes no more than 2^31 - 1. */
const longestTimer = 24 * 3600 * 1000;

/** @throws where the certificate cannot be read, or the address not be listened on */
export async function startMetricsEndpoint({
  kubeConfig,
  host,
  port,
  certificateDirectory,
  names,
  log,
  read,
}: MetricsEndpointOptions): Promise<MetricsEndpoint> {
  const metrics = operatorMetrics(read);
  countApiRequests(metrics.onApiRequest);
  const make = async (): Promise<ServingCertificate> =>
    certificateDirectory === undefined ? selfSignedCertificate(names) : mountedCertificate(certificateDirectory);
  let certificate = await make();
  let madeAt = Date.now();
  const server = await startMetricsServer({
    host,
    port,
    metrics,
    decide: requestAuthorizer(kubernetesReviews(kubeConfig), metricsPath),
    certificate,
    log,
  });
  log.info(
    `metrics are served on port ${String(server.port)}${certificateDirectory === undefined ? ', with a self-signed certificate' : ''}`,
  );
  const renew = async (): Promise<void> => {
    if (certificateDirectory === undefined && Date.now() - madeAt < selfSignedRenewMilliseconds) return;
    const next = await make();
    if (next.cert === certificate.cert && next.key === certificate.key) return;
    server.setCertificate(next);
    certificate = next;
    madeAt = Date.now();
    log.info('the metrics endpoint has a new certificate');
  };
  const timer = setInterval(
    () => {
      renew().catch((error: unknown) => {
        log.warn(`${messageOf(error)}; the certificate of before is used on`);
      });
    },
    certificateDirectory === undefined ? longestTimer : mountedLookMilliseconds,
  );
  timer.unref();
  return {
    observer: metrics.observer,
    close: async () => {
      clearInterval(timer);
      await server.close();
    },
  };
}
