/** Two operators and one Lease, by a clock of the tests. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  LeaseChangedError,
  Leadership,
  LeadershipLostError,
  type LeaseSeen,
  type LeaseStore,
} from '../../operator/leadership.ts';
import { logTo } from '../support/log-lines.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** The Lease as the API server keeps it: of two that write the same version, one is refused. */
class Lease {
  seen: LeaseSeen = { version: '1', holder: '', renewTime: '', durationSeconds: 0, transitions: 0 };

  /** @param trouble asked before each request, and after each write: it may reject, be late, or never answer */
  store(trouble: () => Promise<void> = async () => undefined): LeaseStore {
    return {
      read: async () => {
        await trouble();
        return this.seen;
      },
      write: async (seen, record) => {
        await trouble();
        if (seen.version !== this.seen.version) throw new LeaseChangedError('changed');
        this.seen = {
          ...record,
          version: String(Number(seen.version) + 1),
          renewTime: new Date().toISOString(),
        };
        const written = this.seen;
        // What was written may be noticed late, or not at all.
        await trouble();
        return written;
      },
    };
  }
}

interface Candidate {
  readonly leadership: Leadership;
  readonly log: string[];
  /** Ends it as a kill would: nothing is released. */
  kill(): void;
  /** Ends it as SIGTERM does. */
  end(): Promise<void>;
}

function candidate(lease: Lease, identity: string, trouble?: () => Promise<void>): Candidate {
  const log: string[] = [];
  const leadership = new Leadership({
    leases: lease.store(trouble),
    identity,
    log: logTo((line) => log.push(line)),
  });
  const ending = new AbortController();
  void (async () => {
    while (!ending.signal.aborted) {
      await leadership.acquire(ending.signal);
      await leadership.keep(ending.signal);
    }
  })();
  return {
    leadership,
    log,
    kill: () => {
      ending.abort();
    },
    end: async () => {
      ending.abort();
      await leadership.release();
    },
  };
}

const seconds = async (count: number): Promise<void> => {
  await vi.advanceTimersByTimeAsync(count * 1000);
};

describe('the Lease of the operators', () => {
  it('is held by the first, which renews it, while the second waits and says for whom', async () => {
    const lease = new Lease();
    const one = candidate(lease, 'one');
    await seconds(1);
    const other = candidate(lease, 'other');
    await seconds(300);
    expect([one.leadership.isHeld, other.leadership.isHeld]).toEqual([true, false]);
    expect(lease.seen).toMatchObject({ holder: 'one', transitions: 1 });
    expect(other.log).toEqual(['one works; this operator waits until it ends']);
    one.kill();
    other.kill();
  });

  it('goes to the second within 20 s of a kill, and not before 13 s', async () => {
    const lease = new Lease();
    const one = candidate(lease, 'one');
    await seconds(1);
    const other = candidate(lease, 'other');
    await seconds(60);
    one.kill();
    await seconds(12);
    expect(other.leadership.isHeld).toBe(false);
    await seconds(8);
    expect(other.leadership.isHeld).toBe(true);
    expect(lease.seen).toMatchObject({ holder: 'other', transitions: 2 });
    other.kill();
  });

  it('goes to the second within 3 s where the first releases it', async () => {
    const lease = new Lease();
    const one = candidate(lease, 'one');
    await seconds(1);
    const other = candidate(lease, 'other');
    await seconds(60);
    await one.end();
    expect(one.leadership.isHeld).toBe(false);
    await seconds(3);
    expect(other.leadership.isHeld).toBe(true);
    other.kill();
  });

  it('is gone on with at once by the same operator after a restart', async () => {
    const lease = new Lease();
    const one = candidate(lease, 'one');
    await seconds(30);
    one.kill();
    const again = candidate(lease, 'one');
    await seconds(0);
    expect(again.leadership.isHeld).toBe(true);
    expect(lease.seen.transitions).toBe(1);
    again.kill();
  });

  it.each([
    ['fails', async () => Promise.reject(new Error('connect ECONNREFUSED'))],
    ['does not answer', async () => new Promise<void>(() => undefined)],
  ])(
    'is lost 10 s after the last renewal where the API server %s, 5 s before another could have it',
    async (_, away) => {
      const lease = new Lease();
      let isAway = false;
      const one = candidate(lease, 'one', async () => (isAway ? away() : undefined));
      await seconds(1);
      const other = candidate(lease, 'other');
      await seconds(59);
      isAway = true;
      await seconds(10);
      expect([one.leadership.isHeld, other.leadership.isHeld]).toEqual([false, false]);
      expect(one.log.at(-1)).toBe('this operator could not renew its Lease in time: it stops, and another may work');
      await seconds(10);
      expect(other.leadership.isHeld).toBe(true);
      // Back again, it waits as any other.
      isAway = false;
      await seconds(60);
      expect([one.leadership.isHeld, other.leadership.isHeld]).toEqual([false, true]);
      one.kill();
      other.kill();
    },
  );

  it('refuses every write right after the process was stopped for 60 s, before any of its timers ran', async () => {
    const lease = new Lease();
    const one = candidate(lease, 'one');
    await seconds(30);
    expect(() => {
      one.leadership.assertHeld();
    }).not.toThrow();
    // The clock goes on, as it does while SIGSTOP holds the process; no timer runs.
    const now = performance.now();
    vi.spyOn(performance, 'now').mockReturnValue(now + 60_000);
    expect(() => {
      one.leadership.assertHeld();
    }).toThrow(LeadershipLostError);
    vi.restoreAllMocks();
    one.kill();
  });

  it('says once why it cannot be renewed', async () => {
    const lease = new Lease();
    const one = candidate(lease, 'one', async () => Promise.reject(new Error('there is no Lease')));
    await seconds(60);
    expect(one.log).toEqual(['the Lease cannot be renewed: there is no Lease; tried again']);
    one.kill();
  });

  it('is never held by two, whichever requests fail, hang or are late', async () => {
    const outcome = fc.constantFrom('answers', 'fails', 'hangs', 'is late');
    await fc.assert(
      fc.asyncProperty(fc.array(outcome, { minLength: 40, maxLength: 200 }), async (outcomes) => {
        const lease = new Lease();
        let next = 0;
        const trouble = async (): Promise<void> => {
          const what = outcomes[next++ % outcomes.length];
          if (what === 'fails') throw new Error('503');
          if (what === 'hangs') {
            await new Promise<void>((resolve) => setTimeout(resolve, 5000));
            throw new Error('timeout');
          }
          if (what === 'is late') await new Promise<void>((resolve) => setTimeout(resolve, 4000));
        };
        const all = ['one', 'two', 'three'].map((identity) => candidate(lease, identity, trouble));
        for (let second = 0; second < 120; second += 1) {
          await seconds(1);
          expect(all.filter(({ leadership }) => leadership.isHeld).length).toBeLessThanOrEqual(1);
          // One of them is killed, and comes back as another pod.
          if (second % 40 === 39) {
            all[second % 3]?.kill();
            all[second % 3] = candidate(lease, `new-${String(second)}`, trouble);
          }
        }
        for (const each of all) each.kill();
      }),
      { numRuns: 60 },
    );
  });
});
