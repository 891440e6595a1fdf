/** Connections from within a pod: which of its commands makes them, and the message where none can. */
import { KubeConfig } from '@kubernetes/client-node';
import { expect, it } from 'vitest';
import { ClusterError } from '../../../cmd/cli/errors.ts';
import { connectFromPod, readClientPod, readConnections, type PodApi } from '../../../cmd/cluster/pod-connect.ts';
import { NoSuchCommandError } from '../../../cmd/cluster/pod-exec.ts';
import type { ConnectTarget } from '../../../core/api/connect-targets.ts';

const targets: readonly ConnectTarget[] = [
  { hop: 'ClusterIP', address: '10.96.0.7', port: 80, protocol: 'TCP', portName: 'http' },
  { hop: 'Endpoint', address: 'fd00::2', port: 8080, protocol: 'TCP' },
];
const place = { namespace: 'shop', pod: 'client' };
const kubeConfig = new KubeConfig();

/** A pod whose containers have these programs: `CONTAINER PROGRAM`. */
function podWith(
  programs: readonly string[],
  output = '1 refused 3 ECONNREFUSED\n0 connected 7 \n',
): { api: PodApi; ran: string[][] } {
  const ran: string[][] = [];
  return {
    ran,
    api: {
      read: async () => ({}),
      exec: async ({ container, command }) => {
        ran.push([container, ...command]);
        if (!programs.includes(`${container} ${command[0] ?? ''}`)) throw new NoSuchCommandError('no such program');
        return output;
      },
    },
  };
}

it('are made by the first program that is there, in the first container that has one', async () => {
  const { api, ran } = podWith(['app sh', 'tools python3', 'tools bash']);
  const empty: PodApi = {
    ...api,
    exec: async (command) => (command.container === 'app' && command.command[0] === 'sh' ? '' : api.exec(command)),
  };
  const { connections, by, untried } = await connectFromPod(
    kubeConfig,
    { ...place, containers: ['app', 'tools'], targets },
    empty,
  );
  expect(by).toBe('python3 in container tools');
  expect(untried).toBeUndefined();
  expect(connections).toEqual([
    {
      hop: 'ClusterIP',
      address: '10.96.0.7',
      port: 80,
      protocol: 'TCP',
      portName: 'http',
      outcome: 'connected',
      milliseconds: 7,
    },
    // The second time, it is the only one that is tried.
    { hop: 'Endpoint', address: 'fd00::2', port: 8080, protocol: 'TCP', outcome: 'connected', milliseconds: 7 },
  ]);
  expect(ran.at(-1)?.slice(-2)).toEqual([ran.at(-2)?.at(-3), 'TCP/fd00::2/8080']);
  expect(ran.at(-2)?.slice(-2)).toEqual(['TCP/10.96.0.7/80', 'TCP/fd00::2/8080']);
});

it('have failed where they fail twice', async () => {
  const { api, ran } = podWith(['app bash'], '0 timeout 2000 \n1 timeout 2000 \n');
  const { connections } = await connectFromPod(kubeConfig, { ...place, containers: ['app'], targets }, api);
  expect(connections.map(({ outcome }) => outcome)).toEqual(['timeout', 'timeout']);
  expect(ran.filter(([, program]) => program === 'bash')).toHaveLength(2);
});

it('are not tried where no container has a program, none runs, or there is nothing to connect to', async () => {
  const { api } = podWith([]);
  const untriedOf = async (containers: readonly string[], wanted = targets): Promise<string | undefined> =>
    (await connectFromPod(kubeConfig, { ...place, containers, targets: wanted }, api)).untried;
  expect(await untriedOf(['app'])).toBe('its containers have none of node, python3, bash, nc, curl');
  expect(await untriedOf([])).toBe('none of its containers runs');
  expect(await untriedOf(['app'], [])).toBe('no node connected to an address of a family that it has');
});

it('are not tried where the user may not, and the message names the missing right', async () => {
  const api: PodApi = {
    read: async () => ({}),
    exec: async () => {
      throw new ClusterError(
        'node cannot be run in pod client of namespace shop: you may not: it needs the verbs get and create of pods/exec.',
      );
    },
  };
  expect(await connectFromPod(kubeConfig, { ...place, containers: ['app'], targets }, api)).toEqual({
    connections: [],
    untried:
      'node cannot be run in pod client of namespace shop: you may not: it needs the verbs get and create of pods/exec',
  });
});

it('are of the containers that run', async () => {
  const api: PodApi = {
    exec: async () => '',
    read: async () => ({
      spec: { nodeName: 'node-a', containers: [{ name: 'broken' }, { name: 'app' }] },
      status: {
        podIPs: [{ ip: '10.244.1.9' }],
        containerStatuses: [
          { name: 'app', image: '', imageID: '', ready: true, restartCount: 0, state: { running: {} } },
          {
            name: 'broken',
            image: '',
            imageID: '',
            ready: false,
            restartCount: 3,
            state: { waiting: { reason: 'CrashLoopBackOff' } },
          },
        ],
      },
    }),
  };
  expect(await readClientPod(kubeConfig, place, api)).toEqual({
    node: 'node-a',
    addresses: ['10.244.1.9'],
    containers: ['app'],
  });
  expect(
    await readClientPod(kubeConfig, place, {
      ...api,
      read: async () => {
        throw new Error('pods "client" not found.');
      },
    }),
  ).toEqual({ problem: 'pods "client" not found' });
});

it('are read from the lines that the program is to print, and from no other', () => {
  const read = (output: string): (string | undefined)[] =>
    readConnections(output, targets, { name: 'bash' }).map(({ outcome, error }) =>
      error === undefined ? outcome : `${outcome}: ${error}`,
    );
  expect(read('Welcome to the image\n0 connected 7\r\n')).toEqual(['connected', 'untried: bash did not report it']);
  expect(read('0 owned 1\n 1 timeout 2000 \n7 connected 1\n')).toEqual(['untried: bash did not report it', 'timeout']);
});
