/**
 * What is used of the API server's objects, and kept of those that are watched. Objects that the client has read have these
 * types too, so that the engine cannot use what is not kept.
 */
import * as z from 'zod';
import { present } from '../core/lib/present.ts';

const text = z.string().exactOptional();
const truth = z.boolean().exactOptional();
const number = z.number().exactOptional();
const texts = z.array(z.string()).exactOptional();
const time = z.coerce.date().exactOptional();
const labels = z.record(z.string(), z.string()).exactOptional();
const managedFields = z.array(z.object({ time, fieldsV1: z.unknown().exactOptional() })).exactOptional();

const serviceSchema = z.object({
  metadata: z
    .object({ name: text, namespace: text, uid: text, labels, creationTimestamp: time, managedFields })
    .exactOptional(),
  spec: z
    .object({
      type: text,
      clusterIP: text,
      clusterIPs: texts,
      externalIPs: texts,
      ports: z
        .array(
          z.object({
            name: text,
            protocol: text,
            port: z.number(),
            targetPort: z.union([z.string(), z.number()]).exactOptional(),
            nodePort: number,
          }),
        )
        .exactOptional(),
      selector: labels,
      internalTrafficPolicy: text,
      externalTrafficPolicy: text,
      sessionAffinity: text,
      sessionAffinityConfig: z
        .object({ clientIP: z.object({ timeoutSeconds: number }).exactOptional() })
        .exactOptional(),
      loadBalancerSourceRanges: texts,
      loadBalancerClass: text,
      healthCheckNodePort: number,
      ipFamilies: texts,
      ipFamilyPolicy: text,
      trafficDistribution: text,
      publishNotReadyAddresses: truth,
      externalName: text,
    })
    .exactOptional(),
  status: z
    .object({
      loadBalancer: z
        .object({ ingress: z.array(z.object({ ip: text, hostname: text, ipMode: text })).exactOptional() })
        .exactOptional(),
    })
    .exactOptional(),
});
export type KeptService = z.infer<typeof serviceSchema>;

const hints = z.array(z.object({ name: z.string() })).exactOptional();
const sliceSchema = z.object({
  addressType: z.string(),
  metadata: z
    .object({
      name: text,
      namespace: text,
      resourceVersion: text,
      labels,
      annotations: labels,
      creationTimestamp: time,
      managedFields,
    })
    .exactOptional(),
  ports: z.array(z.object({ name: text, protocol: text, port: number })).exactOptional(),
  endpoints: z
    .array(
      z.object({
        addresses: z.array(z.string()),
        conditions: z.object({ ready: truth, serving: truth, terminating: truth }).exactOptional(),
        nodeName: text,
        hostname: text,
        zone: text,
        hints: z.object({ forZones: hints, forNodes: hints }).exactOptional(),
        targetRef: z.object({ kind: text, name: text, uid: text }).exactOptional(),
      }),
    )
    .exactOptional(),
});
export type KeptSlice = z.infer<typeof sliceSchema> & {
  /** How long the whole object is as JSON; absent of one that is whole. */
  readonly bytes?: number;
};

const nodeSchema = z.object({
  metadata: z.object({ name: text, labels }).exactOptional(),
  spec: z.object({ podCIDRs: texts, taints: z.array(z.object({ key: z.string() })).exactOptional() }).exactOptional(),
  status: z
    .object({
      conditions: z
        .array(z.object({ type: z.string(), status: z.string(), reason: text, message: text }))
        .exactOptional(),
      addresses: z.array(z.object({ type: z.string(), address: z.string() })).exactOptional(),
      nodeInfo: z.object({ operatingSystem: text, kubeletVersion: text, kernelVersion: text }).exactOptional(),
    })
    .exactOptional(),
});
export type KeptNode = z.infer<typeof nodeSchema>;

