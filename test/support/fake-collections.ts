/**
 * An API server's lists and watches over real HTTP, with what makes them hard: pages of one moment, a history that is
 * forgotten (410), connections that end, break or fall silent, bookmarks, refusals.
 */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';

export interface FakeObject {
  readonly [field: string]: unknown;
  readonly metadata: {
    readonly [field: string]: unknown;
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
}

interface Stored {
  readonly object: FakeObject & { readonly metadata: { readonly resourceVersion: string } };
  readonly version: number;
}

interface Change {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: Stored['object'];
}

interface OpenWatch {
  readonly collection: string;
  readonly matches: (object: FakeObject) => boolean;
  readonly response: ServerResponse;
  isSilent: boolean;
}

export interface FakeCollectionsOptions {
  /** Default: HTTP without TLS. */
  readonly makeServer?: (listener: RequestListener) => Server;
  /** The certificate of a server that speaks TLS, as PEM. */
  readonly certificate?: string;
  /** Answers what is not read; default: as if it were. */
  readonly onWrite?: (request: IncomingMessage, response: ServerResponse) => void;
}

export interface FakeCollections {
  readonly kubeConfig: KubeConfig;
  /** `list`, `watch` or `get` and path and query of each request. */
  readonly requests: string[];
  /** Answers requests with this HTTP status instead. */
  refuse: (verb: 'list' | 'watch' | 'get', path: string) => number | undefined;
  /** Called before each page of a list is answered. */
  onPage: (path: string) => void;
  /** @param collection such as `/api/v1/services`; of a deleted object, the next one of its name is another */
  put(collection: string, object: FakeObject): void;
  delete(collection: string, key: string): void;
  get(collection: string, key: string): Stored['object'] | undefined;
  /** `namespace/name resourceVersion` of all objects, sorted. */
  state(collection: string): string[];
  /** Sends a line to the watches as it is. */
  sendLine(collection: string, line: string): void;
  bookmark(collection: string): void;
  /** Ends the connections of all watches: as a server does it, or as a network. */
  cut(how: 'end' | 'break'): void;
  /** Open watches hear nothing from now on. */
  silence(): void;
  /** Forgets what happened so far: watches from before it, and further pages, are answered 410. */
  compact(): void;
  openWatches(collection: string): number;
  close(): Promise<void>;
}

const keyOf = ({ metadata: { namespace, name } }: FakeObject): string =>
  namespace === undefined ? name : `${namespace}/${name}`;

export async function startFakeCollections({
  makeServer = createServer,
  certificate,
  onWrite,
}: FakeCollectionsOptions = {}): Promise<FakeCollections> {
  const collections = new Map<string, Map<string, Stored>>();
  const changes = new Map<string, Change[]>();
  /** The objects of further pages, by their token. */
  const pages = new Map<string, { readonly items: readonly Stored[]; readonly version: number }>();
  const watches = new Set<OpenWatch>();
  const requests: string[] = [];
  let version = 100;
  let compacted = 0;

  const write = (watch: OpenWatch, type: string, object: object): void => {
    if (!watch.isSilent) watch.response.write(`${JSON.stringify({ type, object })}\n`);
  };
  const record = (collection: string, change: Change): void => {
    const known = changes.get(collection) ?? [];
    changes.set(collection, known);
    known.push(change);
    for (const watch of watches)
      if (watch.collection === collection && watch.matches(change.object)) write(watch, change.type, change.object);
  };
  const versioned = (object: FakeObject): Stored['object'] => ({
    ...object,
    metadata: { ...object.metadata, resourceVersion: String(version) },
  });

  const answer = (response: ServerResponse, code: number, body: unknown): void => {
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const status = (code: number): object => ({
    kind: 'Status',
    apiVersion: 'v1',
    code,
    message: `status ${String(code)}`,
  });
  const list = (response: ServerResponse, { searchParams, pathname }: URL, all: readonly Stored[]): void => {
    server.onPage(pathname);
    const token = searchParams.get('continue');
    const from = token === null ? { items: all, version } : pages.get(token);
    if (from === undefined) {
      answer(response, 410, status(410));
      return;
    }
    const limit = Number(searchParams.get('limit') ?? Infinity);
    const rest = from.items.slice(limit);
    const next = `${String(from.version)}-${String(rest.length)}-${pathname}`;
    if (rest.length > 0) pages.set(next, { items: rest, version: from.version });
    answer(response, 200, {
      kind: 'List',
      apiVersion: 'v1',
      metadata: { resourceVersion: String(from.version), ...(rest.length > 0 ? { continue: next } : {}) },
      items: from.items.slice(0, limit).map(({ object }) => object),
    });
  };
  const startWatch = (
    response: ServerResponse,
    { searchParams }: URL,
    collection: string,
    matches: (object: FakeObject) => boolean,
  ): void => {
    const from = Number(searchParams.get('resourceVersion') ?? 0);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const watch: OpenWatch = { collection, matches, response, isSilent: false };
    if (from < compacted) {
      write(watch, 'ERROR', status(410));
      response.end();
      return;
    }
    for (const change of changes.get(collection) ?? [])
      if (change.version > from && matches(change.object)) write(watch, change.type, change.object);
    watches.add(watch);
    response.on('close', () => watches.delete(watch));
  };

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    if (request.method !== 'GET' && onWrite !== undefined) {
      onWrite(request, response);
      return;
    }
    const url = new URL(request.url ?? '/', 'http://localhost');
    const isWatch = url.searchParams.get('watch') === 'true';
    const [, root = '', , namespace, resource = '', name] =
      /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)(\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+))?$/.exec(url.pathname) ?? [];
    const collection = `${root}/${resource}`;
    const verb = isWatch ? 'watch' : name === undefined ? 'list' : 'get';
    requests.push(`${verb} ${url.pathname}${url.search}`);
    const refusal = server.refuse(verb, url.pathname);
    if (refusal !== undefined) {
      answer(response, refusal, status(refusal));
      return;
    }
    const selector = (url.searchParams.get('labelSelector') ?? '').split(',').filter((each) => each !== '');
    const [, podIP] = /^status\.podIP=(.*)$/.exec(url.searchParams.get('fieldSelector') ?? '') ?? [];
    const matches = ({ metadata, status: of }: FakeObject): boolean =>
      (podIP === undefined || (typeof of === 'object' && of !== null && 'podIP' in of && of.podIP === podIP)) &&
      (namespace === undefined || metadata.namespace === namespace) &&
      selector.every((each) => metadata.labels?.[each.split('=')[0] ?? ''] === each.split('=')[1]);
    const stored = collections.get(collection) ?? new Map<string, Stored>();
    if (isWatch) startWatch(response, url, collection, matches);
    else if (name === undefined)
      list(
        response,
        url,
        [...stored.values()].filter(({ object }) => matches(object)),
      );
    else {
      const found = stored.get(namespace === undefined ? name : `${namespace}/${name}`);
      answer(response, found === undefined ? 404 : 200, found?.object ?? status(404));
    }
  };
  const http = makeServer(handle);
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve);
  });
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser(
    {
      name: 'fake',
      server: `${certificate === undefined ? 'http' : 'https'}://127.0.0.1:${String((http.address() as AddressInfo).port)}`,
      ...(certificate === undefined
        ? { skipTLSVerify: true }
        : { skipTLSVerify: false, caData: Buffer.from(certificate).toString('base64') }),
    },
    { name: 'fake' },
  );

  const server: FakeCollections = {
    kubeConfig,
    requests,
    refuse: () => undefined,
    onPage: () => undefined,
    put(collection, object) {
      version += 1;
      const stored = collections.get(collection) ?? new Map<string, Stored>();
      collections.set(collection, stored);
      const type = stored.has(keyOf(object)) ? 'MODIFIED' : 'ADDED';
      stored.set(keyOf(object), { object: versioned(object), version });
      record(collection, { version, type, object: versioned(object) });
    },
    delete(collection, key) {
      const stored = collections.get(collection)?.get(key);
      if (stored === undefined) return;
      version += 1;
      collections.get(collection)?.delete(key);
      record(collection, { version, type: 'DELETED', object: versioned(stored.object) });
    },
    get: (collection, key) => collections.get(collection)?.get(key)?.object,
    state: (collection) =>
      [...(collections.get(collection) ?? [])].map(([key, { version: of }]) => `${key} ${String(of)}`).sort(),
    sendLine(collection, line) {
      for (const watch of watches) if (watch.collection === collection) watch.response.write(`${line}\n`);
    },
    bookmark(collection) {
      const object = { metadata: { resourceVersion: String(version) } };
      for (const watch of watches) if (watch.collection === collection) write(watch, 'BOOKMARK', object);
    },
    cut(how) {
      for (const { response } of watches)
        if (how === 'end') response.end();
        else response.destroy();
      watches.clear();
    },
    silence() {
      for (const watch of watches) watch.isSilent = true;
    },
    compact() {
      version += 1;
      compacted = version;
      changes.clear();
      pages.clear();
    },
    openWatches: (collection) => [...watches].filter((watch) => watch.collection === collection).length,
    async close() {
      http.closeAllConnections();
      await new Promise<void>((resolve) => {
        http.close(() => {
          resolve();
        });
      });
    },
  };
  return server;
}
