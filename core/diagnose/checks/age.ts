/** Grace times: what changed a moment ago may rightly not have reached everybody. */
import type { DesiredService } from '../../api/service.ts';

/**
 * How long the controllers of the control plane may take to write what they saw, in milliseconds. They take less than a
 * second where they are not loaded, and wait --endpoint-updates-batch-period where that is set.
 */
export const controllerGraceMilliseconds = 10_000;

/** Whether the time (RFC 3339) lies less than this before `now`; a time that is not known is long ago. */
export function isWithin(time: string | undefined, milliseconds: number, now: string): boolean {
  return time !== undefined && Date.parse(now) - Date.parse(time) < milliseconds;
}

/** Whether the Service or its EndpointSlices are being written right now: then the API's objects are of different moments. */
export function isChanging(desired: DesiredService, now: string): boolean {
  return isWithin(newestChange(desired), controllerGraceMilliseconds, now);
}

/** When the Service or its EndpointSlices last changed, as far as that is known: RFC 3339. */
export function newestChange({ lastChange, serviceChange, noticedChange }: DesiredService): string | undefined {
  return [lastChange, serviceChange, noticedChange]
    .filter((time) => time !== undefined)
    .sort((one, other) => Date.parse(one) - Date.parse(other))
    .at(-1);
}
