/**
 * Requests to the API server, with the authentication of a KubeConfig. The client library's own API classes rewrite
 * objects by the types that they know (a CRD's x-kubernetes-* fields would be lost); here, what goes over the wire is
 * what was given (docs/decisions/030).
 */
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps, type RequestOptions } from 'node:https';
import * as z from 'zod';
import { ApiError, UnreachableError } from './api-error.ts';
import type { PluginKubeConfig } from './kube-config.ts';

export { ApiError, UnreachableError };

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface Api {
  /** The parsed body. @throws ApiError, UnreachableError */
  request(request: ApiRequest): Promise<unknown>;
  /** Calls back for each line of a watch until the server ends it or `signal` aborts. @throws ApiError, UnreachableError */
  stream(request: ApiRequest, onLine: (value: unknown) => void): Promise<void>;
  /** The same for lines of text, which may be silent for any time where `isEndless`. @throws ApiError, UnreachableError */
  lines(request: ApiRequest & { readonly isEndless: boolean }, onLine: (line: string) => void): Promise<void>;
}

/** kubectl gives up a connection after about as long (net/http's dial timeout). */
const defaultTimeoutMilliseconds = 30_000;
/** A watch brings a bookmark about once a minute; a longer silence is a dead connection. */
const watchSilenceMilliseconds = 90_000;

export interface ApiOptions {
  readonly timeoutMilliseconds: number;
  /** Logs each request where the user wants to see them. */
  readonly log?: (line: string) => void;
}

export function createApi(config: PluginKubeConfig, { timeoutMilliseconds, log }: ApiOptions): Api {
  const limit = timeoutMilliseconds > 0 ? timeoutMilliseconds : defaultTimeoutMilliseconds;

  const open = async (request: ApiRequest, silence: number): Promise<IncomingMessage> => {
    const url = new URL(config.server + request.path);
    for (const [name, value] of Object.entries(request.query ?? {}))
      if (value !== undefined) url.searchParams.set(name, String(value));
    const options: RequestOptions = { method: request.method, headers: {} };
    try {
      await config.applyToHTTPSOptions(options);
    } catch (error) {
      throw new UnreachableError(config.server, `the credentials could not be had: ${messageOf(error)}`, error);
    }
    // One TLS handshake for the whole run: the library's agent would make one for each request.
    if (typeof options.agent === 'object') Object.assign(options.agent, { keepAlive: true });
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    options.headers = {
      ...(options.headers as Record<string, string>),
      // A log comes as text, its errors as JSON.
      Accept: 'application/json, */*',
      'User-Agent': 'kubectl-svctrace',
      ...(body === undefined
        ? {}
        : { 'Content-Type': request.contentType ?? 'application/json', 'Content-Length': Buffer.byteLength(body) }),
    };
    const started = performance.now();
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const send = url.protocol === 'http:' ? requestHttp : requestHttps;
      const sent = send(
        url,
        { ...options, ...(request.signal === undefined ? {} : { signal: request.signal }) },
        resolve,
      );
      sent.setTimeout(silence, () => sent.destroy(new Error(`no answer within ${String(silence / 1000)} s`)));
      sent.on('error', (error) => {
        reject(
          request.signal?.aborted === true
            ? abortReason(request.signal)
            : new UnreachableError(config.server, messageOf(error), error),
        );
      });
      sent.end(body);
    });
    log?.(
      `${request.method} ${url.href} ${String(response.statusCode)} in ${String(Math.round(performance.now() - started))} ms`,
    );
    if ((response.statusCode ?? 500) >= 400)
      throw apiError(response.statusCode ?? 500, await readText(response, config.server));
    return response;
  };

  const eachLine = async (
    response: IncomingMessage,
    signal: AbortSignal | undefined,
    onLine: (line: string) => void,
  ): Promise<void> => {
    try {
      response.setEncoding('utf8');
      // A line ends where the kubelet ends it: readline would also end it at a carriage return, and at separators of Unicode.
      let rest = '';
      for await (const chunk of response) {
        const lines = (rest + String(chunk)).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) onLine(line.replace(/\r$/, ''));
      }
      if (rest !== '') onLine(rest);
      if (response.errored !== null) throw response.errored;
    } catch (error) {
      if (signal?.aborted === true) return;
      if (error instanceof ApiError || error instanceof UnreachableError) throw error;
      throw new UnreachableError(config.server, messageOf(error), error);
    } finally {
      response.destroy();
    }
  };

  return {
    async request(request) {
      const text = await readText(await open(request, limit), config.server);
      return parseJson(text, config.server);
    },
    async stream(request, onLine) {
      const response = await open(request, watchSilenceMilliseconds);
      response.setTimeout(watchSilenceMilliseconds, () => response.destroy(new Error('the connection went silent')));
      await eachLine(response, request.signal, (line) => {
        if (line.trim() !== '') onLine(parseJson(line, config.server));
      });
    },
    async lines(request, onLine) {
      // 0: no limit. A connection that is dead without a word is found by the system's keep-alive.
      const response = await open(request, request.isEndless ? 0 : limit);
      response.socket.setKeepAlive(true, watchSilenceMilliseconds / 3);
      await eachLine(response, request.signal, onLine);
    },
  };
}

function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('aborted');
}

async function readText(response: IncomingMessage, server: string): Promise<string> {
  response.setEncoding('utf8');
  let text = '';
  try {
    for await (const chunk of response) text += String(chunk);
  } catch (error) {
    throw new UnreachableError(server, messageOf(error), error);
  }
  return text;
}

function parseJson(text: string, server: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UnreachableError(
      server,
      `what answers there is no API server: ${text.slice(0, 60).replaceAll(/\s+/g, ' ')}`,
    );
  }
}

const statusSchema = z.object({
  reason: z.string().optional(),
  message: z.string().optional(),
  details: z.object({ kind: z.string().optional() }).optional(),
});

function apiError(code: number, text: string): ApiError {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = { message: text.trim().slice(0, 200) };
  }
  return statusError(body, code);
}

/** A Status object, of an answer or of a watch's ERROR event, as an error. */
export function statusError(body: unknown, code: number): ApiError {
  const status = statusSchema.safeParse(body);
  const { reason = '', message = `HTTP status ${String(code)}`, details } = status.success ? status.data : {};
  return new ApiError(code, reason, message, details?.kind);
}

/** Node gathers the failures of several addresses of one name into one error without a message. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return [...new Set(error.errors.map(messageOf))].join('; ');
  if (!(error instanceof Error)) return String(error);
  return error.message === '' ? error.name : error.message;
}
