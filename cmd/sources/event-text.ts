/** What a trace says of itself while it is waited for, in words. */
import type { ServiceTrace } from '../../core/api/service-trace.ts';
import type { Progress } from '../cli/progress.ts';
import { type TraceEvent, isComplete } from './source.ts';

export function showEvent(progress: Progress, event: TraceEvent): void {
  switch (event.kind) {
    case 'trace':
      if (!isComplete(event.trace)) progress.update(waitingText(event.trace));
      break;
    case 'notice':
      progress.say(`Notice: ${event.message}`);
      break;
    case 'lost':
      progress.say(`Notice: the connection to the API server is lost (${event.reason}); trying again`);
      break;
    case 'resumed':
      progress.say('Notice: connected again');
      break;
    case 'opened':
    case 'silent':
    case 'ended':
      break;
  }
}

/** How many nodes answered, and what the first of the others wait for. */
export function waitingText({ status }: ServiceTrace): string {
  // Of many nodes that are waited for, the status names some.
  const waiting = (status?.nodes ?? []).filter(({ probe }) => probe.state === 'Waiting');
  const collected = status?.conditions?.find(({ type }) => type === 'Collected')?.message;
  if (collected === undefined) return 'Waiting for the operator';
  const reasons = waiting
    .slice(0, 2)
    .map(({ name, probe }) => `${name}: ${probe.message ?? probe.reason ?? 'not started'}`);
  return [collected, ...reasons, ...(waiting.length > 2 ? ['and more'] : [])].join('; ');
}

/** Why the result is not whole; undefined where every node answered. */
export function partialText({ status }: ServiceTrace): string | undefined {
  const missing = (status?.nodes ?? []).filter(({ probe }) => probe.state !== 'Collected');
  if (missing.length === 0) return undefined;
  const reasons = missing
    .slice(0, 10)
    .map(
      ({ name, probe }) =>
        `${name} (${probe.reason ?? probe.state}${probe.message === undefined ? '' : `: ${probe.message}`})`,
    );
  return `Partial: ${missing.length} of ${status?.nodes?.length ?? 0} nodes did not answer: ${reasons.join('; ')}${missing.length > 10 ? '; …' : ''}`;
}
