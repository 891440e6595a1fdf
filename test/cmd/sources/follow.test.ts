/** Following one ServiceTrace over everything that happens to a watch. */
import { describe, expect, it } from 'vitest';
import { ApiError, UnreachableError } from '../../../cmd/cluster/api.ts';
import type { WatchEvent } from '../../../cmd/cluster/traces.ts';
import { followTrace } from '../../../cmd/sources/follow.ts';
import type { TraceEvent } from '../../../cmd/sources/source.ts';
import { exampleTrace } from '../../support/example-trace.ts';
import type { ServiceTrace } from '../../../core/api/service-trace.ts';

const at = (resourceVersion: string): ServiceTrace => ({
  ...exampleTrace,
  metadata: { ...exampleTrace.metadata, resourceVersion },
});

/** Each read and each watch takes the next of these; a watch gives its events, then throws or ends. */
interface Script {
  readonly reads: (string | Error)[];
  readonly watches: { readonly events?: WatchEvent[]; readonly error?: Error }[];
}

async function follow({ reads, watches }: Script): Promise<{ events: string[]; end: unknown; versions: string[] }> {
  const stop = new AbortController();
  const events: string[] = [];
  const versions: string[] = [];
  const end: unknown = await followTrace(
    {
      async readTrace() {
        const next = reads.shift();
        if (next instanceof Error) throw next;
        if (next === undefined) throw new Error('one read too many');
        return at(next);
      },
      async watchTrace(_namespace, _name, version, onEvent) {
        versions.push(version);
        const next = watches.shift();
        if (next === undefined) return stop.abort();
        for (const event of next.events ?? []) onEvent(event);
        if (next.error !== undefined) throw next.error;
      },
    },
    { namespace: 'default', name: 'x' },
    (event: TraceEvent) => {
      events.push(event.kind === 'trace' ? `trace ${event.trace.metadata.resourceVersion ?? ''}` : event.kind);
    },
    { signal: stop.signal, firstWaitMilliseconds: 1 },
  ).catch((error: unknown) => error);
  return { events, end, versions };
}

const lost = new UnreachableError('https://api', 'ECONNRESET');

describe('follow', () => {
  it('reads, then watches from there', async () => {
    expect(await follow({ reads: ['5'], watches: [{ events: [{ kind: 'trace', trace: at('6') }] }] })).toEqual({
      events: ['trace 5', 'trace 6'],
      end: 'aborted',
      versions: ['5', '6'],
    });
  });

  it('goes on from a bookmark where the server ends a watch', async () => {
    expect(
      await follow({ reads: ['5'], watches: [{ events: [{ kind: 'bookmark', resourceVersion: '9' }] }] }),
    ).toMatchObject({ versions: ['5', '9'] });
  });

  it('reads again where the watch is too old', async () => {
    expect(
      await follow({ reads: ['5', '20'], watches: [{ error: new ApiError(410, 'Expired', 'too old', undefined) }] }),
    ).toMatchObject({ events: ['trace 5', 'trace 20'], versions: ['5', '20'] });
  });

  it('says that the connection is lost once, and that it is back', async () => {
    const { events } = await follow({
      reads: ['5', lost, new ApiError(503, '', 'starting', undefined), '7'],
      watches: [{ error: lost }],
    });
    expect(events).toEqual(['trace 5', 'lost', 'resumed', 'trace 7']);
  });

  it('ends where the object is deleted, or was while nobody looked', async () => {
    expect(await follow({ reads: ['5'], watches: [{ events: [{ kind: 'deleted' }] }] })).toMatchObject({
      end: 'deleted',
    });
    expect(
      await follow({
        reads: ['5', new ApiError(404, 'NotFound', 'gone', 'servicetraces')],
        watches: [{ error: lost }],
      }),
    ).toMatchObject({ end: 'deleted' });
  });

  it('ends with what asking again would not change', async () => {
    const forbidden = new ApiError(403, 'Forbidden', 'no', undefined);
    expect(await follow({ reads: ['5'], watches: [{ error: forbidden }] })).toMatchObject({ end: forbidden });
  });
});
