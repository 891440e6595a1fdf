import { readFileSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';

/** How someone proves who they are: a token, or a certificate and its key (paths of PEM files). */
export type Credentials = { readonly token: string } | { readonly certificate: string; readonly key: string };

const base64Of = (file: string): string => readFileSync(file).toString('base64');

/**
 * Writes a kubeconfig that needs no other file.
 * @param path of the file to write, readable by its owner alone
 * @param options `server` is a URL; `authority` the path of the CA's certificate; `cluster` names the context
 */
export function writeKubeconfig(
  path: string,
  options: { cluster: string; server: string; authority: string; user: string; credentials: Credentials },
): void {
  const { cluster, server, authority, user, credentials } = options;
  const context = `${user}@${cluster}`;
  const proof =
    'token' in credentials
      ? { token: credentials.token }
      : { 'client-certificate-data': base64Of(credentials.certificate), 'client-key-data': base64Of(credentials.key) };
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: cluster, cluster: { server, 'certificate-authority-data': base64Of(authority) } }],
    users: [{ name: user, user: proof }],
    contexts: [{ name: context, context: { cluster, user, namespace: 'default' } }],
    'current-context': context,
  };
  writeFileSync(path, stringify(kubeconfig), { mode: 0o600 });
}
