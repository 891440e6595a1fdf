/** The client against a server that answers as an API server does. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CoreV1Api } from '@kubernetes/client-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { connect, type ClusterClient } from '../../../cmd/cluster/cluster-client.ts';
import type { WatchEvent } from '../../../cmd/cluster/traces.ts';
import { ClusterError } from '../../../cmd/cli/errors.ts';
import { explainError } from '../../../cmd/cluster/explain-error.ts';
import { loadKubeConfig } from '../../../cmd/cluster/kube-config.ts';
import type { ClusterFlags } from '../../../cmd/cli/request.ts';
import { flagsFor, refuse, sendJson, startApiServer, type Answer, type ApiServer } from '../../support/api-server.ts';
import { exampleTrace } from '../../support/example-trace.ts';

let server: ApiServer;
let answer: Answer;

beforeEach(async () => {
  server = await startApiServer((request, response) => {
    answer(request, response);
  });
});

afterEach(async () => {
  await server.close();
});

const client = (flags: Partial<ClusterFlags> = {}): ClusterClient =>
  connect(flagsFor(server.address, flags), { HOME: '/nonexistent' }, () => undefined);

async function sentence(action: Promise<unknown>): Promise<string> {
  const error: unknown = await action.then(
    () => undefined,
    (thrown: unknown) => explainError(thrown),
  );
  if (!(error instanceof ClusterError)) throw new Error(`expected a ClusterError, got ${String(error)}`);
  return error.message;
}

const create = (): Promise<unknown> =>
  client().createTrace({
    namespace: 'default',
    generateName: 'auth-service-',
    annotations: {},
    spec: { serviceRef: { name: 'auth-service' } },
  });

describe('a refusal in one sentence', () => {
  it('no CRD', async () => {
    answer = (_request, response) => {
      response.writeHead(404, { 'Content-Type': 'text/plain' }).end('404 page not found\n');
    };
    expect(await sentence(create())).toBe(
      'The svctrace operator is not installed in this cluster: install it with `kubectl svctrace install`, or trace without it with --standalone.',
    );
  });

  it('no CRD, answered with a Status', async () => {
    answer = (_request, response) => {
      refuse(response, 404, 'NotFound', 'the server could not find the requested resource');
    };
    expect(await sentence(create())).toContain('kubectl svctrace install');
  });

  it('a namespace that is not there', async () => {
    answer = (_request, response) => {
      refuse(response, 404, 'NotFound', 'namespaces "shop" not found', { name: 'shop', kind: 'namespaces' });
    };
    expect(await sentence(create())).toBe('The API server refused: namespaces "shop" not found (NotFound).');
  });

  it('forbidden in a namespace', async () => {
    answer = (_request, response) => {
      refuse(
        response,
        403,
        'Forbidden',
        'servicetraces.svctrace.io is forbidden: User "jane" cannot create resource "servicetraces" in API group "svctrace.io" in the namespace "default"',
      );
    };
    expect(await sentence(create())).toBe(
      'User "jane" may not create servicetraces.svctrace.io in namespace "default" (kubectl auth can-i create servicetraces.svctrace.io -n default); the ClusterRole svctrace-servicetrace-editor gives it: kubectl create rolebinding traces --clusterrole=svctrace-servicetrace-editor --user=jane -n default.',
    );
  });

  it('forbidden in the whole cluster', async () => {
    answer = (_request, response) => {
      refuse(
        response,
        403,
        'Forbidden',
        'nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the cluster scope',
      );
    };
    expect(await sentence(client().listNodes())).toBe(
      'User "jane" may not list nodes in the whole cluster (kubectl auth can-i list nodes); an administrator gives it with: kubectl create clusterrole svctrace-list-nodes --verb=list --resource=nodes && kubectl create clusterrolebinding svctrace-list-nodes --clusterrole=svctrace-list-nodes --user=jane.',
    );
  });

  it("forbidden, as the engine's client library reports it", async () => {
    answer = (_request, response) => {
      refuse(
        response,
        403,
        'Forbidden',
        'pods is forbidden: User "jane" cannot create resource "pods/exec" in API group "" in the namespace "kube-system"',
      );
    };
    const pods = client().kubeConfig.makeApiClient(CoreV1Api).listNode();
    expect(await sentence(pods)).toBe(
      'User "jane" may not create pods/exec in namespace "kube-system" (kubectl auth can-i create pods --subresource=exec -n kube-system); an administrator gives it with: kubectl create role svctrace-create-pods-exec --verb=create --resource=pods/exec -n kube-system && kubectl create rolebinding svctrace-create-pods-exec --role=svctrace-create-pods-exec --user=jane -n kube-system.',
    );
  });

  it.each([
    ['system:serviceaccount:ci:robot', '--serviceaccount=ci:robot'],
    ["o'neil smith", String.raw`'--user=o'\''neil smith'`],
  ])('forbidden for %s', async (user, subject) => {
    answer = (_request, response) => {
      refuse(
        response,
        403,
        'Forbidden',
        `deployments.apps is forbidden: User "${user}" cannot get resource "deployments/scale" in API group "apps" in the namespace "shop"`,
      );
    };
    const text = await sentence(client().listNodes());
    expect(text).toContain('--resource=deployments.apps/scale -n shop &&');
    expect(text).toContain(`--role=svctrace-get-deployments-scale ${subject} -n shop.`);
  });

  it('credentials that are not accepted', async () => {
    answer = (_request, response) => {
      refuse(response, 401, 'Unauthorized', 'Unauthorized');
    };
    expect(await sentence(create())).toContain('does not accept these credentials (401)');
  });

  it('what the CRD refuses', async () => {
    answer = (_request, response) => {
      refuse(
        response,
        422,
        'Invalid',
        'ServiceTrace.svctrace.io "x" is invalid: spec.from takes exactly one of pod, node and ip',
      );
    };
    expect(await sentence(create())).toBe(
      'The API server refused: ServiceTrace.svctrace.io "x" is invalid: spec.from takes exactly one of pod, node and ip (Invalid).',
    );
  });

  it('no server', async () => {
    const { address } = server;
    await server.close();
    expect(await sentence(connect(flagsFor(address), {}, () => undefined).listNodes())).toBe(
      `The API server ${address} cannot be reached: connect ECONNREFUSED ${address.slice('http://'.length)}.`,
    );
  });

  it('a server that does not answer in time', async () => {
    answer = () => undefined;
    expect(await sentence(client({ requestTimeoutMilliseconds: 100 }).listNodes())).toBe(
      `The API server ${server.address} cannot be reached: no answer within 0.1 s.`,
    );
  });

  it('something else that answers there', async () => {
    answer = (_request, response) => {
      response.writeHead(200).end('<html>hello');
    };
    expect(await sentence(client().listNodes())).toContain('what answers there is no API server: <html>hello');
  });

  it('an object of another version', async () => {
    answer = (_request, response) => {
      sendJson(response, 200, { ...exampleTrace, status: { nodes: 'many' } });
    };
    expect(await sentence(client().readTrace('default', 'x'))).toContain(
      "The cluster's operator speaks another version than this plugin: status.nodes must be array",
    );
  });
});

describe('impersonation', () => {
  const byText = (one: readonly string[], other: readonly string[]): number =>
    one.join(' ') < other.join(' ') ? -1 : 1;
  const impersonation = (): [string, string][] =>
    (server.requests[0]?.headers ?? [])
      .filter(([name]) => /^impersonate/i.test(name))
      .map(([name, value]) => [name.toLowerCase(), value]);
  const flags = { as: 'jane', asGroups: ['dev', 'ops'], asUid: '7', token: 'secret' };
  const expected = [
    ['impersonate-group', 'dev'],
    ['impersonate-group', 'ops'],
    ['impersonate-uid', '7'],
    ['impersonate-user', 'jane'],
  ];

  it("goes with the plugin's own requests, each group in a header of its own", async () => {
    answer = (_request, response) => {
      sendJson(response, 200, { items: [] });
    };
    await client(flags).listNodes();
    expect(impersonation().sort(byText)).toEqual(expected);
    expect(server.requests[0]?.headers).toContainEqual(['Authorization', 'Bearer secret']);
  });

  it("goes with the engine's client library too", async () => {
    answer = (_request, response) => {
      sendJson(response, 200, { items: [] });
    };
    await client(flags).kubeConfig.makeApiClient(CoreV1Api).listNode();
    expect(impersonation().sort(byText)).toEqual(expected);
  });

  it('is not there when nobody asks for it', async () => {
    answer = (_request, response) => {
      sendJson(response, 200, { items: [] });
    };
    await client().listNodes();
    expect(impersonation()).toEqual([]);
  });
});

describe('requests', () => {
  it('a trace is created with a generated name, and marked as ours', async () => {
    answer = (_request, response) => {
      sendJson(response, 201, exampleTrace);
    };
    await create();
    expect(server.requests[0]).toMatchObject({
      method: 'POST',
      url: '/apis/svctrace.io/v1alpha1/namespaces/default/servicetraces?fieldManager=kubectl-svctrace',
    });
    expect(JSON.parse(server.requests[0]?.body ?? '')).toEqual({
      apiVersion: 'svctrace.io/v1alpha1',
      kind: 'ServiceTrace',
      metadata: {
        generateName: 'auth-service-',
        namespace: 'default',
        labels: { 'app.kubernetes.io/managed-by': 'kubectl-svctrace' },
        annotations: {},
      },
      spec: { serviceRef: { name: 'auth-service' } },
    });
  });

  it('a trace is deleted only while it is the one that was created', async () => {
    answer = (_request, response) => {
      refuse(response, 404, 'NotFound', 'gone', { kind: 'servicetraces' });
    };
    await client().deleteTrace('default', 'x', 'uid-1');
    expect(JSON.parse(server.requests[0]?.body ?? '')).toEqual({ preconditions: { uid: 'uid-1' } });
  });

  it('a manifest goes over the wire as it is written', async () => {
    answer = ({ url }, response) => {
      sendJson(
        response,
        200,
        url === '/apis/apiextensions.k8s.io/v1'
          ? { resources: [{ name: 'customresourcedefinitions', kind: 'CustomResourceDefinition', namespaced: false }] }
          : {},
      );
    };
    const crd = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'a.b' },
      spec: { 'x-kubernetes-list-type': 'map' },
    };
    await client().apply(crd);
    const { method, url, headers, body } = server.requests[1] ?? { headers: [] };
    expect([method, url]).toEqual([
      'PATCH',
      '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/a.b?fieldManager=kubectl-svctrace&force=true',
    ]);
    expect(headers).toContainEqual(['Content-Type', 'application/apply-patch+yaml']);
    expect(JSON.parse(body ?? '')).toEqual(crd);
  });

  it('a watch gives objects, bookmarks and the end of the object, from lines that come in pieces', async () => {
    const lines = [
      { type: 'MODIFIED', object: exampleTrace },
      { type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } },
      { type: 'DELETED', object: exampleTrace },
    ]
      .map((line) => `${JSON.stringify(line)}\n`)
      .join('');
    answer = (_request, response) => {
      response.writeHead(200);
      response.write(lines.slice(0, 40));
      setTimeout(() => {
        response.end(lines.slice(40));
      }, 20);
    };
    const events: WatchEvent[] = [];
    await client().watchTrace(
      'default',
      'x',
      '7',
      (event) => {
        events.push(event);
      },
      new AbortController().signal,
    );
    expect(events.map(({ kind }) => kind)).toEqual(['trace', 'bookmark', 'deleted']);
    expect(server.requests[0]?.url).toContain('resourceVersion=7');
    expect(server.requests[0]?.url).toContain('fieldSelector=metadata.name%3Dx');
  });

  it('a watch that is too old is refused with 410', async () => {
    answer = (_request, response) => {
      response
        .writeHead(200)
        .end(
          `${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' } })}\n`,
        );
    };
    await expect(
      client().watchTrace('default', 'x', '7', () => undefined, new AbortController().signal),
    ).rejects.toMatchObject({ code: 410 });
  });
});

describe('kubeconfig', () => {
  const directory = mkdtempSync(join(tmpdir(), 'svctrace-test-'));
  const write = (name: string, config: object): string => {
    const path = join(directory, name);
    writeFileSync(path, stringify({ apiVersion: 'v1', kind: 'Config', ...config }));
    return path;
  };
  const one = write('one', {
    clusters: [{ name: 'c', cluster: { server: 'https://one:6443/' } }],
    users: [{ name: 'u', user: { token: 'one' } }],
    contexts: [
      { name: 'x', context: { cluster: 'c', user: 'u', namespace: 'shop' } },
      { name: 'y', context: { cluster: 'd', user: 'v' } },
    ],
    'current-context': 'x',
  });
  const two = write('two', {
    clusters: [
      { name: 'c', cluster: { server: 'https://ignored' } },
      { name: 'd', cluster: { server: 'https://two' } },
    ],
    users: [{ name: 'v', user: { token: 'two' } }],
    contexts: [],
    'current-context': 'y',
  });
  const none = { asGroups: [], insecureSkipTlsVerify: false, requestTimeoutMilliseconds: 0, verbosity: 0 };
  const chosen = (flags: Partial<ClusterFlags>, env: Record<string, string>): (string | undefined)[] => {
    const config = loadKubeConfig({ ...none, ...flags }, env);
    return [config.server, config.namespace, config.getCurrentUser()?.token];
  };

  it.each<[string, Partial<ClusterFlags>, Record<string, string>, (string | undefined)[]]>([
    ['KUBECONFIG', {}, { KUBECONFIG: one }, ['https://one:6443', 'shop', 'one']],
    [
      'several paths, of which the first wins and one is not there',
      {},
      { KUBECONFIG: `${directory}/absent:${one}:${two}` },
      ['https://one:6443', 'shop', 'one'],
    ],
    ['a context over two files', { context: 'y' }, { KUBECONFIG: `${one}:${two}` }, ['https://two', 'default', 'two']],
    ['--kubeconfig before KUBECONFIG', { kubeconfig: one }, { KUBECONFIG: two }, ['https://one:6443', 'shop', 'one']],
    ['-n', { namespace: 'other' }, { KUBECONFIG: one }, ['https://one:6443', 'other', 'one']],
    [
      '--cluster and --user',
      { cluster: 'd', user: 'v' },
      { KUBECONFIG: `${one}:${two}` },
      ['https://two', 'shop', 'two'],
    ],
    [
      '--server and --token',
      { server: 'api:6443', token: 't' },
      { KUBECONFIG: one },
      ['https://api:6443', 'shop', 't'],
    ],
  ])('%s', (_name, flags, env, expected) => {
    expect(chosen(flags, env)).toEqual(expected);
  });

  it.each<[Partial<ClusterFlags>, Record<string, string>, string]>([
    [{ context: 'z' }, { KUBECONFIG: one }, 'The kubeconfig has no context "z"; it has x, y.'],
    [{ cluster: 'z' }, { KUBECONFIG: one }, 'The kubeconfig has no cluster "z"; it has c.'],
    [{ user: 'z' }, { KUBECONFIG: one }, 'The kubeconfig has no user "z"; it has u.'],
    [
      {},
      { KUBECONFIG: '/nonexistent' },
      'No cluster is configured: there is no file /nonexistent (KUBECONFIG); name one with --kubeconfig, or an API server with --server.',
    ],
  ])('%o is refused', (flags, env, expected) => {
    expect(() => chosen(flags, env)).toThrow(new ClusterError(expected));
  });
});
