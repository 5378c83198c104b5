/**
 * What a rate limiter counts with: for each key a sliding window log, the exact times of what was let through within the last window.
 *
 * A log holds runs: one item for all units of the same millisecond, with the count of all units up to its end. So what has left the window
 * is known from the runs that lie before the first one still in it, each run is dropped once, and when there will be room for any number of
 * units is a binary search. A check costs O(1) amortised, whatever the number of units.
 *
 * A unit of time `t` counts while `t > now - windowMs`.
 */

/** What a rate limiter answers. Counts are units of cost, times milliseconds. */
export interface RateLimitResult {
  /** Whether the request may go ahead, or has been counted. */
  readonly allowed: boolean;
  /** What counted in the window before this request. */
  readonly current: number;
  /** The most that may count in a window. */
  readonly limit: number;
  /** What is left of the limit; after a consumption, less its cost. 0 where the request is not allowed. */
  readonly remaining: number;
  /** Until the oldest unit leaves the window; the whole window where there is none. */
  readonly resetMs: number;
  /**
   * Until the same request will be allowed if nothing else is consumed: 0 where it is now, `Infinity` where its cost is above the limit.
   */
  readonly retryAfterMs: number;
}

/** The counts of one rate limiter. */
export interface RateWindow {
  /** Whether `cost` units would be let through now. Counts nothing and makes no key. */
  check(key: string, cost: number): RateLimitResult;
  /** Lets `cost` units through and counts them, all or none. */
  consume(key: string, cost: number): RateLimitResult;
  /** Forgets what was counted. @returns whether there was anything */
  reset(key: string): boolean;
  /** The keys of which anything counts. */
  keys(): string[];
  /** Drops the keys of which nothing counts any more, which otherwise happens by and by as others consume. */
  cleanup(): void;
  /** The limiter has ended. */
  close?(): void;
}

/** Numbers that may lie before the window until the log is moved together. */
const SLACK = 32;
/** Keys that each consumption looks at, to drop those of which nothing counts: more than the one it may add. */
const LOOKS = 2;

/** The units of one key. */
class Log {
  /** Runs: the time, then how many units there were in all when it ended. */
  readonly #runs: number[] = [];
  /** The first run in the window; an index of `#runs`. */
  #head = 0;
  /** How many units lie before the window. */
  #past = 0;

  /** How many units are in the window. */
  get count(): number {
    return this.#runs.length === this.#head ? 0 : this.#runs.at(-1)! - this.#past;
  }

  /** The time of the oldest unit in the window; there must be one. */
  get oldest(): number {
    return this.#runs[this.#head]!;
  }

  /** Drops what left the window: all units of times up to `now - windowMs`. */
  advance(now: number, windowMs: number): void {
    const runs = this.#runs;
    if (runs.length > this.#head && runs.at(-2)! > now + windowMs) this.#restamp(now);
    const cutoff = now - windowMs;
    while (this.#head < runs.length && runs[this.#head]! <= cutoff) {
      this.#past = runs[this.#head + 1]!;
      this.#head += 2;
    }
    if (this.#head > SLACK && this.#head * 2 > runs.length) {
      runs.splice(0, this.#head);
      this.#head = 0;
    }
  }

  add(now: number, cost: number): void {
    const runs = this.#runs;
    const total = this.#past + this.count + cost;
    // Not before: after the clock was set back a little, the latest time goes on until it is reached again.
    if (runs.length > this.#head && runs.at(-2)! >= now) runs[runs.length - 1] = total;
    else runs.push(now, total);
  }

  /** The time of the unit with which at least `units` have left the window, counted from the oldest on; there must be as many. */
  timeOf(units: number): number {
    const runs = this.#runs;
    const target = this.#past + units;
    let low = this.#head / 2;
    let high = runs.length / 2 - 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (runs[middle * 2 + 1]! >= target) high = middle;
      else low = middle + 1;
    }
    return runs[low * 2]!;
  }

  /** The clock was set back by more than a window: all units count as of now, so that they leave after one. */
  #restamp(now: number): void {
    const total = this.#past + this.count;
    this.#runs.length = 0;
    this.#head = 0;
    this.#runs.push(now, total);
  }
}

/** The counts of a limiter of this thread. The time is `Date.now()`, looked up with each request. */
export class LocalRateWindow implements RateWindow {
  readonly #limit: number;
  readonly #windowMs: number;
  readonly #logs = new Map<string, Log>();
  /** Goes round all keys, a few steps with each consumption. */
  #hand = this.#logs.entries();

  /** @param windowMs milliseconds, or `Infinity`: what was consumed counts for ever */
  constructor(limit: number, windowMs: number) {
    this.#limit = limit;
    this.#windowMs = windowMs;
  }

  check(key: string, cost: number): RateLimitResult {
    const now = Date.now();
    return this.#judge(this.#current(key, now), now, cost, 0);
  }

  consume(key: string, cost: number): RateLimitResult {
    const now = Date.now();
    let log = this.#current(key, now);
    const result = this.#judge(log, now, cost, cost);
    if (result.allowed && cost > 0) {
      if (log === undefined) {
        log = new Log();
        this.#logs.set(key, log);
      }
      log.add(now, cost);
      this.#dropSome(now);
    }
    return result;
  }

  reset(key: string): boolean {
    const counted = this.#current(key, Date.now()) !== undefined;
    this.#logs.delete(key);
    return counted;
  }

  keys(): string[] {
    this.cleanup();
    return [...this.#logs.keys()];
  }

  cleanup(): void {
    const now = Date.now();
    for (const [key, log] of this.#logs) this.#dropIdle(key, log, now);
  }

  /** The log of a key of which anything counts. */
  #current(key: string, now: number): Log | undefined {
    const log = this.#logs.get(key);
    log?.advance(now, this.#windowMs);
    return log === undefined || log.count === 0 ? undefined : log;
  }

  #judge(log: Log | undefined, now: number, cost: number, taken: number): RateLimitResult {
    const limit = this.#limit;
    const current = log === undefined ? 0 : log.count;
    const missing = current + cost - limit;
    const allowed = missing <= 0;
    return {
      allowed,
      current,
      limit,
      remaining: allowed ? limit - current - taken : 0,
      resetMs: log === undefined ? this.#windowMs : log.oldest + this.#windowMs - now,
      retryAfterMs: allowed ? 0 : missing > current ? Infinity : log!.timeOf(missing) + this.#windowMs - now,
    };
  }

  #dropSome(now: number): void {
    for (let looks = 0; looks < LOOKS; looks++) {
      const step = this.#hand.next();
      if (step.done) {
        this.#hand = this.#logs.entries();
        return;
      }
      this.#dropIdle(step.value[0], step.value[1], now);
    }
  }

  #dropIdle(key: string, log: Log, now: number): void {
    log.advance(now, this.#windowMs);
    if (log.count === 0) this.#logs.delete(key);
  }
}