const containers = z.array(
  z.object({
    name: z.string(),
    image: text,
    restartPolicy: text,
    ports: z.array(z.object({ name: text, containerPort: z.number(), protocol: text })).exactOptional(),
    lifecycle: z
      .object({ preStop: z.custom<object>((value) => typeof value === 'object').exactOptional() })
      .exactOptional(),
  }),
);
const containerStatuses = z
  .array(
    z.object({
      name: z.string(),
      restartCount: z.number(),
      state: z
        .object({
          waiting: z.object({ reason: text }).exactOptional(),
          running: z.object({ startedAt: time }).exactOptional(),
        })
        .exactOptional(),
      lastState: z
        .object({
          terminated: z.object({ reason: text, exitCode: z.number(), finishedAt: time }).exactOptional(),
        })
        .exactOptional(),
    }),
  )
  .exactOptional();
const configMap = z.object({ name: text }).exactOptional();
const podSchema = z.object({
  metadata: z
    .object({
      name: text,
      namespace: text,
      uid: text,
      labels,
      creationTimestamp: time,
      deletionTimestamp: time,
      deletionGracePeriodSeconds: number,
      ownerReferences: z.array(z.object({ kind: z.string(), name: z.string(), controller: truth })).exactOptional(),
    })
    .exactOptional(),
  spec: z
    .object({
      nodeName: text,
      hostNetwork: truth,
      dnsPolicy: text,
      dnsConfig: z
        .object({
          nameservers: texts,
          searches: texts,
          options: z.array(z.object({ name: text, value: text })).exactOptional(),
        })
        .exactOptional(),
      terminationGracePeriodSeconds: number,
      containers,
      initContainers: containers.exactOptional(),
      volumes: z
        .array(
          z.object({
            configMap,
            projected: z.object({ sources: z.array(z.object({ configMap })).exactOptional() }).exactOptional(),
          }),
        )
        .exactOptional(),
    })
    .exactOptional(),
  status: z
    .object({
      phase: text,
      podIPs: z.array(z.object({ ip: z.string() })).exactOptional(),
      conditions: z
        .array(
          z.object({ type: z.string(), status: z.string(), reason: text, message: text, lastTransitionTime: time }),
        )
        .exactOptional(),
      containerStatuses,
      initContainerStatuses: containerStatuses,
    })
    .exactOptional(),
});
export type KeptPod = z.infer<typeof podSchema>;

/** The label that gives a Service to another proxy: kube-proxy's informers select by it. */
export const proxyNameLabel = 'service.kubernetes.io/service-proxy-name';
/** The label of an EndpointSlice with the name of its Service. */
export const serviceNameLabel = 'kubernetes.io/service-name';

/** `namespace/name` of an EndpointSlice's Service. */
export function serviceKeyOf({ metadata }: KeptSlice): string {
  return `${metadata?.namespace ?? ''}/${metadata?.labels?.[serviceNameLabel] ?? ''}`;
}

/** The label of an EndpointSlice with who writes it. */
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
/** The annotation of an EndpointSlice with the time of the pod or Service change that it shows. */
export const changeAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time';

/** Undefined where it is none that this version knows. */
export function keptService(object: unknown): KeptService | undefined {
  const service = serviceSchema.safeParse(withoutNulls(object)).data;
  if (service?.metadata === undefined) return service;
  const { labels: all, managedFields: managers, ...metadata } = service.metadata;
  const written = newest(managers?.filter(({ fieldsV1 }) => ownsMoreThanAnnotations(fieldsV1)));
  return { ...service, metadata: { ...metadata, ...written, ...present({ labels: only(all, [proxyNameLabel]) }) } };
}

