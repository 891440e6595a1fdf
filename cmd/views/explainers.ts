/** The plain words of a node's program, made once for each result. */
import type { ProgramExplainer } from '../../core/explain/explain-status.ts';
import type { NodeStatus, ProgramStatus, ServiceTrace } from '../../core/service-trace.ts';
import { explainProgram } from './explanations.ts';

/** A program is explained once, however often its rows are made anew: a status is never changed. */
const explainers = new WeakMap<ProgramStatus, ProgramExplainer>();

export function explainerOf(program: ProgramStatus, { ports }: Pick<NodeStatus, 'ports'>, trace: ServiceTrace | undefined): ProgramExplainer {
  const { service, endpointSlices = [] } = trace?.status ?? {};
  const desired = {
    namespace: trace?.metadata.namespace ?? 'default',
    name: trace?.spec.serviceRef.name ?? '',
    service: service ?? { type: '', clusterIPs: [], externalIPs: [], loadBalancerIPs: [], ports: [] },
    endpointSlices,
  };
  const known = explainers.get(program) ?? explainProgram(program, desired, ports);
  explainers.set(program, known);
  return known;
}
