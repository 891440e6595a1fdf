/** A way to the API server on which all connections can be cut at once: streams to probes, watches and requests. */
import { once } from 'node:events';
import { createServer, connect, type Socket } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';

export interface CuttableApi {
  /** As the file's, through here. */
  readonly kubeConfig: KubeConfig;
  /** @returns how many connections there were */
  readonly cut: () => number;
  readonly close: () => Promise<void>;
}

export async function cuttableApi(kubeconfigPath: string): Promise<CuttableApi> {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(kubeconfigPath);
  const cluster = kubeConfig.getCurrentCluster();
  if (cluster === null) throw new Error(`${kubeconfigPath} has no current cluster`);
  const to = new URL(cluster.server);
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(to.port), to.hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.setNoDelay(true);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the way to the API server has no port');
  kubeConfig.clusters = kubeConfig.clusters.map((each) =>
    each.name === cluster.name ? { ...each, server: `https://127.0.0.1:${String(address.port)}` } : each,
  );
  const cut = (): number => {
    const connections = open.size / 2;
    for (const socket of [...open]) socket.destroy();
    return connections;
  };
  return {
    kubeConfig,
    cut,
    close: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
