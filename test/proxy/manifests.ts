/** The Services of test/fixtures/kube-proxy/services.yaml, as each release of kube-proxy understands them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadYaml, type V1EndpointSlice, type V1Service } from '@kubernetes/client-node';
import { parse, stringify } from 'yaml';
import * as z from 'zod';
import type { DesiredService } from '../../core/api/service.ts';
import { desiredServiceOf } from '../../engine/observe.ts';

const folder = fileURLToPath(new URL('../fixtures/kube-proxy/', import.meta.url));

/** A Service of the manifest, and what of it no core value holds. */
export interface Manifest {
  readonly desired: DesiredService;
  readonly sourceRanges: readonly string[];
  /** Load balancer IPs whose packets do not come with that destination (ipMode Proxy). */
  readonly proxiedIPs: readonly string[];
}

const manifestSchema = z.array(
  z.object({
    service: z.looseObject({}),
    status: z.looseObject({}).optional(),
    endpointSlices: z.array(z.looseObject({})),
  }),
);

export function readManifests(): Manifest[] {
  return manifestSchema
    .parse(parse(readFileSync(folder + 'services.yaml', 'utf8')))
    .map(({ service, status, endpointSlices }) => {
      const object = loadYaml<V1Service>(stringify({ ...service, status }));
      const slices = endpointSlices.map((slice) => loadYaml<V1EndpointSlice>(stringify(slice)));
      return {
        desired: desiredServiceOf(object, slices),
        sourceRanges: object.spec?.loadBalancerSourceRanges ?? [],
        proxiedIPs: (object.status?.loadBalancer?.ingress ?? []).flatMap(({ ip, ipMode }) =>
          ip !== undefined && ipMode === 'Proxy' ? [ip] : [],
        ),
      };
    });
}

export const minorOf = (version: string): number => Number(version.split('.')[1]);

/** The manifest as this release understands it. */
export function forRelease({ desired, sourceRanges, proxiedIPs }: Manifest, version: string): Manifest {
  const minor = minorOf(version);
  // PreferSameTrafficDistribution, which node hints belong to, is off by default before 1.34; LoadBalancerIPMode before 1.30.
  const endpointSlices = desired.endpointSlices.map((slice) => ({
    ...slice,
    endpoints: minor >= 34 ? slice.endpoints : slice.endpoints.map(({ nodeHints: _, ...endpoint }) => endpoint),
  }));
  const isProxyKnown = minor >= 30;
  const service = isProxyKnown
    ? desired.service
    : { ...desired.service, loadBalancerIPs: [...desired.service.loadBalancerIPs, ...proxiedIPs] };
  return { desired: { ...desired, service, endpointSlices }, sourceRanges, proxiedIPs: isProxyKnown ? proxiedIPs : [] };
}
