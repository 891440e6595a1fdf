/** Whether the API server's authorizer allows the user something. */
import * as z from 'zod';
import type { Api } from './api.ts';

export interface Access {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  /** Absent for what the cluster has once, and for all namespaces. */
  readonly namespace?: string;
  /** Absent for all objects. */
  readonly name?: string;
}

const reviewSchema = z.object({ status: z.object({ allowed: z.boolean() }) });

export async function reviewAccess(
  api: Api,
  { verb, group, resource, subresource, namespace, name }: Access,
): Promise<boolean> {
  const body = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: {
      resourceAttributes: {
        verb,
        group,
        resource,
        ...(subresource === undefined ? {} : { subresource }),
        ...(namespace === undefined ? {} : { namespace }),
        ...(name === undefined ? {} : { name }),
      },
    },
  };
  return reviewSchema.parse(
    await api.request({ method: 'POST', path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', body }),
  ).status.allowed;
}
