/** What the probe says of ports of kube-proxy behind which nobody is. */
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { readKubeProxy } from '../../core/kube-proxy/health.ts';
import { askKubeProxy } from '../../probe/ask-kube-proxy.ts';

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    }).on('error', () => {
      resolve(false);
    });
  });

it('says of each port that it is closed', async (context) => {
  const open = await Promise.all([10249, 10256].map(isOpen));
  context.skip(open.includes(true), 'a kube-proxy runs on this machine');
  const record = await askKubeProxy();
  expect(record.failures).toEqual(
    expect.arrayContaining([
      { port: 10249, cause: 'refused' },
      { port: 10256, cause: 'refused' },
    ]),
  );
  expect(record.errors).toHaveLength(4);
  expect(readKubeProxy(record).silence).toBe('refused');
});
