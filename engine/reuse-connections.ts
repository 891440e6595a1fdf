/**
 * Connections to the API server that are kept for the next request (docs/decisions/179-connections-are-reused.md): the client
 * makes a pool of its own for each request, which then has one connection and one TLS handshake.
 */
import { Agent } from 'node:https';
import { createSecureContext } from 'node:tls';
import type { KubeConfig } from '@kubernetes/client-node';

const reusing = new WeakSet<KubeConfig>();

/** From now on, for all who use this very object: requests share a pool, and exec streams what a handshake is made from. */
export function reuseConnections(kubeConfig: KubeConfig): void {
  if (reusing.has(kubeConfig)) return;
  reusing.add(kubeConfig);
  const optionsOf = kubeConfig.createDispatcherOptions.bind(kubeConfig);
  const authenticate = kubeConfig.applySecurityAuthentication.bind(kubeConfig);
  const authenticateStream = kubeConfig.applyToHTTPSOptions.bind(kubeConfig);
  let options = '';
  let pool: { readonly options: string; readonly dispatcher: Parameters<SetDispatcher>[0] } | undefined;
  kubeConfig.createDispatcherOptions = (...cluster) => {
    const own = optionsOf(...cluster);
    options = JSON.stringify(own);
    return own;
  };
  kubeConfig.applySecurityAuthentication = async (context) => {
    const set = context.setDispatcher.bind(context);
    // Called right after the options were made. A certificate that was renewed, or another cluster, has a pool of its own.
    context.setDispatcher = (dispatcher) => {
      if (pool?.options !== options) pool = { options, dispatcher };
      set(pool.dispatcher);
    };
    await authenticate(context);
  };
  kubeConfig.applyToHTTPSOptions = async (stream) => {
    await authenticateStream(stream);
    const { agent } = stream;
    // The client keeps this agent, with the certificates of its first stream.
    if (agent instanceof Agent && agent.options.secureContext === undefined)
      agent.options.secureContext = createSecureContext(agent.options);
  };
}

type SetDispatcher = Parameters<KubeConfig['applySecurityAuthentication']>[0]['setDispatcher'];