/** Undefined where it is none that this version knows. */
export function keptSlice(object: unknown): KeptSlice | undefined {
  const slice = sliceSchema.safeParse(withoutNulls(object)).data;
  if (slice?.metadata === undefined) return slice;
  const { labels: all, annotations, managedFields: managers, ...metadata } = slice.metadata;
  return {
    ...slice,
    metadata: {
      ...metadata,
      ...newest(managers),
      ...present({
        labels: only(all, [serviceNameLabel, managedByLabel]),
        annotations: only(annotations, [changeAnnotation]),
      }),
    },
    endpoints: slice.endpoints ?? [],
    bytes: jsonBytes(object),
  };
}

/** Undefined where it is none that this version knows. */
export function keptNode(object: unknown): KeptNode | undefined {
  const node = nodeSchema.safeParse(withoutNulls(object)).data;
  const { conditions, ...status } = node?.status ?? {};
  if (node === undefined || conditions === undefined) return node;
  return { ...node, status: { ...status, conditions: conditions.filter(({ type }) => type === 'Ready') } };
}

/** Undefined where it is none that this version knows. */
export function keptPod(object: unknown): KeptPod | undefined {
  const pod = podSchema.safeParse(withoutNulls(object)).data;
  if (pod === undefined) return undefined;
  const { volumes, ...spec } = pod.spec ?? { containers: [] };
  const { conditions, ...status } = pod.status ?? {};
  const mounted = volumes?.filter((volume) => volume.configMap !== undefined || volume.projected !== undefined) ?? [];
  const decisive = conditions?.filter(({ type }) => type === 'Ready' || type === 'PodScheduled') ?? [];
  return {
    ...pod,
    spec: {
      ...spec,
      containers: spec.containers.map(withoutHooks),
      ...(spec.initContainers === undefined ? {} : { initContainers: spec.initContainers.map(withoutHooks) }),
      ...(mounted.length === 0 ? {} : { volumes: mounted }),
    },
    status: { ...status, ...(decisive.length === 0 ? {} : { conditions: decisive }) },
  };
}

/** Bytes of an object as the API server writes it: without what is null, and without fractions of its times. */
export function jsonBytes(object: unknown): number {
  const json = JSON.stringify(object, (_key, each: unknown) => (each === null ? undefined : each));
  return Buffer.byteLength(json.replaceAll(/(?<=T\d\d:\d\d:\d\d)\.000Z(?=")/g, 'Z'));
}

/** By structured-merge-diff's names: `{"f:spec": …, "f:metadata": {"f:annotations": …}}`. */
const ownedSchema = z.looseObject({ 'f:metadata': z.looseObject({}).optional() });

/** Of the fields of a manager; where they are not known, it may own any. */
export function ownsMoreThanAnnotations(fields: unknown): boolean {
  const owned = ownedSchema.safeParse(fields);
  if (!owned.success) return true;
  const { 'f:metadata': ofMetadata = {}, ...rest } = owned.data;
  return Object.keys(rest).length > 0 || Object.keys(ofMetadata).some((name) => name !== 'f:annotations');
}

/** That there is a hook before the end is known of a container, and not what it does. */
function withoutHooks({ lifecycle, ...container }: KeptContainer): KeptContainer {
  return lifecycle?.preStop === undefined ? container : { ...container, lifecycle: { preStop: {} } };
}

type KeptContainer = z.infer<typeof containers>[number];

/** Of what managers wrote, when the last of them did. */
function newest(managers: readonly { readonly time?: Date }[] | undefined): { managedFields?: { time: Date }[] } {
  const times = (managers ?? []).flatMap(({ time: written }) => written ?? []);
  const [first, ...others] = times;
  if (first === undefined) return {};
  return { managedFields: [{ time: others.reduce((one, other) => (other > one ? other : one), first) }] };
}

/** Undefined where none is kept. */
function only(
  all: Readonly<Record<string, string>> | undefined,
  names: readonly string[],
): Record<string, string> | undefined {
  const kept = Object.entries(all ?? {}).filter(([name]) => names.includes(name));
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

/** The API server writes null for a list that was never set. */
function withoutNulls(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? {}, (_key, each: unknown) => (each === null ? undefined : each)));
}
