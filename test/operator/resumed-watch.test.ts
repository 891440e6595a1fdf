import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { resumedWatch, type ResumedWatch } from '../../operator/resumed-watch.ts';
import { logTo } from '../support/log-lines.ts';

let http: Server;
let watch: ResumedWatch;
/** What each connection asked for, and what it is answered. */
let asked: (string | null)[];
let answers: ((response: ServerResponse) => void)[];
let events: string[];
let logged: string[];
/** What connections are answered with; other than 200, at once. */
let status: number;

const line = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`;
const trace = (name: string, resourceVersion: string): object => ({ metadata: { name, resourceVersion } });

beforeEach(async () => {
  asked = [];
  events = [];
  logged = [];
  status = 200;
  answers = [];
  http = createServer((request, response) => {
    const answer = answers[asked.length];
    asked.push(new URL(request.url ?? '', 'http://localhost').searchParams.get('resourceVersion'));
    if (status !== 200) {
      response.writeHead(status).end('{}');
      return;
    }
    response.flushHeaders();
    answer?.(response);
  });
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve);
  });
});
afterEach(() => {
  watch.stop();
  http.closeAllConnections();
  http.close();
});

function start(startAfter?: (again: () => void, milliseconds: number) => undefined): void {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser(
    { name: 'fake', server: `http://127.0.0.1:${String((http.address() as AddressInfo).port)}`, skipTLSVerify: true },
    { name: 'fake' },
  );
  watch = resumedWatch(
    kubeConfig,
    '/apis/svctrace.io/v1alpha1/servicetraces',
    ({ type, object }) => {
      events.push(`${type} ${JSON.stringify(object)}`);
    },
    logTo((line) => logged.push(line)),
    () => {
      events.push('restarted');
    },
    startAfter,
  );
}

it('resumes from the last object or bookmark when the connection ends', async () => {
  answers = [
    (response) => {
      response.end(line('ADDED', trace('a', '5')));
    },
    (response) => {
      response.end(line('BOOKMARK', trace('', '9')));
    },
    (response) => {
      response.write(line('DELETED', trace('a', '10')));
    },
  ];
  start();
  await vi.waitFor(() => {
    expect(events).toHaveLength(2);
  }, 5000);
  expect(asked).toEqual([null, '5', '9']);
  expect(events.map((words) => words.split(' ')[0])).toEqual(['ADDED', 'DELETED']);
});

it('begins again where its place is no longer known, and says so', async () => {
  answers = [
    (response) => {
      response.end(line('ADDED', trace('a', '5')));
    },
    (response) => {
      response.end(line('ERROR', { kind: 'Status', code: 410, message: 'too old resource version' }));
    },
    (response) => {
      response.write(line('ADDED', trace('b', '20')));
    },
  ];
  start();
  await vi.waitFor(() => {
    expect(events).toHaveLength(3);
  }, 5000);
  expect(asked).toEqual([null, '5', null]);
  expect(events.map((words) => words.split(' ')[0])).toEqual(['ADDED', 'restarted', 'ADDED']);
});

it('goes on from its place where the connection broke', async () => {
  answers = [
    (response) => {
      response.write(line('ADDED', trace('a', '5')), () => {
        response.destroy();
      });
    },
    (response) => {
      response.write(line('ADDED', trace('b', '20')));
    },
  ];
  start();
  await vi.waitFor(() => {
    expect(events).toHaveLength(2);
  }, 5000);
  expect(asked).toEqual([null, '5']);
  expect(events).not.toContain('restarted');
});

it('survives an object that is none, and stops when it is aborted', async () => {
  answers = [
    (response) => {
      response.write(line('ADDED', { metadata: 5 }));
      response.write('no JSON\n');
      response.end(line('ADDED', trace('a', '5')));
    },
  ];
  start();
  await vi.waitFor(() => {
    expect(events).toHaveLength(1);
  }, 5000);
  watch.stop();
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(asked).toHaveLength(1);
});

it('finds a path again within 2 s of its return, however long it was away, says once that it is not there, and reports what was lost', async () => {
  status = 404;
  const pauses: number[] = [];
  // No pause is waited for: how long each would be is what matters.
  start((again, milliseconds) => {
    pauses.push(milliseconds);
    setImmediate(again);
  });
  // So often that pauses which double without end would be of hours.
  await vi.waitFor(() => {
    expect(asked.length).toBeGreaterThanOrEqual(20);
  }, 15_000);
  expect(logged).toEqual([
    'watch of /apis/svctrace.io/v1alpha1/servicetraces: there is no such path; it is looked for until there is (404)',
  ]);
  // A request in flight is still answered 404; whichever comes then is answered so.
  answers = Array.from({ length: asked.length + 10 }, () => (response: ServerResponse) => {
    response.write(line('ADDED', trace('a', '5')));
  });
  status = 200;
  await vi.waitFor(() => {
    expect(events).toHaveLength(2);
  }, 10_000);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(2000);
  expect(events[0]).toBe('restarted');
  expect(asked.every((resourceVersion) => resourceVersion === null)).toBe(true);
});

it('says the same trouble once, and waits longer each time', async () => {
  status = 500;
  start();
  await vi.waitFor(() => {
    expect(asked.length).toBeGreaterThanOrEqual(3);
  }, 10_000);
  expect(logged).toHaveLength(1);
});
