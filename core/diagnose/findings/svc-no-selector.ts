import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';
import { selectorText } from '../checks/selected-pods.ts';

export const svcNoSelector: FindingKind = {
  id: 'SVC-NO-SELECTOR',
  topic: 'service',
  severity: 'error',
  condition: 'The Service has no selector, and nobody made an EndpointSlice with an endpoint for it.',
  notReported:
    'ExternalName Services; Services without a selector whose EndpointSlices hold endpoints, as default/kubernetes.',
  source: 'Kubernetes, "Services without selectors"',
  find: ({ desired }) => {
    const { service, endpointSlices, namespace, name } = desired;
    if (service.type === 'ExternalName' || selectorText(desired) !== '') return [];
    if (endpointSlices.some(({ endpoints }) => endpoints.length > 0)) return [];
    return [
      {
        where: `service/${name}`,
        message: `Service ${name} has no selector, so no controller makes endpoints for it, and nobody else did.`,
        evidence: [
          'spec.selector is not set',
          endpointSlices.length === 0
            ? `no EndpointSlice has the label kubernetes.io/service-name=${name}`
            : `without an endpoint: ${endpointSlices.map((slice) => slice.name).join(', ')}`,
        ],
        advice: `Give the Service a selector, or apply an EndpointSlice with the label kubernetes.io/service-name: ${name}.`,
        commands: [kubectl('-n', namespace, 'edit', `service/${name}`)],
      },
    ];
  },
};
