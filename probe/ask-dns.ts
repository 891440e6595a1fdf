/** Asks the cluster's DNS for a Service's name, from the node. */
import { Resolver } from 'node:dns/promises';
import type { RecordOf } from '../core/node-report.ts';
import type { ProbeRequestService } from '../core/probe-request.ts';

/** A and AAAA of `name.namespace.svc.DOMAIN`; never rejects: the resolver's code stands in `error`. */
export async function askDns(server: string, clusterDomain: string, service: ProbeRequestService): Promise<RecordOf<'dns'>> {
  const name = `${service.name}.${service.namespace}.svc.${clusterDomain}`;
  const resolver = new Resolver({ timeout: 2000, tries: 1 });
  resolver.setServers([server.includes(':') ? `[${server}]` : server]);
  // The final dot: no search path may answer for the cluster.
  const results = await Promise.allSettled([resolver.resolve4(`${name}.`), resolver.resolve6(`${name}.`)]);
  const answers = results.flatMap((result) => (result.status === 'fulfilled' ? result.value : [])).sort();
  const codes = results.flatMap((result) => (result.status === 'rejected' ? [codeOf(result.reason)] : []));
  // A name with addresses of one family has no data of the other: that is no error.
  const error = answers.length > 0 ? codes.find((code) => code !== 'ENODATA' && code !== 'ENOTFOUND') : codes[0];
  return { kind: 'dns', service: `${service.namespace}/${service.name}`, name, server, answers, ...(error === undefined ? {} : { error }) };
}

function codeOf(reason: unknown): string {
  if (reason instanceof Error) return 'code' in reason && typeof reason.code === 'string' ? reason.code : reason.message;
  return String(reason);
}
