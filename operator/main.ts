/**
 * The operator's process. Its environment: POD_NAMESPACE, POD_NAME, POD_UID (of its own pod), LEASE_NAME (of the Lease that names the operator that works; without it this one works at once), PROBE_IMAGE,
 * PROBE_PRIVILEGED (true or false), PROBE_IDLE_SECONDS, TRACE_CONNTRACK_LIMIT (Entries, Summary or None), MAX_WATCHES_PER_NAMESPACE (traces of mode Watch), MAX_PROBES (at the same time; 0: no bound), MAX_STARTING_PROBES (number or per cent of the nodes),
 * HEARTBEAT_FILE, LOG_LEVEL (debug, info, warn or error), LOG_FORMAT (json or text),
 * METRICS_ADDRESS (HOST:PORT or :PORT on which metrics are served over HTTPS; without it nothing listens), METRICS_CERT_DIR (tls.crt and tls.key; else self-signed).
 */
import { writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { KubeConfig } from '@kubernetes/client-node';
import * as z from 'zod';
import { parseCountOrPercent } from '../core/lib/count-or-percent.ts';
import { goDuration } from '../core/lib/go-duration.ts';
import { conntrackDetails } from '../core/status/conntrack-limit.ts';
import { endOnFault } from './end-on-fault.ts';
import { kubernetesLease } from './kubernetes-lease.ts';
import { Leadership } from './leadership.ts';
import { createLogger, logFormats, logLevels, type Logger } from './logger.ts';
import { ServiceTraceOperator } from './service-trace-operator.ts';
import { WatchedCluster } from './watched-cluster.ts';
import { messageOf } from '../engine/api-error.ts';
import { statusThread } from '../engine/status-thread.ts';
import { createTraceEngine } from '../engine/trace-engine.ts';

const environmentSchema = z.object({
  POD_NAMESPACE: z.string({ error: 'must be the namespace in which probes run' }).min(1),
  POD_NAME: z.string().optional(),
  POD_UID: z.string().optional(),
  LEASE_NAME: z.string().min(1).optional(),
  PROBE_IMAGE: z.string({ error: 'must be the image of the probes' }).min(1),
  PROBE_PRIVILEGED: z.enum(['true', 'false'], { error: 'must be true or false' }).default('false'),
  PROBE_IDLE_SECONDS: z.coerce.number({ error: 'must be a number of seconds' }).int().min(1).default(60),
  MAX_PROBES: z.coerce
    .number({ error: 'must be a number of probes; 0 for as many as there are nodes' })
    .int()
    .min(0)
    .default(0),
  MAX_STARTING_PROBES: z
    .string()
    .default('200')
    .transform((text, context) => {
      const bound = parseCountOrPercent(text);
      if (bound !== undefined) return bound;
      context.addIssue({
        code: 'custom',
        message: 'must be a number of probes, or per cent of the nodes, such as 10%',
      });
      return z.NEVER;
    }),
  MAX_WATCHES_PER_NAMESPACE: z.coerce.number({ error: 'must be a number of traces' }).int().min(0).default(50),
  MIN_INTERVAL: z
    .string()
    .default('1s')
    .transform((text, context) => {
      const milliseconds = goDuration(text);
      if (milliseconds !== undefined && milliseconds >= 0) return milliseconds;
      context.addIssue({ code: 'custom', message: 'must be a duration, such as 10s or 1m' });
      return z.NEVER;
    }),
  TRACE_CONNTRACK_LIMIT: z
    .enum(conntrackDetails, { error: `must be one of ${conntrackDetails.join(', ')}` })
    .default('Entries'),
  HEARTBEAT_FILE: z.string().optional(),
  METRICS_ADDRESS: z
    .string()
    .regex(/^(?:\[[\da-fA-F:]+\]|[\w.-]*):\d{1,5}$/, { error: 'must be HOST:PORT or :PORT, such as :8443' })
    .optional(),
  METRICS_CERT_DIR: z.string().min(1).optional(),
  LOG_LEVEL: z.enum(logLevels, { error: `must be one of ${logLevels.join(', ')}` }).default('info'),
  LOG_FORMAT: z.enum(logFormats, { error: `must be one of ${logFormats.join(', ')}` }).default('json'),
});

type Environment = z.infer<typeof environmentSchema>;

function readEnvironment(): Environment {
  const parsed = environmentSchema.safeParse(process.env);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Error(`the environment variable ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is wrong'}`);
}

/** The liveness probe looks at this file's age: the event loop turns, and no port is open (docs/decisions/022). */
function beat(file: string, log: Logger): void {
  const write = (): void => {
    writeFile(file, new Date().toISOString()).catch((error: unknown) => {
      log.error(`the file of the liveness probe cannot be written: ${String(error)}`);
    });
  };
  write();
  setInterval(write, 5000).unref();
}

/** Of HOST:PORT, [IPv6]:PORT or :PORT. */
function addressOf(address: string): { host: string | undefined; port: number } {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  return { host: host === '' ? undefined : host, port: Number(address.slice(colon + 1)) };
}

/** For the probes' end, and for all of it: less than the 15 s of terminationGracePeriodSeconds (config/manager). */
const endTimeoutMilliseconds = 10_000;
const shutdownMilliseconds = 13_500;

async function main(env: Environment, logger: Logger): Promise<void> {
  const statuses = statusThread();
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromDefault();
  let operator: ServiceTraceOperator | undefined;
  const endpoint =
    env.METRICS_ADDRESS === undefined
      ? undefined
      : await (
          await import('./metrics-endpoint.ts')
        ).startMetricsEndpoint({
          kubeConfig,
          ...addressOf(env.METRICS_ADDRESS),
          certificateDirectory: env.METRICS_CERT_DIR,
          names: ['svctrace-operator-metrics', `svctrace-operator-metrics.${env.POD_NAMESPACE}.svc`],
          log: logger,
          read: () => ({ work: operator?.state, probes: engine.probeCounts() }),
        });
  const observed = endpoint === undefined ? {} : { observer: endpoint.observer };
  const cluster = new WatchedCluster(kubeConfig, logger);
  const engine = createTraceEngine({
    ...observed,
    kubeConfig,
    cache: cluster,
    probeNamespace: env.POD_NAMESPACE,
    probeImage: env.PROBE_IMAGE,
    privileged: env.PROBE_PRIVILEGED === 'true',
    probeIdleSeconds: env.PROBE_IDLE_SECONDS,
    conntrackLimit: env.TRACE_CONNTRACK_LIMIT,
    maxStartingProbes: env.MAX_STARTING_PROBES,
    ...(env.MAX_PROBES === 0 ? {} : { maxProbes: env.MAX_PROBES }),
    log: logger,
    endTimeoutMilliseconds,
    judge: statuses.judge,
    ...(env.POD_NAME === undefined || env.POD_UID === undefined
      ? {}
      : { owner: { name: env.POD_NAME, uid: env.POD_UID }, instance: env.POD_UID }),
  });
  const identity = env.POD_NAME ?? hostname();
  const leadership =
    env.LEASE_NAME === undefined
      ? undefined
      : new Leadership({
          leases: kubernetesLease(kubeConfig, { namespace: env.POD_NAMESPACE, name: env.LEASE_NAME }),
          identity,
          log: logger,
        });
  const ending = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (ending.signal.aborted) return;
      logger.info(`${signal}: ending the probes`);
      // Kubernetes kills after its grace period; an end of our own before that leaves a clean log.
      setTimeout(() => process.exit(1), shutdownMilliseconds).unref();
      ending.abort();
    });
  }
  if (env.HEARTBEAT_FILE !== undefined) beat(env.HEARTBEAT_FILE, logger);
  // Also of an operator that waits: what an earlier run of it left is its own to delete.
  engine.keepClean();
  while (!ending.signal.aborted) {
    await leadership?.acquire(ending.signal);
    if (ending.signal.aborted) break;
    if (leadership !== undefined) logger.info('this operator works');
    operator = new ServiceTraceOperator(engine, logger, {
      ...observed,
      maxWatchesPerNamespace: env.MAX_WATCHES_PER_NAMESPACE,
      minIntervalMilliseconds: env.MIN_INTERVAL,
      identity,
      cluster,
      ...(leadership === undefined
        ? {}
        : {
            assertMayWrite: () => {
              leadership.assertHeld();
            },
          }),
    });
    await operator.start();
    await (leadership === undefined ? once(ending.signal, 'abort') : leadership.keep(ending.signal));
    await operator.shutdown();
    operator = undefined;
    // Before the probes end: whoever works next has its own.
    if (ending.signal.aborted) await leadership?.release();
    // An API server that does not answer must not keep this operator from asking for the Lease again.
    else void engine.release();
  }
  await endpoint?.close();
  await engine.close();
  process.exit(0);
}

// Until the settings are read, and where they are wrong.
let logger = createLogger({ level: 'info', format: process.env['LOG_FORMAT'] === 'text' ? 'text' : 'json' });
endOnFault(
  (line) => {
    logger.error(line);
  },
  (status) => process.exit(status),
);
try {
  const env = readEnvironment();
  logger = createLogger({ level: env.LOG_LEVEL, format: env.LOG_FORMAT });
  await main(env, logger);
} catch (error) {
  logger.error(messageOf(error));
  process.exit(1);
}
