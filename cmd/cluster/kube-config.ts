/** Which cluster, and as whom: kubectl's flags and environment to a KubeConfig. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { RequestOptions } from 'node:https';
import { KubeConfig, type Cluster, type RequestContext, type User } from '@kubernetes/client-node';
import { getGlobalDispatcher, type Dispatcher } from 'undici';
import { ClusterError } from '../cli/errors.ts';
import { fileTrouble } from '../cli/file-errors.ts';
import type { ClusterFlags } from '../cli/request.ts';
import type { Environment } from '../cli/io.ts';

const serviceAccountToken = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/**
 * The configuration that kubectl would use for the same flags and environment.
 * @throws ClusterError where there is none, or it names something that is not there
 */
export function loadKubeConfig(flags: ClusterFlags, env: Environment): PluginKubeConfig {
  const files = readFiles(flags, env);
  const context = chooseContext(files, flags);
  const cluster = chooseCluster(files, flags, context?.cluster);
  const user = chooseUser(files, flags, context?.user);
  const config = new PluginKubeConfig(flags);
  const namespace = flags.namespace ?? context?.namespace;
  config.loadFromOptions({
    clusters: [cluster],
    users: [user],
    contexts: [
      { name: 'chosen', cluster: cluster.name, user: user.name, ...(namespace === undefined ? {} : { namespace }) },
    ],
    currentContext: 'chosen',
  });
  return config;
}

/** The client library impersonates a user; the groups and the UID of --as-group and --as-uid are added here. */
export class PluginKubeConfig extends KubeConfig {
  readonly #groups: readonly string[];
  readonly #uid: string | undefined;

  constructor({ asGroups, asUid }: Pick<ClusterFlags, 'asGroups' | 'asUid'>) {
    super();
    this.#groups = asGroups;
    this.#uid = asUid;
  }

  /** The namespace of the flags or of the context; `default` where neither says one. */
  get namespace(): string {
    return this.getContextObject(this.currentContext)?.namespace ?? 'default';
  }

  get server(): string {
    return this.getCurrentCluster()?.server ?? '';
  }

