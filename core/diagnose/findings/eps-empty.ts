import { kubectl } from '../../api/command.ts';
import type { FindingKind } from '../checks/finding.ts';

export const epsEmpty: FindingKind = {
  id: 'EPS-EMPTY',
  topic: 'endpoints',
  severity: 'error',
  condition: 'The Service has no endpoint at all.',
  notReported: 'ExternalName Services, which have none.',
  source: 'Debug Services, "Does the Service have any EndpointSlices?"',
  find: ({ desired }) => {
    if (desired.service.type === 'ExternalName') return [];
    if (desired.endpointSlices.some(({ endpoints }) => endpoints.length > 0)) return [];
    const selector = Object.entries(desired.service.selector ?? {})
      .map(([key, value]) => `${key}=${value}`)
      .join(',');
    return [
      {
        where: `service/${desired.name}`,
        message: `Service ${desired.name} has no endpoint, so every connection to it fails.`,
        evidence: [
          desired.endpointSlices.length === 0
            ? 'there is no EndpointSlice with the label kubernetes.io/service-name of this Service'
            : `EndpointSlices without an endpoint: ${desired.endpointSlices.map(({ name }) => name).join(', ')}`,
          selector === '' ? 'the Service has no selector' : `the selector is ${selector}`,
        ],
        ...(selector === ''
          ? { advice: 'A Service without a selector needs EndpointSlices that you make, or a selector.' }
          : {
              advice: 'The list of pods shows whether any has the labels of the selector.',
              commands: [
                kubectl('-n', desired.namespace, 'get', 'pods', '-l', selector, '--show-labels'),
                kubectl('-n', desired.namespace, 'get', 'pods', '--show-labels'),
              ],
            }),
      },
    ];
  },
};
