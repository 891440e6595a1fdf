/** What NetworkPolicies say of a connection: yes, no, or unknown where the API does not say enough (networking/v1 NetworkPolicySpec). */
import * as z from 'zod';
import { prefixContains } from '../../net/address.ts';
import type { ClientFacts, NetworkPolicyFacts, PodFacts } from '../../api/cluster-facts.ts';
import { containerPorts } from './target-port.ts';

export type Answer = 'yes' | 'no' | 'unknown';

/** One end of a connection, seen from the other. */
export interface Peer {
  readonly addresses: readonly string[];
  /** Labels of a pod of the policy's own namespace; absent for what is not a pod. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly namespace?: string;
  /** Whether its address may be another one when the policy is asked: masqueraded, or a node's. */
  readonly isAddressUncertain: boolean;
}

type PolicyPort = NetworkPolicyFacts['ingress'][number]['ports'][number];

/** A rule of ingress or egress. */
export interface PolicyRule {
  readonly peers: readonly unknown[];
  readonly ports: readonly PolicyPort[];
}

/** Rules add up: one that says yes is enough. */
export function allows(
  rules: readonly PolicyRule[],
  peer: Peer,
  target: { readonly pod: PodFacts; readonly port: number; readonly protocol: string },
): Answer {
  const answers = rules
    .filter((rule) => covers(rule.ports, target))
    .map((rule): Answer => (rule.peers.length === 0 ? 'yes' : any(rule.peers.map((each) => matchesPeer(each, peer)))));
  return any(answers);
}

/** Whether the ports of a rule have this port of the pod; a rule without ports has all. */
export function covers(
  ports: readonly PolicyPort[],
  { pod, port, protocol }: { readonly pod: PodFacts; readonly port: number; readonly protocol: string },
): boolean {
  if (ports.length === 0) return true;
  return ports.some((each) => {
    if (each.protocol !== protocol) return false;
    if (each.port === undefined) return true;
    if (typeof each.port === 'string')
      return containerPorts(pod).some(
        (declared) => declared.name === each.port && declared.protocol === protocol && declared.port === port,
      );
    return port === each.port || (each.endPort !== undefined && port >= each.port && port <= each.endPort);
  });
}

/** Who may connect, as a policy says it: one text for each peer. */
export function peerText(peer: unknown): string {
  const parsed = peerSchema.safeParse(peer);
  if (!parsed.success) return JSON.stringify(peer);
  const { ipBlock, namespaceSelector, podSelector } = parsed.data;
  if (ipBlock !== undefined)
    return `${ipBlock.cidr}${(ipBlock.except ?? []).length === 0 ? '' : ` except ${(ipBlock.except ?? []).join(', ')}`}`;
  const namespaces =
    namespaceSelector === undefined ? 'this namespace' : `namespaces with ${selectorText(namespaceSelector)}`;
  return `pods${podSelector === undefined ? '' : ` with ${selectorText(podSelector)}`} of ${namespaces}`;
}

const labelSelector = z.object({
  matchLabels: z.record(z.string(), z.string()).optional(),
  matchExpressions: z
    .array(z.object({ key: z.string(), operator: z.string(), values: z.array(z.string()).optional() }))
    .optional(),
});
type LabelSelector = z.infer<typeof labelSelector>;

const peerSchema = z.object({
  ipBlock: z.object({ cidr: z.string(), except: z.array(z.string()).optional() }).optional(),
  namespaceSelector: labelSelector.optional(),
  podSelector: labelSelector.optional(),
});

function matchesPeer(value: unknown, peer: Peer): Answer {
  const parsed = peerSchema.safeParse(value);
  if (!parsed.success) return 'unknown';
  const { ipBlock, namespaceSelector, podSelector } = parsed.data;
  if (ipBlock !== undefined) return matchesBlock(ipBlock, peer);
  if (peer.labels === undefined || peer.namespace === undefined) return peer.isAddressUncertain ? 'unknown' : 'no';
  const namespace = namespaceSelector === undefined ? 'yes' : matchesNamespace(namespaceSelector, peer.namespace);
  return all([
    namespace,
    podSelector === undefined ? 'yes' : matchesLabels(podSelector, new Map(Object.entries(peer.labels))),
  ]);
}

/** Blocks are for addresses outside of the cluster: whether they have pods is left to the network plugin. */
function matchesBlock(
  { cidr, except = [] }: { readonly cidr: string; readonly except?: readonly string[] | undefined },
  peer: Peer,
): Answer {
  const answers = peer.addresses.map((address): Answer => {
    const inside = prefixContains(cidr, address);
    if (inside === undefined) return 'unknown';
    return inside && !except.some((each) => prefixContains(each, address) === true) ? 'yes' : 'no';
  });
  const answer = any(answers);
  if (peer.isAddressUncertain) return 'unknown';
  return answer === 'yes' && peer.labels !== undefined ? 'unknown' : answer;
}

/** Of a namespace, only the label with its name is known. */
function matchesNamespace(selector: LabelSelector, namespace: string): Answer {
  const known = new Map([['kubernetes.io/metadata.name', namespace]]);
  const isKnown = (key: string): boolean => known.has(key);
  const matchLabels = Object.entries(selector.matchLabels ?? {});
  const expressions = selector.matchExpressions ?? [];
  const decided = matchesLabels(
    {
      matchLabels: Object.fromEntries(matchLabels.filter(([key]) => isKnown(key))),
      matchExpressions: expressions.filter(({ key }) => isKnown(key)),
    },
    known,
  );
  const isWhole = matchLabels.every(([key]) => isKnown(key)) && expressions.every(({ key }) => isKnown(key));
  return isWhole || decided === 'no' ? decided : 'unknown';
}

function matchesLabels(
  { matchLabels = {}, matchExpressions = [] }: LabelSelector,
  labels: ReadonlyMap<string, string>,
): Answer {
  return all([
    ...Object.entries(matchLabels).map(([key, value]): Answer => (labels.get(key) === value ? 'yes' : 'no')),
    ...matchExpressions.map(({ key, operator, values = [] }): Answer => {
      const value = labels.get(key);
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value) ? 'yes' : 'no';
        case 'NotIn':
          return value === undefined || !values.includes(value) ? 'yes' : 'no';
        case 'Exists':
          return value === undefined ? 'no' : 'yes';
        case 'DoesNotExist':
          return value === undefined ? 'yes' : 'no';
        default:
          return 'unknown';
      }
    }),
  ]);
}

function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const texts = [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(
      ({ key, operator, values = [] }) => `${key} ${operator}${values.length === 0 ? '' : ` (${values.join(', ')})`}`,
    ),
  ];
  return texts.join(', ') || 'any labels';
}

function any(answers: readonly Answer[]): Answer {
  if (answers.includes('yes')) return 'yes';
  return answers.includes('unknown') ? 'unknown' : 'no';
}

function all(answers: readonly Answer[]): Answer {
  if (answers.includes('no')) return 'no';
  return answers.includes('unknown') ? 'unknown' : 'yes';
}

/** The client of spec.from as the policies of its namespace see it. */
export function clientPeer(
  client: ClientFacts | undefined,
  from: { readonly node?: string; readonly addresses: readonly string[] },
  namespace: string,
): Peer {
  if (client === undefined || client.hostNetwork) return { addresses: from.addresses, isAddressUncertain: true };
  return { addresses: client.addresses, labels: client.labels, namespace, isAddressUncertain: false };
}
