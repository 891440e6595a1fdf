/** NetworkPolicies, of the pods of a Service and of a client. */
import type { V1NetworkPolicy, V1NetworkPolicyPort } from '@kubernetes/client-node';
import type { ClientFacts, NetworkPolicyFacts } from '../core/api/cluster-facts.ts';
import { present } from '../core/lib/present.ts';
import { byName } from './fact-values.ts';
import type { KeptPod } from './kept-objects.ts';
import { matchesSelector, protocolOf } from './observe.ts';

/** Of the policies that isolate ingress: policyTypes names it, or is left out (networking/v1 NetworkPolicySpec). */
export function policyFacts({ metadata, spec }: V1NetworkPolicy, pods: readonly KeptPod[]): NetworkPolicyFacts[] {
  if (spec?.policyTypes?.includes('Ingress') === false) return [];
  const selector = spec?.podSelector ?? {};
  const isolated = pods.filter(
    (pod) => pod.spec?.hostNetwork !== true && matchesLabels(pod.metadata?.labels ?? {}, selector),
  );
  if (isolated.length === 0) return [];
  return [
    {
      name: metadata?.name ?? '',
      pods: isolated.map((pod) => pod.metadata?.name ?? '').sort(),
      ingress: (spec?.ingress ?? []).map((rule) => ({
        from: rule._from ?? [],
        ports: (rule.ports ?? []).map(policyPort),
      })),
    },
  ];
}

/** Policies isolate egress where policyTypes says so, or, left out, where there is a rule (networking/v1 NetworkPolicySpec). */
export function egressPolicies(
  labels: Readonly<Record<string, string>>,
  policies: readonly V1NetworkPolicy[],
): NonNullable<ClientFacts['egressPolicies']> {
  return policies
    .filter(
      ({ spec }) =>
        matchesLabels(labels, spec?.podSelector ?? {}) &&
        (spec?.policyTypes?.includes('Egress') ?? (spec?.egress ?? []).length > 0),
    )
    .map(({ metadata, spec }) => ({
      name: metadata?.name ?? '',
      egress: (spec?.egress ?? []).map(({ to, ports }) => ({ to: to ?? [], ports: (ports ?? []).map(policyPort) })),
    }))
    .sort(byName);
}

function policyPort({
  port,
  protocol,
  endPort,
}: V1NetworkPolicyPort): NetworkPolicyFacts['ingress'][number]['ports'][number] {
  return {
    ...present({ port: typeof port === 'string' || typeof port === 'number' ? port : undefined, endPort }),
    protocol: protocolOf(protocol),
  };
}

function matchesLabels(
  labels: Readonly<Record<string, string>>,
  { matchLabels, matchExpressions }: NonNullable<NonNullable<V1NetworkPolicy['spec']>['podSelector']>,
): boolean {
  return matchesSelector(labels, {
    ...present({ matchLabels }),
    matchExpressions: (matchExpressions ?? []).map(({ key, operator, values }) => ({
      ...present({ values }),
      key,
      operator: operatorOf(operator),
    })),
  });
}

function operatorOf(text: string): 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' {
  return text === 'In' || text === 'NotIn' || text === 'Exists' ? text : 'DoesNotExist';
}