  /** For node:https and for the exec stream: a header with several values is an array. */
  override async applyToHTTPSOptions(options: RequestOptions): Promise<void> {
    await super.applyToHTTPSOptions(options);
    options.headers = {
      ...(options.headers as Record<string, string>),
      ...(this.#groups.length === 0 ? {} : { 'Impersonate-Group': [...this.#groups] }),
      ...(this.#uid === undefined ? {} : { 'Impersonate-Uid': this.#uid }),
    };
  }

  /** For the library's API clients: fetch would join several values of a header to one, so they are added below it. */
  override async applySecurityAuthentication(context: RequestContext): Promise<void> {
    await super.applySecurityAuthentication(context);
    if (this.#uid !== undefined) context.setHeaderParam('Impersonate-Uid', this.#uid);
    if (this.#groups.length === 0) return;
    const groups = this.#groups;
    const dispatcher: Dispatcher = context.getDispatcher() ?? getGlobalDispatcher();
    context.setDispatcher(
      dispatcher.compose(
        (dispatch) => (options, handler) =>
          dispatch({ ...options, headers: withGroups(options.headers, groups) }, handler),
      ),
    );
  }
}

/** undici takes headers as an object or as a flat list of names and values; the list may repeat a name. */
function withGroups(headers: Dispatcher.DispatchOptions['headers'], groups: readonly string[]): string[] {
  const flat: string[] = [];
  const add = (name: unknown, value: unknown): void => {
    for (const each of Array.isArray(value) ? value : [value])
      if (each !== undefined && each !== null) flat.push(String(name), String(each));
  };
  if (Array.isArray(headers)) flat.push(...headers.map(String));
  else if (headers !== undefined && headers !== null) {
    if (Symbol.iterator in headers) for (const [name, value] of headers) add(name, value);
    else for (const [name, value] of Object.entries(headers)) add(name, value);
  }
  for (const group of groups) flat.push('Impersonate-Group', group);
  return flat;
}

/** --kubeconfig, else the paths of KUBECONFIG of which the first that names something wins, else ~/.kube/config. */
function readFiles(flags: ClusterFlags, env: Environment): KubeConfig {
  const listed = (env['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '');
  const home = join(env['HOME'] ?? homedir(), '.kube', 'config');
  const paths = flags.kubeconfig !== undefined ? [flags.kubeconfig] : listed.length > 0 ? listed : [home];
  const present = paths.filter((path) => existsSync(path));
  const merged = new KubeConfig();
  if (present.length === 0) {
    if (flags.kubeconfig === undefined && listed.length === 0 && existsSync(serviceAccountToken)) {
      merged.loadFromCluster();
      return merged;
    }
    if (flags.server === undefined) {
      const where =
        flags.kubeconfig !== undefined ? '--kubeconfig' : listed.length > 0 ? 'KUBECONFIG' : 'the default path';
      throw new ClusterError(
        `No cluster is configured: there is no file ${paths.join(', ')} (${where}); name one with --kubeconfig, or an API server with --server.`,
      );
    }
    return merged;
  }
  for (const path of present) {
    const one = new KubeConfig();
    try {
      one.loadFromFile(path);
    } catch (error) {
      throw new ClusterError(`The kubeconfig ${path} cannot be read: ${fileTrouble(error)}`, { cause: error });
    }
    merged.clusters.push(...one.clusters.filter(({ name }) => merged.getCluster(name) === null));
    merged.users.push(...one.users.filter(({ name }) => merged.getUser(name) === null));
    merged.contexts.push(...one.contexts.filter(({ name }) => merged.getContextObject(name) === null));
    // A file without current-context leaves the field undefined, whatever its type says.
    if (isEmpty(merged.currentContext) && !isEmpty(one.currentContext)) merged.currentContext = one.currentContext;
  }
  return merged;
}

function isEmpty(value: string | undefined | null): boolean {
  return value === undefined || value === null || value === '';
}

function chooseContext(files: KubeConfig, flags: ClusterFlags): ReturnType<KubeConfig['getContextObject']> {
  const name = flags.context ?? files.currentContext;
  if (isEmpty(name)) return null;
  const context = files.getContextObject(name);
  if (context === null && (flags.context !== undefined || flags.server === undefined)) {
    throw new ClusterError(`The kubeconfig has no context "${name}"; it has ${listNames(files.contexts)}.`);
  }
  return context;
}

function chooseCluster(files: KubeConfig, flags: ClusterFlags, ofContext: string | undefined): Cluster {
  const name = flags.cluster ?? ofContext;
  const found = name === undefined ? null : files.getCluster(name);
  if (found === null && name !== undefined && flags.server === undefined) {
    throw new ClusterError(`The kubeconfig has no cluster "${name}"; it has ${listNames(files.clusters)}.`);
  }
  const server = flags.server ?? found?.server;
  if (server === undefined)
    throw new ClusterError(
      'The kubeconfig chooses no cluster: name a context with --context, or an API server with --server.',
    );
  const address = /^https?:\/\//.test(server) ? server : `https://${server}`;
  // The library drops the file where it has the data too, and lets http pass only where TLS need not be checked.
  const authority: Partial<Cluster> =
    flags.certificateAuthority === undefined
      ? {}
      : { caData: readFile('--certificate-authority', flags.certificateAuthority) };
  return {
    ...(found ?? {}),
    ...(flags.certificateAuthority === undefined ? {} : { caFile: '' }),
    ...authority,
    ...(flags.tlsServerName === undefined ? {} : { tlsServerName: flags.tlsServerName }),
    name: found?.name ?? 'server',
    server: address.replace(/\/+$/, ''),
    skipTLSVerify: flags.insecureSkipTlsVerify || address.startsWith('http:') || (found?.skipTLSVerify ?? false),
  };
}

function chooseUser(files: KubeConfig, flags: ClusterFlags, ofContext: string | undefined): User {
  const name = flags.user ?? ofContext;
  const found = name === undefined ? null : files.getUser(name);
  if (found === null && flags.user !== undefined)
    throw new ClusterError(`The kubeconfig has no user "${flags.user}"; it has ${listNames(files.users)}.`);
  const base: User = found ?? { name: name ?? 'nobody' };
  return {
    ...base,
    ...(flags.token === undefined ? {} : withoutCertificate({ ...base, token: flags.token })),
    ...(flags.clientCertificate === undefined
      ? {}
      : { certFile: '', certData: readFile('--client-certificate', flags.clientCertificate) }),
    ...(flags.clientKey === undefined ? {} : { keyFile: '', keyData: readFile('--client-key', flags.clientKey) }),
    ...(flags.as === undefined ? {} : { impersonateUser: flags.as }),
  };
}

/** clientcmd: a token of the command line comes before every other authentication. */
function withoutCertificate(user: User): User {
  return {
    name: user.name,
    ...(user.token === undefined ? {} : { token: user.token }),
    ...(user.impersonateUser === undefined ? {} : { impersonateUser: user.impersonateUser }),
    certFile: '',
    certData: '',
    keyFile: '',
    keyData: '',
  };
}

function readFile(flag: string, path: string): string {
  try {
    return readFileSync(path).toString('base64');
  } catch (error) {
    throw new ClusterError(`${flag} ${path} cannot be read: ${fileTrouble(error)}`, { cause: error });
  }
}

function listNames(items: readonly { readonly name: string }[]): string {
  return items.length === 0 ? 'none' : items.map(({ name }) => name).join(', ');
}
