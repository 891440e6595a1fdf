/** Advice where the EndpointSlices do not follow the pods. */
import type { DesiredService } from '../../api/service.ts';
import { kubectl, type Action } from '../../api/command.ts';

/**
 * The controller runs where nobody but its provider sees it, on many clusters; its Event is there for everybody.
 * @param foreignSlice an EndpointSlice that another program than the controller wrote
 */
export function sliceControllerAdvice({ namespace, name }: DesiredService, foreignSlice?: string): Action {
  const events = kubectl(
    '-n',
    namespace,
    'get',
    'events',
    '--field-selector',
    `involvedObject.kind=Service,involvedObject.name=${name},reason=FailedToUpdateEndpointSlices`,
  );
  const advice = `Where the EndpointSlice controller (a part of kube-controller-manager) cannot write, the Event FailedToUpdateEndpointSlices of the Service says why; without that Event, it may not run.`;
  if (foreignSlice === undefined) return { advice, commands: [events] };
  return {
    advice: `EndpointSlice ${foreignSlice} is not that of the EndpointSlice controller: who wrote it has to mend it, or it is to be deleted.`,
    commands: [
      kubectl('-n', namespace, 'get', `endpointslice/${foreignSlice}`, '-o', 'yaml', '--show-managed-fields'),
      kubectl('-n', namespace, 'delete', `endpointslice/${foreignSlice}`),
    ],
  };
}
