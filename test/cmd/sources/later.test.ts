/** A source that is shown before it is opened. */
import { describe, expect, it } from 'vitest';
import { openLater } from '../../../cmd/sources/later.ts';
import type { TraceEvent, TraceSource } from '../../../cmd/sources/source.ts';
import type { LogEvent } from '../../../cmd/logs/event.ts';
import { exampleTrace } from '../../support/example-trace.ts';

function openedSource(more: Partial<TraceSource> = {}): { source: TraceSource; log: string[] } {
  const log: string[] = [];
  const source: TraceSource = {
    origin: { kind: 'recorded', at: '2026-11-24T11:00:00Z' },
    async follow(onEvent) {
      onEvent({ kind: 'trace', trace: exampleTrace });
    },
    async close() {
      log.push('close');
    },
    ...more,
  };
  return { source, log };
}

const never = (): Promise<TraceSource> => new Promise(() => undefined);
const live = (): AbortSignal => new AbortController().signal;

describe('a source that is opened later', () => {
  it('is opened once, when it is followed, and says where it comes from first', async () => {
    let opened = 0;
    const { source, log } = openedSource();
    const later = openLater({ kind: 'recorded' }, async () => {
      opened += 1;
      return source;
    });
    expect([opened, later.origin]).toEqual([0, { kind: 'recorded' }]);
    const events: TraceEvent[] = [];
    await later.follow((event) => {
      events.push(event);
    }, live());
    expect(events).toEqual([
      { kind: 'opened', origin: { kind: 'recorded', at: '2026-11-24T11:00:00Z' } },
      { kind: 'trace', trace: exampleTrace },
    ]);
    await later.close();
    expect([opened, log]).toEqual([1, ['close']]);
  });

  it('reports why it cannot be opened, and closes all the same', async () => {
    const later = openLater({ kind: 'operator' }, async () => {
      throw new Error('no such Service');
    });
    await expect(later.follow(() => undefined, live())).rejects.toThrow('no such Service');
    await later.close();
  });

  it('that is never opened is not waited for, and one that nobody followed is not opened', async () => {
    const later = openLater({ kind: 'operator' }, never, 5);
    void later.follow(() => undefined, live());
    await later.close();
    await openLater({ kind: 'operator' }, async () => {
      throw new Error('it was opened');
    }).close();
  });

  it('is closed where the user left while it was being opened', async () => {
    const { source, log } = openedSource();
    let give: (source: TraceSource) => void = () => undefined;
    const later = openLater(
      { kind: 'operator' },
      () =>
        new Promise((resolve) => {
          give = resolve;
        }),
    );
    const stop = new AbortController();
    const events: TraceEvent[] = [];
    const following = later.follow((event) => {
      events.push(event);
    }, stop.signal);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    stop.abort();
    const closing = later.close();
    give(source);
    await Promise.all([following, closing]);
    expect([events, log]).toEqual([[], ['close']]);
  });

  it('has the logs of the opened one, and is opened for them', async () => {
    const events: LogEvent[] = [];
    const able = openLater(
      { kind: 'operator' },
      async () =>
        openedSource({
          logs: async (onEvent) => {
            onEvent({ kind: 'pods', pods: 3, waiting: [], none: '' });
          },
        }).source,
    );
    await able.logs?.((event) => {
      events.push(event);
    }, live());
    await openLater({ kind: 'recorded' }, async () => openedSource().source).logs?.((event) => {
      events.push(event);
    }, live());
    expect(events).toEqual([
      { kind: 'pods', pods: 3, waiting: [], none: '' },
      { kind: 'absent', reason: 'this is recorded 2026-11-24 11:00 UTC' },
    ]);
  });

  it('saves and walks as the opened one does, and says why where it does not', async () => {
    const walked: string[] = [];
    const able = openLater(
      { kind: 'operator' },
      async () =>
        openedSource({
          save: async () => 'a.svctrace',
          walkFrom: async (client) => {
            walked.push(client);
          },
        }).source,
    );
    await able.follow(() => undefined, live());
    await able.walkFrom?.('client-a');
    expect([await able.save?.(), walked]).toEqual(['a.svctrace', ['client-a']]);
    const unable = openLater({ kind: 'recorded' }, async () => openedSource().source);
    await expect(unable.save?.()).rejects.toThrow('nothing to save: this is not opened yet');
    await unable.follow(() => undefined, live());
    await expect(unable.save?.()).rejects.toThrow('nothing to save: this is recorded 2026-11-24 11:00 UTC');
    await expect(unable.walkFrom?.('client-a')).rejects.toThrow(
      'a packet cannot be walked: this is recorded 2026-11-24 11:00 UTC',
    );
  });
});
