/**
 * What crosses a session: one frame of JSON on each line, from an engine to a node's probe and back
 * (docs/decisions/170-sessions.md). Both sides say hello first. A report comes record by record, so that answers to
 * several requests take turns on the one stream, and neither side holds the text of a whole report.
 */
import * as z from 'zod';

/** Another number means that the two sides do not understand each other. */
export const sessionProtocol = 1;

/** Each side sends something at least this often. */
export const beatMilliseconds = 7000;
/** So many beats in a row without a frame of the peer, and it is dead: 28 s at most. */
export const maxSilentBeats = 3;

/** No one waits longer for an answer. */
export const maxDeadlineMilliseconds = 600_000;

const hello = z.object({
  type: z.literal('hello'),
  protocol: z.number().int(),
  /** Of the program, for the sentence that says which one to upgrade. */
  version: z.string().max(100),
  /** Of a probe that knows `watch`: older ones do not, and end a session for a frame that they do not know. */
  watches: z.boolean().optional(),
  /** Of a probe whose watch follows connections, too. */
  connections: z.boolean().optional(),
});
const beat = z.object({
  type: z.literal('beat'),
  /** Of an engine: by its clock, in milliseconds since 1970. A probe that knows it gives it back with its own. */
  sent: z.number().optional(),
  clock: z.number().optional(),
});
/** Of each stream, ascending; a request that is asked again on another stream keeps its own. */
const id = z.number().int().positive();

const engineFrameSchema = z.discriminatedUnion('type', [
  hello,
  z.object({
    type: z.literal('ask'),
    id,
    deadlineMilliseconds: z.number().int().positive().max(maxDeadlineMilliseconds),
    /** A ProbeRequest; parsed by itself, so that a wrong one costs its own answer alone. */
    request: z.unknown(),
  }),
  /**
   * A WatchRequest, in the place of the one before: what comes for it are WatchRecords, until it ends. Its id is one of those
   * of requests, and it has no deadline.
   */
  z.object({ type: z.literal('watch'), id, request: z.unknown() }),
  z.object({ type: z.literal('cancel'), id }),
  beat,
]);

const probeFrameSchema = z.discriminatedUnion('type', [
  hello,
  /** The next record of the answer. */
  z.object({ type: z.literal('record'), id, record: z.unknown() }),
  /** Nothing more comes for this request. */
  z.object({
    type: z.literal('end'),
    id,
    /** Where it is not `done`, the records are not an answer. */
    outcome: z.enum(['done', 'late', 'cancelled', 'busy', 'refused', 'tooLarge', 'failed']),
    message: z.string().optional(),
  }),
  beat,
]);

export type Hello = z.infer<typeof hello>;
export type EngineFrame = z.infer<typeof engineFrameSchema>;
export type ProbeFrame = z.infer<typeof probeFrameSchema>;
export type SessionOutcome = Extract<ProbeFrame, { type: 'end' }>['outcome'];

/** Thrown for a line that is not a frame. */
export class SessionFrameError extends Error {
  override readonly name = 'SessionFrameError';
}

/** @throws SessionFrameError */
export const parseEngineFrame = (line: string): EngineFrame => parseFrame(engineFrameSchema, line);

/** @throws SessionFrameError */
export const parseProbeFrame = (line: string): ProbeFrame => parseFrame(probeFrameSchema, line);

function parseFrame<Frame>(schema: z.ZodType<Frame>, line: string): Frame {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new SessionFrameError(`a line of the session is not JSON: ${line.slice(0, 80)}`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new SessionFrameError(
    `a line of the session is not a frame (${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}): ${line.slice(0, 80)}`,
  );
}

/** Of either side. @param abilities of a probe */
export const helloFrame = (version: string, abilities: Pick<Hello, 'watches' | 'connections'> = {}): Hello => ({
  type: 'hello',
  protocol: sessionProtocol,
  version,
  ...abilities,
});

/** Why the probe that said this does not follow connections, and which side to upgrade; undefined where it does. */
export function connectionsProblem(probe: Hello, ownVersion: string): string | undefined {
  return probe.connections === true
    ? undefined
    : `the probe's image (version ${probe.version}) is older and follows no connections: give the operator an image of version ${ownVersion}`;
}

/** Why the probe that said this cannot be talked to, and which side to upgrade; undefined where it can. */
export function disagreement(probe: Hello, ownVersion: string): string | undefined {
  if (probe.protocol === sessionProtocol) return undefined;
  const side =
    probe.protocol < sessionProtocol
      ? `the probe's image (version ${probe.version}) is older: give the operator an image of version ${ownVersion}`
      : `this side (version ${ownVersion}) is older than the probe's image: upgrade it to version ${probe.version}`;
  return `its probe speaks protocol ${String(probe.protocol)} of sessions, and this side ${String(sessionProtocol)}: ${side}`;
}
