import { isWithin } from '../checks/age.ts';
import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';

/** A controller answers within seconds with an address or a host name; some clouds take longer. */
const graceMilliseconds = 30_000;

export const svcLbPending: FindingKind = {
  id: 'SVC-LB-PENDING',
  topic: 'service',
  severity: 'warning',
  isLasting: true,
  condition: 'A Service of type LoadBalancer has no address: no controller made its load balancer.',
  notReported:
    'Within 30 s of a change of the Service, such as that of its type; load balancers that have a host name instead of an address.',
  source: 'Kubernetes, "Type LoadBalancer"; core/v1 ServiceStatus.loadBalancer',
  find: ({ desired, cluster, now }) => {
    const service = cluster?.service;
    if (desired.service.type !== 'LoadBalancer' || service === undefined || service.loadBalancerIngress.length > 0)
      return [];
    if ([service.createdAt, desired.serviceChange].some((time) => isWithin(time, graceMilliseconds, now))) return [];
    const { loadBalancerClass } = service;
    return [
      {
        where: `service/${desired.name}`,
        message: `Service ${desired.name} is of type LoadBalancer and has no load balancer, so clients outside of the cluster reach it by its node ports at most.`,
        evidence: [
          'status.loadBalancer.ingress is empty',
          `spec.loadBalancerClass is ${loadBalancerClass ?? 'not set: the cloud controller of the cluster is to make it'}`,
        ],
        advice:
          'The Events of the Service show what the controller says. Where the cluster has none (a cloud controller, MetalLB), use type NodePort.',
        commands: [kubectl('-n', desired.namespace, 'describe', `service/${desired.name}`)],
      },
    ];
  },
};
