/** What a probe is asked to capture: one line of JSON. The filter is made from it, of addresses and ports alone. */
import * as z from 'zod';
import { canonicalAddress } from '../net/address.ts';
import { checkedFrontends } from '../api/frontends.ts';
import { knownTargets } from '../api/desired-targets.ts';
import type { DesiredService } from '../api/service.ts';

const address = z
  .string()
  .refine((text) => canonicalAddress(text) !== undefined && /^[0-9a-fA-F.:]+$/.test(text), 'is not an IP address');

const capturePlace = z.object({
  /** Endpoint: where DNAT leads. The others: what DNAT begins with; of a NodePort, no address is given: any of the node's. */
  hop: z.enum(['ClusterIP', 'NodePort', 'ExternalIP', 'LoadBalancerIP', 'Endpoint']),
  address: address.optional(),
  port: z.number().int().min(1).max(65535),
  protocol: z.enum(['TCP', 'UDP', 'SCTP']),
});

export const captureRequestSchema = z.object({
  version: z.literal(1),
  node: z.string(),
  places: z.array(capturePlace).min(1).max(300),
  durationSeconds: z.number().int().min(1).max(600),
  /** Of packets, as they are captured. */
  maxBytes: z
    .number()
    .int()
    .min(1)
    .max(1024 ** 3),
  /** Of each packet so many bytes are captured. */
  snapLength: z.number().int().min(64).max(262_144),
});

export type CaptureRequest = z.infer<typeof captureRequestSchema>;
export type CapturePlace = CaptureRequest['places'][number];

/** The kernel takes filters of 4096 instructions; each address costs a few. */
const maxEndpoints = 200;

/** The frontends of a Service and its endpoints: a packet is seen before DNAT at the one, after it at the other. */
export function capturePlaces(desired: DesiredService): {
  readonly places: CapturePlace[];
  readonly omittedEndpoints: number;
} {
  const frontends = checkedFrontends(desired).map(({ frontend, address: own, port, protocol }): CapturePlace => ({
    hop: frontend,
    ...(own === '' ? {} : { address: own }),
    port,
    protocol,
  }));
  const endpoints = desired.service.ports.flatMap(({ name, protocol }) =>
    (['IPv4', 'IPv6'] as const).flatMap((family) =>
      knownTargets(desired, { family, portName: name, protocol }).map((target): CapturePlace => ({
        hop: 'Endpoint',
        address: target.address,
        port: target.port,
        protocol,
      })),
    ),
  );
  const all = [...frontends, ...endpoints.slice(0, maxEndpoints)];
  const unique = new Map(all.map((place) => [[place.hop, place.address, place.port, place.protocol].join(' '), place]));
  return { places: [...unique.values()], omittedEndpoints: Math.max(0, endpoints.length - maxEndpoints) };
}

/**
 * The filter in pcap-filter(7)'s language: `(tcp port 80 and (host 10.96.0.7)) or (tcp port 30080)`. Both directions of a
 * connection pass it.
 */
export function captureFilter(places: readonly CapturePlace[]): string {
  const byPort = new Map<string, Set<string> | 'any'>();
  for (const place of places) {
    const key = `${place.protocol.toLowerCase()} port ${String(place.port)}`;
    const hosts = byPort.get(key);
    if (place.address === undefined) byPort.set(key, 'any');
    else if (hosts === undefined) byPort.set(key, new Set([place.address]));
    else if (hosts !== 'any') hosts.add(place.address);
  }
  return [...byPort]
    .map(([port, hosts]) =>
      hosts === 'any' ? `(${port})` : `(${port} and (${[...hosts].map((host) => `host ${host}`).join(' or ')}))`,
    )
    .join(' or ');
}
