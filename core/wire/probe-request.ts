/**
 * What the operator asks a probe for: one line of JSON on the probe's standard input. Addresses and names become
 * arguments of the kernel's tools, some of which read a language from them (nft), so nothing else is let through.
 */
import * as z from 'zod';
import { canonicalAddress } from '../net/address.ts';
import { canBeAsked } from '../net/domain-name.ts';

const address = z
  .string()
  .refine((text) => canonicalAddress(text) !== undefined && /^[0-9a-fA-F.:]+$/.test(text), 'is not an IP address');
/** RFC 1123 label, as the API server admits for namespaces, Services and port names. */
const label = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'is not a name that Kubernetes admits');
const port = z.number().int().min(0).max(65535);

/** Of all Services of a request together. */
export const maxDnsQuestions = 256;

const dnsQuestion = z.object({
  name: z
    .string()
    .max(253)
    .regex(/^[_a-z0-9]([-._a-z0-9]*[a-z0-9])?$/, 'is not a name in DNS')
    .refine(canBeAsked, 'has a label of more than 63 octets'),
  type: z.enum(['A', 'AAAA', 'SRV']),
});

export const probeRequestSchema = z.object({
  version: z.literal(1),
  /** The node's name, only to be repeated in the report. */
  node: z.string(),
  services: z.array(
    z.object({
      namespace: label,
      name: label,
      clusterIPs: z.array(address),
      /** External addresses that may be asked for (core/api/external-addresses.ts); what is found there counts where it names the Service. */
      externalIPs: z.array(address),
      loadBalancerIPs: z.array(address),
      /** Of those, the ones that nobody else in the cluster has. Absent: none is known to be. */
      ownIPs: z.array(address).optional(),
      ports: z.array(
        z.object({
          name: label.optional(),
          protocol: z.enum(['TCP', 'UDP', 'SCTP']),
          port,
          nodePort: port.optional(),
        }),
      ),
      healthCheckNodePort: port.optional(),
    }),
  ),
  collect: z.object({
    rules: z.boolean(),
    /**
     * How the rules that jump to the Service's chains are read where the kernel keeps them in one chain with those of all other
     * Services (KUBE-SERVICES of iptables on nf_tables). Rules, the default: the chain is listed. References: where the
     * kernel's counts of references to the Service's own chains are what its frontends need, it is not (core/kube-proxy/dispatch-references.ts).
     */
    dispatch: z.enum(['Rules', 'References']).optional(),
    conntrack: z.enum(['None', 'Summary', 'Entries']),
    kubeProxy: z.boolean(),
    /** Sysctls, interfaces, sockets on node ports, statistics of conntrack, and rules of other proxy modes. */
    system: z.boolean().optional(),
    /** Absent where nothing is to be connected to. */
    connect: z
      .object({
        /** Send a GET over TCP, too. */
        http: z.boolean(),
        /** The addresses and ports of the Service's endpoints, as they were read right before: nobody else is connected to. */
        backends: z.array(z.object({ address, port })).max(10_000),
        targets: z
          .array(
            z.object({
              service: z.string(),
              hop: z.enum(['ClusterIP', 'NodePort', 'ExternalIP', 'LoadBalancerIP', 'Endpoint']),
              address,
              port,
              protocol: z.enum(['TCP', 'UDP', 'SCTP']),
              portName: label.optional(),
            }),
          )
          .max(100),
      })
      .optional(),
    /** Absent where DNS is not asked. */
    dns: z
      .object({
        /** The cluster IPs of the DNS Service: every question goes to each. */
        servers: z.array(address).max(2),
        /** Its endpoints: they are asked for the health and the addresses alone. */
        endpoints: z.array(z.object({ address, port })).max(10),
        /** Of a name that every cluster has; asked first, so that a server that does not answer is asked nothing more. */
        health: dnsQuestion,
        questions: z.array(dnsQuestion.extend({ service: z.string() })).max(maxDnsQuestions),
      })
      .optional(),
  }),
  /** At most this many conntrack entries are reported for a Service; all are counted. */
  maxConntrackEntries: z.number().int().min(0),
});

/** What is wrong with a request, and where. */
export function requestProblem({ issues: [issue] }: z.ZodError): string {
  return `the request's ${issue?.path.join('.') ?? ''} is wrong: ${issue?.message ?? 'not a request'}`;
}

export type ProbeRequest = z.infer<typeof probeRequestSchema>;
export type ProbeRequestService = ProbeRequest['services'][number];
