/**
 * The operator's log (docs/decisions/138): one line for each entry, as JSON or as text, on the standard output. Whatever
 * others wrote into a message or a name is escaped (docs/decisions/085), and what looks like a token is masked.
 */
import pino from 'pino';
import * as z from 'zod';
import { visibleText } from '../core/lib/visible.ts';
import type { Log, LogSubject } from '../engine/log.ts';

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export const logFormats = ['json', 'text'] as const;

/** The base class' logger, with what each line is about. */
export interface Logger extends Log {
  readonly debug: (message: string, subject?: LogSubject) => void;
  readonly error: (message: string, subject?: LogSubject) => void;
}

export interface LoggerOptions {
  readonly level: (typeof logLevels)[number];
  readonly format: (typeof logFormats)[number];
  /** Gets whole lines; default: the standard output, written at once, so that the last line of a process that ends is there. */
  readonly write?: (line: string) => void;
}

export function createLogger({ level, format, write }: LoggerOptions): Logger {
  const output = write === undefined ? pino.destination({ dest: 1, sync: true }) : { write };
  const logger = pino(
    {
      level,
      // Neither the process' id nor the host's name: the pod's is known to whoever reads its log.
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    format === 'json'
      ? output
      : {
          write: (line: string) => {
            output.write(textOf(line));
          },
        },
  );
  const lineOf =
    (of: LoggerOptions['level']) =>
    (message: string, subject: LogSubject = {}): void => {
      logger[of](shownSubject(subject), shown(message));
    };
  return { debug: lineOf('debug'), info: lineOf('info'), warn: lineOf('warn'), error: lineOf('error') };
}

/** A JSON web token, and what follows the word Bearer: no message should have one, and none shows it. */
const tokens = /\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?|(?<=\bBearer )\S+/gi;

function shown(text: string): string {
  return visibleText(text).replaceAll(tokens, '(token)');
}

function shownSubject({ trace, node }: LogSubject): LogSubject {
  return {
    ...(trace === undefined ? {} : { trace: { namespace: shown(trace.namespace), name: shown(trace.name) } }),
    ...(node === undefined ? {} : { node: shown(node) }),
  };
}

const entrySchema = z.object({
  time: z.string(),
  level: z.string(),
  msg: z.string(),
  trace: z.object({ namespace: z.string(), name: z.string() }).optional(),
  node: z.string().optional(),
});

/** The same line for people: time, level, message, and what it is about. */
function textOf(line: string): string {
  const { time, level, msg, trace, node } = entrySchema.parse(JSON.parse(line));
  return [
    time,
    level.padEnd(5),
    msg,
    ...(trace === undefined ? [] : [`trace=${trace.namespace}/${trace.name}`]),
    ...(node === undefined ? [] : [`node=${node}`]),
  ]
    .join(' ')
    .concat('\n');
}
