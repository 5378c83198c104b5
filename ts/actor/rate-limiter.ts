/**
 * `RateLimiter`: so many requests for each key within any window of time, exactly, by a sliding window log.
 *
 * A GenServer whose state is a `RateWindow`; how it counts, and what that costs, is told there.
 */
import { RateLimitExceededError } from './errors';
import { GenServer } from './gen-server';
import { LocalRateWindow, type RateLimitResult, type RateWindow } from './rate-window';
import { asked, checkText, named, required } from './services';
import { options as read } from './settings';
import type * as SharedRates from './shared-rate-window';
import type { ExitReason, GenServerRef } from './types';

/** Options of `RateLimiter.start`. */
export interface RateLimiterOptions {
  /** The most units that a key may consume within a window; 0 allows none. */
  readonly maxRequests: number;
  /** The length of the window in milliseconds, above 0; `Infinity`: what was consumed counts for ever. */
  readonly windowMs: number;
  /**
   * `true`: all limiters of the same name, in whichever threads of the program, count together; each thread starts its own. They must have
   * the same limits. Default `false`.
   */
  readonly shared?: boolean | undefined;
  /** Registers the limiter under this name; where it is shared, which needs one, it is the name of what is counted and not registered. */
  readonly name?: string | undefined;
}

type LimiterCall =
  | { readonly type: 'check' | 'consume'; readonly key: string; readonly cost: number }
  | { readonly type: 'getStatus' | 'reset'; readonly key: string }
  | { readonly type: 'getKeys' };

interface LimiterCast {
  readonly type: 'cleanup';
}

/** Names a rate limiter. */
export type RateLimiterRef = GenServerRef<unknown, LimiterCall, LimiterCast>;

/** Limits how often something may happen. */
export const RateLimiter = {
  /**
   * Starts a limiter.
   * @throws (rejects) AlreadyRegisteredError: the name is in use. TypeError `ERR_ACTOR_INVALID_TYPE`, RangeError `ERR_ACTOR_OUT_OF_RANGE`: an option.
   * NoizylabError `ERR_ACTOR_MISMATCH`: shared ones of that name have other limits; `ERR_CORE_UNAVAILABLE`: it is shared, and there is no
   * native part
   */
  async start(options: RateLimiterOptions): Promise<RateLimiterRef> {
    const given = read.object('options', options);
    const limit = read.integer('maxRequests', required(given.maxRequests), 0, { min: 0 });
    const windowMs = read.number('windowMs', required(given.windowMs), 0, {
      min: 0,
      aboveMin: true,
      orInfinity: true,
    });
    const shared = read.boolean('shared', given.shared, false);
    const name = shared ? read.text('name', given.name) : given.name;
    const window: RateWindow = shared
      ? openShared(name!, limit, windowMs)
      : new LocalRateWindow(limit, windowMs);
    return GenServer.start<RateWindow, LimiterCall, LimiterCast, unknown>(
      {
        init: () => window,
        handleCall: (message) => [answer(message, window), window],
        handleCast: () => {
          window.cleanup();
          return window;
        },
        terminate: () => window.close?.(),
      },
      shared ? {} : named(name),
    );
  },

  /**
   * Whether a request would be allowed now; nothing is counted.
   * @param cost units, default 1
   * @throws (rejects) ServerNotRunningError. TypeError `ERR_ACTOR_INVALID_TYPE`, RangeError `ERR_ACTOR_OUT_OF_RANGE`: key or cost
   */
  check(ref: RateLimiterRef, key: string, cost?: number): Promise<RateLimitResult> {
    return ask(ref, 'check', key, cost);
  },

  /**
   * Counts a request, if it is allowed.
   * @param cost units, default 1; all are counted, or none
   * @throws (rejects) RateLimitExceededError: it is not allowed. What `check` does
   */
  consume(ref: RateLimiterRef, key: string, cost?: number): Promise<RateLimitResult> {
    return ask(ref, 'consume', key, cost).then((result) => {
      if (!result.allowed) throw new RateLimitExceededError(key, result.retryAfterMs);
      return result;
    });
  },

  /** What counts for a key now; `allowed` is whether anything is left, `retryAfterMs` always 0. */
  getStatus(ref: RateLimiterRef, key: string): Promise<RateLimitResult> {
    return GenServer.call(ref, { type: 'getStatus', key }) as Promise<RateLimitResult>;
  },

  /** Forgets what was counted for a key; resolves to whether there was anything. */
  reset(ref: RateLimiterRef, key: string): Promise<boolean> {
    return GenServer.call(ref, { type: 'reset', key }) as Promise<boolean>;
  },

  /** The keys of which anything counts. */
  getKeys(ref: RateLimiterRef): Promise<readonly string[]> {
    return GenServer.call(ref, { type: 'getKeys' }) as Promise<readonly string[]>;
  },

  /**
   * Drops the keys of which nothing counts any more, all at once; without it they are dropped by and by. Does not wait for it.
   * @throws ServerNotRunningError
   */
  cleanup(ref: RateLimiterRef): void {
    GenServer.cast(ref, { type: 'cleanup' });
  },

  /** Whether the limiter answers. */
  isRunning(ref: RateLimiterRef): boolean {
    return GenServer.isRunning(ref);
  },

  /** Stops the limiter; what it counted is gone. Resolves at once where it has stopped already. */
  stop(ref: RateLimiterRef, reason?: ExitReason): Promise<void> {
    return GenServer.stop(ref, reason);
  },
} as const;

function ask(
  ref: RateLimiterRef,
  type: 'check' | 'consume',
  key: string,
  cost: number | undefined,
): Promise<RateLimitResult> {
  return asked(() => {
    checkText('key', key);
    const call = { type, key, cost: read.integer('cost', cost, 1, { min: 0 }) };
    return GenServer.call(ref, call) as Promise<RateLimitResult>;
  });
}

function answer(message: LimiterCall, window: RateWindow): unknown {
  switch (message.type) {
    case 'check':
      return window.check(message.key, message.cost);
    case 'consume':
      return window.consume(message.key, message.cost);
    case 'getStatus': {
      const status = window.check(message.key, 0);
      return { ...status, allowed: status.remaining > 0 } satisfies RateLimitResult;
    }
    case 'reset':
      return window.reset(message.key);
    default:
      return window.keys();
  }
}

/** The native part is loaded with the first one. */
function openShared(name: string, limit: number, windowMs: number): RateWindow {
  // oxlint-disable-next-line typescript/no-require-imports -- a module of the package, loaded late on purpose
  const { SharedRateWindow } = require('./shared-rate-window') as typeof SharedRates;
  return new SharedRateWindow(name, limit, windowMs);
}
