/** Events of a watch, as they come over the wire. */
import * as z from 'zod';
import { statusError } from './api.ts';

/** The server ends a watch after as long; whoever goes on begins another one. */
export const watchSeconds = 300;

const watchSchema = z.object({ type: z.string(), object: z.record(z.string(), z.unknown()) });

/** @throws ApiError where the event is an error: with code 410 where the version that was asked for is too old */
export function parseWatchEvent(line: unknown): z.infer<typeof watchSchema> {
  const event = watchSchema.parse(line);
  if (event.type === 'ERROR')
    throw statusError(event.object, z.object({ code: z.number() }).safeParse(event.object).data?.code ?? 500);
  return event;
}
