/** Asks a Service's healthCheckNodePort as a load balancer would, from the node itself. */
import * as z from 'zod';
import { hostPort } from '../core/net/address.ts';
import type { RecordOf } from '../core/wire/node-report.ts';
import type { ProbeRequestService } from '../core/wire/probe-request.ts';
import { httpGet } from './io/http-get.ts';

const timeoutMilliseconds = 1000;
/** kube-proxy listens on all addresses, or where nodePortAddresses chooses, on some of the node's. */
const maxAddresses = 4;

const bodySchema = z.object({ localEndpoints: z.number().int(), serviceProxyHealthy: z.boolean().optional() });

/**
 * The answer of the first address that gives one; never rejects.
 * @param addresses of the node, on which others reach it
 */
export async function askHealthCheck(
  { namespace, name }: ProbeRequestService,
  port: number,
  addresses: readonly string[],
): Promise<RecordOf<'healthCheck'>> {
  const errors: string[] = [];
  const record = { kind: 'healthCheck', service: `${namespace}/${name}`, port, errors } as const;
  for (const address of ['127.0.0.1', ...addresses].slice(0, maxAddresses)) {
    try {
      const response = await httpGet({ host: address, port, path: '/' }, timeoutMilliseconds);
      const body = bodySchema.safeParse(parseJson(response.body));
      // The port is what a tenant has chosen: of another program that has it, nothing is reported.
      if (!body.success) {
        errors.push(`${hostPort(address, port)}: what answers is not a health check of a Service`);
        continue;
      }
      const { localEndpoints, serviceProxyHealthy } = body.data;
      return {
        ...record,
        address,
        status: response.status,
        localEndpoints,
        ...(serviceProxyHealthy === undefined ? {} : { serviceProxyHealthy }),
      };
    } catch (error) {
      errors.push(`${hostPort(address, port)}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return record;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
