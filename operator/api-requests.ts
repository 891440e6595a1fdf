/**
 * Counts what this process asks of the API server, by verb and resource, as the API server's own metrics name them. The
 * client asks by undici, and opens exec streams by node's HTTP client: both report their requests to node's diagnostics
 * channels, watches and whoever made the request included.
 */
import { subscribe } from 'node:diagnostics_channel';
import { ClientRequest, type IncomingMessage } from 'node:http';
import * as z from 'zod';

export interface ApiRequest {
  /** get, list, watch, create, update, patch, delete, deletecollection, connect; other. */
  readonly verb: string;
  /** `pods`, `pods/exec`, `servicetraces.svctrace.io/status`; other. */
  readonly resource: string;
}

/** @param code an HTTP status, or `error` where there was no answer */
type OnRequest = (request: ApiRequest, code: string) => void;

const verbs: Readonly<Record<string, string>> = {
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
  GET: 'get',
};

/** /api/v1/[namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE]], or /apis/GROUP/VERSION/… */
export function apiRequestOf(method: string, pathAndQuery: string): ApiRequest {
  const { pathname, searchParams } = new URL(pathAndQuery, 'https://kubernetes.invalid');
  const [root, ...parts] = pathname.split('/').filter((part) => part !== '');
  const group = root === 'apis' ? parts.shift() : '';
  const version = parts.shift();
  if ((root !== 'api' && root !== 'apis') || group === undefined || version === undefined)
    return { verb: 'other', resource: 'other' };
  // A Namespace itself has no resource behind its name.
  if (parts[0] === 'namespaces' && parts.length > 2) parts.splice(0, 2);
  const [resource, name, subresource] = parts;
  if (resource === undefined || !/^[a-z0-9]+$/.test(resource)) return { verb: 'other', resource: 'other' };
  const full = `${resource}${group === '' ? '' : `.${group}`}${subresource === undefined ? '' : `/${subresource}`}`;
  if (subresource === 'exec') return { verb: 'connect', resource: full };
  const verb = verbs[method] ?? 'other';
  if (verb === 'get' && ['true', '1'].includes(searchParams.get('watch') ?? ''))
    return { verb: 'watch', resource: full };
  if (verb === 'get' && name === undefined) return { verb: 'list', resource: full };
  if (verb === 'delete' && name === undefined) return { verb: 'deletecollection', resource: full };
  return { verb, resource: full };
}

/** Of undici's channels: documented in its docs/api/DiagnosticsChannel.md. */
const messageSchema = z.object({
  request: z.custom<object>((value) => typeof value === 'object' && value !== null),
  response: z.object({ statusCode: z.number() }).optional(),
});
const requestSchema = z.object({ method: z.string(), path: z.string() });

/** From now on, until the process ends. */
export function countApiRequests(onRequest: OnRequest): void {
  /** A stream that breaks after its headers, as a watch does, is not a second request. */
  const answered = new WeakSet<object>();
  subscribe('undici:request:headers', (message) => {
    const { request, response } = messageSchema.parse(message);
    const { method, path } = requestSchema.parse(request);
    answered.add(request);
    onRequest(apiRequestOf(method, path), String(response?.statusCode ?? 'error'));
  });
  subscribe('undici:request:error', (message) => {
    const { request } = messageSchema.parse(message);
    if (answered.has(request)) return;
    const { method, path } = requestSchema.parse(request);
    onRequest(apiRequestOf(method, path), 'error');
  });
  subscribe('http.client.request.start', (message) => {
    const { request } = messageSchema.parse(message);
    if (!(request instanceof ClientRequest)) return;
    let isCounted = false;
    const countOnce = (code: string): void => {
      if (!isCounted) onRequest(apiRequestOf(request.method, request.path), code);
      isCounted = true;
    };
    const onAnswer = ({ statusCode }: IncomingMessage): void => {
      countOnce(String(statusCode ?? 'error'));
    };
    request.once('upgrade', onAnswer);
    request.once('response', onAnswer);
    request.once('error', () => {
      countOnce('error');
    });
  });
}
