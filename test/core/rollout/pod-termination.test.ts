import { describe, expect, it } from 'vitest';
import { preStopBounds, type ContainerHook, type PreStopHook } from '../../../core/rollout/pod-termination.ts';

function bounds(containers: readonly ContainerHook[], grace = 30): unknown {
  return preStopBounds({ name: 'auth', addresses: [], terminationGracePeriodSeconds: grace, containers }, [8080]);
}

const exec = (...command: string[]): PreStopHook => ({ kind: 'exec', command });
const exactly = (seconds: number): unknown => ({ minSeconds: seconds, maxSeconds: seconds });

describe('the time from the deletion to SIGTERM', () => {
  it.each<[string, PreStopHook | undefined, unknown]>([
    ['no hook', undefined, exactly(0)],
    ['a hook that sleeps', { kind: 'sleep', seconds: 5 }, exactly(5)],
    ['sleep as a program', exec('/bin/sleep', '7'), exactly(7)],
    ['sleep in a shell', exec('/bin/sh', '-c', 'sleep 2.5s'), exactly(2.5)],
    ['more than a sleep', exec('sh', '-c', 'sleep 5 && nginx -s quit'), { minSeconds: 0, maxSeconds: 30 }],
    ['another program', exec('/drain'), { minSeconds: 0, maxSeconds: 30 }],
    ['a request', { kind: 'httpGet' }, { minSeconds: 0, maxSeconds: 30 }],
    ['a hook that outlasts the grace period', { kind: 'sleep', seconds: 60 }, exactly(30)],
  ])('is of %s', (_name, preStop, expected) => {
    expect(bounds([{ ports: [8080], ...(preStop === undefined ? {} : { preStop }) }])).toEqual(expected);
  });

  it('is that of the container that declares the port, or else of the first that gets it', () => {
    const slow: PreStopHook = { kind: 'sleep', seconds: 9 };
    expect(bounds([{ ports: [9090] }, { ports: [8080], preStop: slow }])).toEqual(exactly(9));
    expect(bounds([{ ports: [] }, { ports: [9090], preStop: slow }])).toEqual(exactly(0));
  });
});
