import { Agent, request, type RequestOptions } from 'node:https';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import * as z from 'zod';

const clusterSchema = z.object({ cluster: z.object({ server: z.string(), 'certificate-authority-data': z.string() }) });
const userSchema = z.object({ user: z.object({ token: z.string() }) });
const kubeconfigSchema = z.object({ clusters: z.tuple([clusterSchema]), users: z.tuple([userSchema]) });

/** What is written: an object, and how it changes what is there. */
export interface Writing {
  readonly method: 'POST' | 'PATCH' | 'DELETE';
  /** Absent for DELETE. A PATCH is a merge patch. */
  readonly body?: object;
}

/**
 * A client for the few questions that the harness asks while the cluster starts. It is small because
 * it must say at once that nobody answers yet; tests use kubectl or the real client.
 */
export class ApiClient {
  readonly #server: string;
  readonly #authority: Buffer;
  readonly #token: string;
  readonly #connections = new Agent({ keepAlive: true, maxSockets: 16 });

  /** @param kubeconfig path of a kubeconfig that startApiServer() has written */
  constructor(kubeconfig: string) {
    const { clusters, users } = kubeconfigSchema.parse(parse(readFileSync(kubeconfig, 'utf8')));
    this.#server = clusters[0].cluster.server;
    this.#authority = Buffer.from(clusters[0].cluster['certificate-authority-data'], 'base64');
    this.#token = users[0].user.token;
  }

  /**
   * @param path such as `/api/v1/nodes`
   * @returns the answer's body
   * @throws {Error} when there is no answer within three seconds, or another status
   */
  async get(path: string): Promise<string> {
    return this.#ask(path, { method: 'GET', agent: false, timeout: 3000 });
  }

  /**
   * Writes one object; many may be written side by side.
   * @returns the answer's body: the object as the API server keeps it
   * @throws {Error} when it is not taken, with the API server's reason, or when there is no answer within 30 seconds
   */
  async write(path: string, { method, body }: Writing): Promise<string> {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    return this.#ask(
      path,
      { method, agent: this.#connections, timeout: 30_000, headers: { 'content-type': type } },
      body && JSON.stringify(body),
    );
  }

  /** Ends the connections that writing has left open. */
  close(): void {
    this.#connections.destroy();
  }

  async #ask(path: string, options: RequestOptions, sent?: string): Promise<string> {
    const authorization = { authorization: `Bearer ${this.#token}` };
    return new Promise((resolve, reject) => {
      const asking = request(
        new URL(path, this.#server),
        { ca: this.#authority, ...options, headers: { ...options.headers, ...authorization } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const body = Buffer.concat(chunks).toString('utf8');
            if (response.statusCode === 200 || response.statusCode === 201) resolve(body);
            else
              reject(
                new Error(`The API server answered ${path} with ${String(response.statusCode)}: ${body.slice(0, 300)}`),
              );
          });
        },
      );
      const seconds = (options.timeout ?? 0) / 1000;
      asking.on('timeout', () =>
        asking.destroy(new Error(`The API server did not answer ${path} within ${String(seconds)} seconds.`)),
      );
      asking.on('error', reject);
      asking.end(sent);
    });
  }

  /** Whether the API server is ready to serve. */
  async isReady(): Promise<boolean> {
    return (await this.get('/readyz')) === 'ok';
  }

  /** Whether the object at this path exists; any answer but 200 counts as not. */
  async exists(path: string): Promise<boolean> {
    return this.get(path).then(
      () => true,
      () => false,
    );
  }

  /** Names of the nodes whose condition Ready is True. */
  async readyNodes(): Promise<string[]> {
    const list = z
      .object({
        items: z.array(
          z.object({
            metadata: z.object({ name: z.string() }),
            status: z.object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]) }),
          }),
        ),
      })
      .parse(JSON.parse(await this.get('/api/v1/nodes')));
    return list.items
      .filter(({ status }) => status.conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True'))
      .map(({ metadata }) => metadata.name);
  }

  /** How many replicas of a Deployment are wanted, and how many are available. */
  async replicas(namespace: string, name: string): Promise<{ wanted: number; available: number }> {
    const deployment = z
      .object({ spec: z.object({ replicas: z.int() }), status: z.object({ availableReplicas: z.int().default(0) }) })
      .parse(JSON.parse(await this.get(`/apis/apps/v1/namespaces/${namespace}/deployments/${name}`)));
    return { wanted: deployment.spec.replicas, available: deployment.status.availableReplicas };
  }
}
