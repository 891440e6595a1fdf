/** What `install` puts into a cluster, as it stands there: the operator and the CRD. */
import * as z from 'zod';
import { serviceTraceGroup, serviceTracePlural } from '../../core/api/service-trace.ts';
import type { Api } from './api.ts';
import { orAbsent } from './objects.ts';

export const operatorNamespace = 'svctrace-system';
export const operatorName = 'svctrace-operator';

export interface OperatorDeployment {
  readonly image: string;
  readonly availableReplicas: number;
  /** The message of its condition Available or Progressing, where it is not available. */
  readonly message: string;
}

export type CrdState = 'absent' | 'established' | 'notEstablished';

const conditionsSchema = z.array(z.object({ type: z.string(), status: z.string(), message: z.string().optional() }));
const deploymentSchema = z.object({
  spec: z.object({
    replicas: z.number().optional(),
    template: z.object({ spec: z.object({ containers: z.array(z.object({ image: z.string().optional() })) }) }),
  }),
  status: z.object({ availableReplicas: z.number().optional(), conditions: conditionsSchema.optional() }).optional(),
});
const crdSchema = z.object({ status: z.object({ conditions: conditionsSchema.optional() }).optional() });

export async function readOperator(api: Api): Promise<OperatorDeployment | undefined> {
  const path = `/apis/apps/v1/namespaces/${operatorNamespace}/deployments/${operatorName}`;
  const body = await orAbsent(api.request({ method: 'GET', path }));
  if (body === undefined) return undefined;
  const { spec, status } = deploymentSchema.parse(body);
  const failing = status?.conditions?.find(
    ({ type, status: value }) => (type === 'Available' || type === 'Progressing') && value === 'False',
  );
  return {
    image: spec.template.spec.containers[0]?.image ?? '',
    availableReplicas: status?.availableReplicas ?? 0,
    message: spec.replicas === 0 ? 'it is scaled to 0 replicas' : (failing?.message ?? 'none of its pods is available'),
  };
}

export async function readCrd(api: Api): Promise<CrdState> {
  const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${serviceTracePlural}.${serviceTraceGroup}`;
  const body = await orAbsent(api.request({ method: 'GET', path }));
  if (body === undefined) return 'absent';
  const established = crdSchema.parse(body).status?.conditions?.find(({ type }) => type === 'Established');
  return established?.status === 'True' ? 'established' : 'notEstablished';
}
