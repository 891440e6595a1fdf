/** An API server with one Service, whose trace changes as the test wants it: what the plugin needs for a live view. */
import type { ServerResponse } from 'node:http';
import type { ServiceTrace } from '../../core/api/service-trace.ts';
import { refuse, sendJson, startApiServer } from '../support/api-server.ts';

export interface TraceServer {
  readonly address: string;
  /** Writes this result, as the operator does; the trace's name and spec are those that the plugin asked for. */
  write(trace: ServiceTrace): void;
  /** Whether the plugin's watch is there. */
  isWatched(): boolean;
  /** Whether the trace that the plugin made is there. */
  isTraced(): boolean;
  close(): Promise<void>;
}

const name = 'auth-service-x7k2p';

/** @param first the result that the trace has when it is first read */
export async function startTraceServer(first: ServiceTrace): Promise<TraceServer> {
  let spec = first.spec;
  let version = 1;
  let isTraced = false;
  let written = first;
  const watches = new Set<ServerResponse>();
  const current = (): ServiceTrace => ({
    ...written,
    spec,
    metadata: { name, namespace: 'default', uid: 'uid-1', generation: 1, resourceVersion: String(version) },
  });
  const server = await startApiServer(({ method, url, body }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://server');
    if (pathname === '/api/v1/namespaces/default/services/auth-service')
      return sendJson(response, 200, { kind: 'Service', apiVersion: 'v1', metadata: { name: 'auth-service' } });
    if (!pathname.startsWith('/apis/svctrace.io/v1alpha1/namespaces/default/servicetraces'))
      return refuse(response, 404, 'NotFound', `${pathname} is not here`, { kind: 'things', name: 'x' });
    if (method === 'POST') {
      spec = (JSON.parse(body) as Pick<ServiceTrace, 'spec'>).spec;
      isTraced = true;
      return sendJson(response, 201, { ...current(), status: undefined });
    }
    if (method === 'DELETE') {
      isTraced = false;
      return sendJson(response, 200, { kind: 'Status', status: 'Success' });
    }
    if (searchParams.get('watch') === 'true') {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.write('');
      watches.add(response);
      response.on('close', () => {
        watches.delete(response);
      });
      return undefined;
    }
    return sendJson(
      response,
      200,
      pathname.endsWith('/servicetraces')
        ? { kind: 'ServiceTraceList', items: isTraced ? [current()] : [] }
        : current(),
    );
  });
  return {
    address: server.address,
    isWatched: () => watches.size > 0,
    isTraced: () => isTraced,
    write(trace) {
      version += 1;
      written = trace;
      const line = `${JSON.stringify({ type: 'MODIFIED', object: current() })}\n`;
      for (const watch of watches) watch.write(line);
    },
    close: () => server.close(),
  };
}
