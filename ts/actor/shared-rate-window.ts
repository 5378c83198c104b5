/**
 * The counts of a limiter that all threads share, by its name: the engine keeps them, in `actor/rates.rs`, by the rules of
 * `rate-window.ts`.
 */
import { getBridge } from '../bridge/bridge';
import { crossing } from '../bridge/native';
import type { RateLimitResult, RateWindow } from './rate-window';

/** The counts behind a name. The time is `Date.now()`, looked up with each request. */
export class SharedRateWindow implements RateWindow {
  readonly #native = getBridge().native;
  readonly #handle: number;
  readonly #limit: number;
  /** What the engine answers: current, remaining, resetMs, retryAfterMs. */
  readonly #reply = new Float64Array(4);

  /** @throws NoizylabError `ERR_ACTOR_MISMATCH`: the name is known with another limit or window */
  constructor(name: string, limit: number, windowMs: number) {
    const { load } = getBridge();
    this.#limit = limit;
    this.#handle = crossing(() => this.#native.ratesOpen(load, name, limit, windowMs));
  }

  check(key: string, cost: number): RateLimitResult {
    return this.#ask(key, cost, false);
  }

  consume(key: string, cost: number): RateLimitResult {
    return this.#ask(key, cost, true);
  }

  reset(key: string): boolean {
    return this.#native.ratesReset(this.#handle, key, Date.now());
  }

  keys(): string[] {
    return this.#native.ratesKeys(this.#handle, Date.now());
  }

  cleanup(): void {
    this.keys();
  }

  close(): void {
    this.#native.ratesClose(this.#handle);
  }

  #ask(key: string, cost: number, consume: boolean): RateLimitResult {
    const allowed = this.#native.ratesAsk(this.#handle, key, cost, Date.now(), consume, this.#reply);
    const [current, remaining, resetMs, retryAfterMs] = this.#reply as unknown as [
      number,
      number,
      number,
      number,
    ];
    return { allowed, current, limit: this.#limit, remaining, resetMs, retryAfterMs };
  }
}
