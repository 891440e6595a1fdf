/** What `kubectl get services,endpointslices -A -o json` printed: the names behind addresses and ports. */
import * as z from 'zod';
import { canonicalAddress } from '../net/address.ts';
import type { Protocol } from '../net/family.ts';
import { servicePortName } from './service.ts';

/** Thrown where the text is not such a list: what is wrong with it. */
export class ServiceListError extends Error {
  override readonly name = 'ServiceListError';
}

export interface ServiceNames {
  /**
   * `namespace/name:port` of the Service that has the address and the port.
   * @param isTaken whether rules or maps take the packet: the port of an address that is none's is a NodePort then
   */
  serviceAt(address: string, port: number, protocol: Protocol, isTaken: boolean): string | undefined;
  /** `namespace/name` of the pod that is the endpoint. */
  podAt(address: string): string | undefined;
}

const protocolSchema = z.enum(['TCP', 'UDP', 'SCTP']).default('TCP');
const metadataSchema = z.object({ namespace: z.string(), name: z.string() });
const serviceSchema = z.object({
  kind: z.literal('Service'),
  metadata: metadataSchema,
  spec: z.object({
    clusterIP: z.string().optional(),
    clusterIPs: z.array(z.string()).optional(),
    externalIPs: z.array(z.string()).optional(),
    ports: z
      .array(
        z.object({
          name: z.string().optional(),
          port: z.int(),
          nodePort: z.int().optional(),
          protocol: protocolSchema,
        }),
      )
      .default([]),
  }),
  status: z
    .object({
      loadBalancer: z.object({ ingress: z.array(z.object({ ip: z.string().optional() })).optional() }).optional(),
    })
    .optional(),
});
const sliceSchema = z.object({
  kind: z.literal('EndpointSlice'),
  metadata: metadataSchema,
  endpoints: z
    .array(
      z.object({
        addresses: z.array(z.string()),
        targetRef: z.object({ kind: z.string(), namespace: z.string().optional(), name: z.string() }).optional(),
      }),
    )
    .nullish(),
});
const listSchema = z.object({ items: z.array(z.looseObject({ kind: z.string() })) });

const advice = 'give what kubectl get services,endpointslices -A -o json printed';

/** @throws ServiceListError */
export function parseServiceList(text: string): ServiceNames {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ServiceListError(
      `it is not whole JSON (${error instanceof Error ? error.message : String(error)}); ${advice}`,
      {
        cause: error,
      },
    );
  }
  const list = listSchema.safeParse(json);
  if (!list.success) throw new ServiceListError(`it is not a list of objects; ${advice}`);
  const byPlace = new Map<string, string>();
  const byNodePort = new Map<string, string>();
  const pods = new Map<string, string>();
  let services = 0;
  list.data.items.forEach((item, index) => {
    if (item.kind === 'Service') {
      services += 1;
      const { metadata, spec, status } = itemOf(serviceSchema, item, index);
      const addresses = [
        ...(spec.clusterIPs ?? [spec.clusterIP ?? '']),
        ...(spec.externalIPs ?? []),
        ...(status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []),
      ].flatMap((address) => canonicalAddress(address) ?? []);
      for (const { name, port, nodePort, protocol } of spec.ports) {
        const text = servicePortName(metadata.namespace, metadata.name, name);
        for (const address of addresses) byPlace.set(placeKey(address, port, protocol), text);
        if (nodePort !== undefined) byNodePort.set(`${String(nodePort)} ${protocol}`, text);
      }
    }
    if (item.kind === 'EndpointSlice') {
      const { metadata, endpoints } = itemOf(sliceSchema, item, index);
      for (const { addresses, targetRef } of endpoints ?? [])
        if (targetRef?.kind === 'Pod')
          for (const address of addresses)
            pods.set(
              canonicalAddress(address) ?? address,
              `${targetRef.namespace ?? metadata.namespace}/${targetRef.name}`,
            );
    }
  });
  if (services === 0) throw new ServiceListError(`it lists no Service; ${advice}`);
  return {
    serviceAt: (address, port, protocol, isTaken) =>
      byPlace.get(placeKey(canonicalAddress(address) ?? address, port, protocol)) ??
      (isTaken ? byNodePort.get(`${String(port)} ${protocol}`) : undefined),
    podAt: (address) => pods.get(canonicalAddress(address) ?? address),
  };
}

function placeKey(address: string, port: number, protocol: Protocol): string {
  return `${address} ${String(port)} ${protocol}`;
}

function itemOf<Item>(schema: z.ZodType<Item>, item: Readonly<Record<string, unknown>>, index: number): Item {
  const parsed = schema.safeParse(item);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ServiceListError(
    `item ${String(index + 1)}, ${String(item['kind'])}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'it is not understood'}; ${advice}`,
  );
}
