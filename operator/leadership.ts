/**
 * One of several operators works, the others wait: a Lease names it (docs/decisions/137). The times and the rules are
 * those of client-go's tools/leaderelection: a Lease counts as held from when a candidate saw it change, by its own clock, so
 * the clocks of two machines are never compared.
 */
import { messageOf } from '../engine/api-error.ts';
import type { Log } from '../engine/log.ts';

/** What a Lease says of its holder. */
export interface LeaseRecord {
  /** Empty where nobody holds it. */
  readonly holder: string;
  /** As it stands there: only whether it changes is read. */
  readonly renewTime: string;
  readonly durationSeconds: number;
  readonly transitions: number;
}

/** A record as it was read, and the version that a write has to be based on. */
export interface LeaseSeen extends LeaseRecord {
  readonly version: string;
}

export interface LeaseStore {
  read(): Promise<LeaseSeen>;
  /**
   * @param isNewHolder the time of acquisition is written, too
   * @throws {LeaseChangedError} where somebody wrote it after `seen`
   */
  write(seen: LeaseSeen, record: Omit<LeaseRecord, 'renewTime'>, isNewHolder: boolean): Promise<LeaseSeen>;
}

/** Another candidate was faster. */
export class LeaseChangedError extends Error {
  override readonly name = 'LeaseChangedError';
}

/** This operator may not write any more: another one may be working. */
export class LeadershipLostError extends Error {
  override readonly name = 'LeadershipLostError';
}

export interface LeadershipOptions {
  readonly leases: LeaseStore;
  /** Unlike that of every other candidate; the same after a restart, which then goes on at once. */
  readonly identity: string;
  readonly log: Log;
}

/** Others wait this long after the last renewal that they saw. */
const leaseSeconds = 15;
/** A leader that could not renew for this long stops: 5 s before anybody else begins. */
const renewDeadlineMilliseconds = 10_000;
const retryMilliseconds = 2000;

export class Leadership {
  readonly #options: LeadershipOptions;
  /** The Lease at its last change, and when that was seen. */
  #seen: LeaseSeen | undefined;
  #seenAt = 0;
  /** When the last renewal that succeeded was sent; -Infinity while another leads, or nobody. */
  #renewedAt = -Infinity;
  /** Why the Lease could not be read or written, as it was logged. */
  #problem: string | undefined;

  constructor(options: LeadershipOptions) {
    this.#options = options;
  }

  /** By the clock alone, so it is right after a pause of the whole process, before any timer of it has run. */
  get isHeld(): boolean {
    return performance.now() - this.#renewedAt < renewDeadlineMilliseconds;
  }

  /** @throws {LeadershipLostError} */
  assertHeld(): void {
    if (!this.isHeld) throw new LeadershipLostError('another operator may be working: nothing is written');
  }

  /** Resolves when this operator leads, or when it is asked to terminate. */
  async acquire(ending: AbortSignal): Promise<void> {
    let waitsFor: string | undefined;
    while (!ending.aborted) {
      await this.#tryOnce();
      if (this.isHeld) return;
      const holder = this.#seen?.holder ?? '';
      if (holder !== '' && holder !== this.#options.identity && holder !== waitsFor) {
        waitsFor = holder;
        this.#options.log.info(`${holder} works; this operator waits until it ends`);
      }
      await pause(jittered(retryMilliseconds), ending);
    }
  }

  /** Renews the Lease; resolves when it is lost, or when this operator is asked to end. */
  async keep(ending: AbortSignal): Promise<void> {
    while (!ending.aborted) {
      await pause(retryMilliseconds, ending);
      if (ending.aborted) return;
      // After a pause of the process, another may lead: what is held no longer is not renewed.
      if (!this.isHeld) break;
      // An API server that does not answer must not keep this from ending in time.
      await Promise.race([
        this.#tryOnce(),
        pause(this.#renewedAt + renewDeadlineMilliseconds - performance.now(), ending),
      ]);
      if (!this.isHeld) break;
    }
    if (ending.aborted) return;
    this.#renewedAt = -Infinity;
    this.#options.log.warn('this operator could not renew its Lease in time: it stops, and another may work');
  }

  /** Gives the Lease to whoever asks next; one that cannot be given is waited for. */
  async release(): Promise<void> {
    const seen = this.#seen;
    if (!this.isHeld || seen === undefined) return;
    this.#renewedAt = -Infinity;
    try {
      await this.#options.leases.write(seen, { holder: '', durationSeconds: 1, transitions: seen.transitions }, false);
    } catch (error) {
      this.#options.log.warn(`the Lease was not released: ${messageOf(error)}`);
    }
  }

  async #tryOnce(): Promise<void> {
    const { leases, identity } = this.#options;
    const asked = performance.now();
    try {
      const seen = await leases.read();
      this.#observe(seen);
      const isOwn = seen.holder === identity;
      if (!isOwn && seen.holder !== '' && performance.now() < this.#seenAt + seen.durationSeconds * 1000) {
        this.#problem = undefined;
        return;
      }
      const written = await leases.write(
        seen,
        {
          holder: identity,
          durationSeconds: leaseSeconds,
          transitions: seen.transitions + (isOwn ? 0 : 1),
        },
        !isOwn,
      );
      this.#observe(written);
      this.#renewedAt = asked;
      this.#problem = undefined;
    } catch (error) {
      if (error instanceof LeaseChangedError) return;
      const problem = messageOf(error);
      if (problem !== this.#problem) this.#options.log.warn(`the Lease cannot be renewed: ${problem}; tried again`);
      this.#problem = problem;
    }
  }

  #observe(seen: LeaseSeen): void {
    const before = this.#seen;
    if (before === undefined || before.holder !== seen.holder || before.renewTime !== seen.renewTime)
      this.#seenAt = performance.now();
    this.#seen = seen;
  }
}

/** Candidates that began at the same moment don't ask at the same moment for ever. */
function jittered(milliseconds: number): number {
  return milliseconds * (0.8 + 0.4 * Math.random());
}

/** Resolves after the time, or when the signal is aborted. By the global timer, which a test's clock replaces; that of node:timers/promises it does not. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, Math.max(0, milliseconds));
    signal.addEventListener('abort', done);
  });
}
