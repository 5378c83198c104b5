/** `RateLimiter` of `actor`: the sliding window, costs, keys, and limiters that threads share. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import {
  RateLimiter,
  RateLimitExceededError,
  Registry,
  type RateLimiterOptions,
  type RateLimiterRef,
} from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { untyped } from './fixtures/parallel';

const NOW = 1_000_000;
const INVALID_TYPE = { name: 'TypeError', code: 'ERR_ACTOR_INVALID_TYPE' };
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_ACTOR_OUT_OF_RANGE' };
const NOT_RUNNING = { name: 'ServerNotRunningError', code: 'ERR_ACTOR_SERVER_NOT_RUNNING' };

let names = 0;
const newName = (): string => `actor-rate-limiter ${process.pid} ${++names}`;

afterEach(() => {
  jest.useRealTimers();
  reset();
});

test('the documented example', async () => {
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);

  const limiter = await RateLimiter.start({
    maxRequests: 100,
    windowMs: 60000, // 100 requests per minute
  });

  // Check without consuming
  const status = await RateLimiter.check(limiter, 'user:123');
  log(`Remaining: ${status.remaining}/${status.limit}`);

  // Consume quota
  for (let request = 0; request < 101; request++) {
    try {
      await RateLimiter.consume(limiter, 'user:123');
      // Process request
    } catch (e) {
      if (e instanceof RateLimitExceededError) {
        log(`Rate limited. Retry after ${e.retryAfterMs}ms`);
      }
    }
  }

  await RateLimiter.stop(limiter);

  expect(lines).toEqual(['Remaining: 100/100', expect.stringMatching(/^Rate limited\. Retry after \d+ms$/)]);
});

/** Both ways of counting keep the same promises. */
describe.each([
  ['of one thread', false],
  ['shared', true],
])('a limiter %s', (_kind, shared) => {
  const start = (maxRequests: number, windowMs: number): Promise<RateLimiterRef> =>
    RateLimiter.start({ maxRequests, windowMs, ...(shared ? { shared, name: newName() } : {}) });

  beforeEach(() => {
    jest.useFakeTimers({ now: NOW });
  });

  test('answers what counted before, what is left, and when the oldest unit leaves', async () => {
    const limiter = await start(3, 1000);
    expect(await RateLimiter.consume(limiter, 'a')).toEqual({
      allowed: true,
      current: 0,
      limit: 3,
      remaining: 2,
      resetMs: 1000,
      retryAfterMs: 0,
    });
    jest.setSystemTime(NOW + 100);
    expect(await RateLimiter.consume(limiter, 'a')).toMatchObject({ current: 1, remaining: 1, resetMs: 900 });
    expect(await RateLimiter.check(limiter, 'a')).toEqual({
      allowed: true,
      current: 2,
      limit: 3,
      remaining: 1,
      resetMs: 900,
      retryAfterMs: 0,
    });
    await RateLimiter.consume(limiter, 'a');
    expect(await RateLimiter.check(limiter, 'a')).toEqual({
      allowed: false,
      current: 3,
      limit: 3,
      remaining: 0,
      resetMs: 900,
      retryAfterMs: 900,
    });
    await expect(RateLimiter.consume(limiter, 'a')).rejects.toMatchObject({
      name: 'RateLimitExceededError',
      code: 'ERR_ACTOR_RATE_LIMIT_EXCEEDED',
      key: 'a',
      retryAfterMs: 900,
      message: "Rate limit exceeded for 'a'. Retry after 900ms",
    });
    expect(await RateLimiter.check(limiter, 'b')).toMatchObject({
      allowed: true,
      current: 0,
      remaining: 3,
      resetMs: 1000,
    });
  });

  test('the window slides: each unit leaves after its own time, to the millisecond', async () => {
    const limiter = await start(2, 1000);
    await RateLimiter.consume(limiter, 'a');
    jest.setSystemTime(NOW + 600);
    await RateLimiter.consume(limiter, 'a');
    jest.setSystemTime(NOW + 999);
    await expect(RateLimiter.consume(limiter, 'a')).rejects.toMatchObject({ retryAfterMs: 1 });
    jest.setSystemTime(NOW + 1000);
    expect(await RateLimiter.consume(limiter, 'a')).toMatchObject({ current: 1, remaining: 0 });
    await expect(RateLimiter.consume(limiter, 'a')).rejects.toMatchObject({ retryAfterMs: 600 });
  });

  test('a cost is taken whole or not at all, and retryAfterMs is when all of it has room', async () => {
    const limiter = await start(10, 1000);
    for (const [at, cost] of [
      [0, 4],
      [200, 4],
      [400, 1],
    ] as const) {
      jest.setSystemTime(NOW + at);
      await RateLimiter.consume(limiter, 'a', cost);
    }
    const retry = async (cost: number) => (await RateLimiter.check(limiter, 'a', cost)).retryAfterMs;
    expect([
      await retry(1),
      await retry(2),
      await retry(5),
      await retry(6),
      await retry(9),
      await retry(10),
    ]).toEqual([0, 600, 600, 800, 800, 1000]);
    await expect(RateLimiter.consume(limiter, 'a', 6)).rejects.toMatchObject({ retryAfterMs: 800 });
    expect((await RateLimiter.getStatus(limiter, 'a')).current).toBe(9);
    jest.setSystemTime(NOW + 400 + 800);
    expect(await RateLimiter.consume(limiter, 'a', 6)).toMatchObject({
      allowed: true,
      current: 1,
      remaining: 3,
    });
  });

  test('what can never be allowed says so', async () => {
    const limiter = await start(3, 1000);
    expect(await RateLimiter.check(limiter, 'a', 4)).toMatchObject({
      allowed: false,
      retryAfterMs: Infinity,
      remaining: 0,
    });
    await expect(RateLimiter.consume(limiter, 'a', 4)).rejects.toMatchObject({ retryAfterMs: Infinity });
    const none = await start(0, 1000);
    await expect(RateLimiter.consume(none, 'a')).rejects.toThrow(RateLimitExceededError);
    expect(await RateLimiter.consume(none, 'a', 0)).toMatchObject({ allowed: true, remaining: 0 });
  });

  test('a check, a refusal and a cost of 0 make no key; idle keys are gone', async () => {
    const limiter = await start(1, 1000);
    for (let n = 0; n < 100; n++) await RateLimiter.check(limiter, `checked ${n}`);
    await RateLimiter.getStatus(limiter, 'status');
    await expect(RateLimiter.consume(limiter, 'refused', 2)).rejects.toThrow(RateLimitExceededError);
    await RateLimiter.consume(limiter, 'free', 0);
    expect(await RateLimiter.getKeys(limiter)).toEqual([]);
    await RateLimiter.consume(limiter, 'a');
    await RateLimiter.consume(limiter, 'b');
    expect((await RateLimiter.getKeys(limiter)).toSorted()).toEqual(['a', 'b']);
    jest.setSystemTime(NOW + 1000);
    RateLimiter.cleanup(limiter);
    expect(await RateLimiter.getKeys(limiter)).toEqual([]);
  });

  test('getStatus counts nothing and says whether anything is left; reset forgets a key', async () => {
    const limiter = await start(1, 1000);
    expect(await RateLimiter.getStatus(limiter, 'a')).toMatchObject({
      allowed: true,
      current: 0,
      remaining: 1,
    });
    await RateLimiter.consume(limiter, 'a');
    expect(await RateLimiter.getStatus(limiter, 'a')).toMatchObject({
      allowed: false,
      current: 1,
      remaining: 0,
      retryAfterMs: 0,
    });
    expect([await RateLimiter.reset(limiter, 'a'), await RateLimiter.reset(limiter, 'a')]).toEqual([
      true,
      false,
    ]);
    expect((await RateLimiter.consume(limiter, 'a')).current).toBe(0);
  });

  test('a clock that is set back leaves nobody out for longer than a window', async () => {
    const limiter = await start(1, 1000);
    await RateLimiter.consume(limiter, 'a');
    jest.setSystemTime(NOW - 3_600_000);
    await expect(RateLimiter.consume(limiter, 'a')).rejects.toMatchObject({ retryAfterMs: 1000 });
    jest.setSystemTime(NOW - 3_600_000 + 1000);
    expect(await RateLimiter.consume(limiter, 'a')).toMatchObject({ allowed: true });
  });

  test('against a plain log of times, whatever is asked', async () => {
    const [limit, windowMs] = [20, 50];
    const limiter = await start(limit, windowMs);
    let time = NOW;
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    const log: number[] = [];
    for (let step = 0; step < 2000; step++) {
      time += random(8);
      jest.setSystemTime(time);
      while (log.length > 0 && log[0]! <= time - windowMs) log.shift();
      const cost = random(6);
      const missing = log.length + cost - limit;
      const expected = {
        allowed: missing <= 0,
        current: log.length,
        limit,
        remaining: missing <= 0 ? limit - log.length - cost : 0,
        resetMs: log.length === 0 ? windowMs : log[0]! + windowMs - time,
        retryAfterMs: missing <= 0 ? 0 : log[missing - 1]! + windowMs - time,
      };
      const checked = await RateLimiter.check(limiter, 'a', cost);
      expect(checked).toEqual({ ...expected, remaining: expected.allowed ? limit - log.length : 0 });
      if (random(3) === 0) continue;
      const consumed = await RateLimiter.consume(limiter, 'a', cost).catch((error: unknown) => error);
      if (expected.allowed) {
        expect(consumed).toEqual(expected);
        for (let unit = 0; unit < cost; unit++) log.push(time);
      } else {
        expect(consumed).toMatchObject({ retryAfterMs: expected.retryAfterMs });
      }
    }
  });

  test('after the stop all is refused', async () => {
    const limiter = await start(1, 1000);
    expect(RateLimiter.isRunning(limiter)).toBe(true);
    await RateLimiter.stop(limiter);
    await RateLimiter.stop(limiter);
    expect(RateLimiter.isRunning(limiter)).toBe(false);
    await expect(RateLimiter.check(limiter, 'a')).rejects.toMatchObject(NOT_RUNNING);
    await expect(RateLimiter.consume(limiter, 'a')).rejects.toMatchObject(NOT_RUNNING);
    expect(() => RateLimiter.cleanup(limiter)).toThrow(expect.objectContaining(NOT_RUNNING));
  });
});

test('an endless window never forgets', async () => {
  const limiter = await RateLimiter.start({ maxRequests: 1, windowMs: Infinity });
  await RateLimiter.consume(limiter, 'a');
  await expect(RateLimiter.consume(limiter, 'a')).rejects.toMatchObject({ retryAfterMs: Infinity });
});

test('a name is registered while the limiter runs', async () => {
  const limiter = await RateLimiter.start({ maxRequests: 1, windowMs: 1, name: 'limiter' });
  expect(Registry.whereis('limiter')).toBe(limiter);
  await RateLimiter.stop(limiter);
  expect(Registry.isRegistered('limiter')).toBe(false);
});

test.each<[string, unknown, object]>([
  ['maxRequests', { windowMs: 1 }, INVALID_TYPE],
  ['maxRequests', { maxRequests: -1, windowMs: 1 }, OUT_OF_RANGE],
  ['maxRequests', { maxRequests: 1.5, windowMs: 1 }, OUT_OF_RANGE],
  ['maxRequests', { maxRequests: Infinity, windowMs: 1 }, OUT_OF_RANGE],
  ['windowMs', { maxRequests: 1 }, INVALID_TYPE],
  ['windowMs', { maxRequests: 1, windowMs: 0 }, OUT_OF_RANGE],
  ['windowMs', { maxRequests: 1, windowMs: Number.NaN }, OUT_OF_RANGE],
  ['shared', { maxRequests: 1, windowMs: 1, shared: 'yes' }, INVALID_TYPE],
  ['name', { maxRequests: 1, windowMs: 1, shared: true }, INVALID_TYPE],
  ['options', 'fast', INVALID_TYPE],
])('a wrong %s is named: %j', async (option, options, error) => {
  const starting = RateLimiter.start(untyped(options));
  await expect(starting).rejects.toMatchObject(error);
  await expect(starting).rejects.toThrow(option);
});

test('wrong keys and costs are named', async () => {
  const limiter = await RateLimiter.start({ maxRequests: 5, windowMs: 1000 });
  for (const ask of [RateLimiter.check, RateLimiter.consume]) {
    await expect(ask(limiter, untyped(1))).rejects.toMatchObject(INVALID_TYPE);
    for (const cost of [-1, 0.5, Number.NaN, Infinity])
      await expect(ask(limiter, 'a', cost)).rejects.toMatchObject(OUT_OF_RANGE);
    await expect(ask(limiter, 'a', untyped('1'))).rejects.toMatchObject(INVALID_TYPE);
  }
  expect(await RateLimiter.getKeys(limiter)).toEqual([]);
});

describe('limiters that threads share', () => {
  /** Far longer than a test, so that nothing leaves meanwhile. */
  const HOUR = 3_600_000;
  const workers: Worker[] = [];

  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
  });

  async function open(options: RateLimiterOptions): Promise<(key: string, times: number) => Promise<number>> {
    const worker = new Worker(require.resolve('./fixtures/actor-limiter.js'), { workerData: options });
    workers.push(worker);
    await once(worker, 'message');
    return async (key, times) => {
      const answered = once(worker, 'message') as Promise<[number]>;
      worker.postMessage({ key, times });
      return (await answered)[0];
    };
  }

  test('let through, all together, exactly as much as one would', async () => {
    const options = { maxRequests: 1000, windowMs: HOUR, shared: true, name: newName() };
    const here = await RateLimiter.start(options);
    const threads = await Promise.all([open(options), open(options), open(options)]);
    const allowed = await Promise.all(threads.map((consume) => consume('a', 600)));
    expect(allowed.reduce((sum, one) => sum + one)).toBe(1000);
    await expect(RateLimiter.consume(here, 'a')).rejects.toThrow(RateLimitExceededError);
    expect(await RateLimiter.getStatus(here, 'b')).toMatchObject({ current: 0 });
    expect(await RateLimiter.reset(here, 'a')).toBe(true);
    expect(await threads[0]('a', 3)).toBe(3);
    expect(await RateLimiter.getStatus(here, 'a')).toMatchObject({ current: 3 });
  });

  test('of one name must have the same limits, as long as one of them runs', async () => {
    const options = { maxRequests: 5, windowMs: HOUR, shared: true, name: newName() };
    const here = await RateLimiter.start(options);
    const again = await RateLimiter.start(options);
    await RateLimiter.consume(here, 'a');
    expect(await RateLimiter.getStatus(again, 'a')).toMatchObject({ current: 1 });
    for (const other of [{ maxRequests: 6 }, { windowMs: 1 }])
      await expect(RateLimiter.start({ ...options, ...other })).rejects.toMatchObject({
        code: 'ERR_ACTOR_MISMATCH',
      });
    await RateLimiter.stop(here);
    expect(await RateLimiter.getStatus(again, 'a')).toMatchObject({ current: 1 });
    await RateLimiter.stop(again);
    const anew = await RateLimiter.start({ ...options, maxRequests: 6 });
    expect(await RateLimiter.getStatus(anew, 'a')).toMatchObject({ current: 0, limit: 6 });
  });

  test('with the thread that ends, its limiter goes and what was counted stays for the others', async () => {
    const options = { maxRequests: 5, windowMs: HOUR, shared: true, name: newName() };
    const here = await RateLimiter.start(options);
    const there = await open(options);
    expect(await there('a', 9)).toBe(5);
    await workers.pop()!.terminate();
    expect(await RateLimiter.getStatus(here, 'a')).toMatchObject({ current: 5 });
    await RateLimiter.stop(here);
    const anew = await RateLimiter.start({ ...options, maxRequests: 1 });
    expect(await RateLimiter.getStatus(anew, 'a')).toMatchObject({ current: 0 });
  });
});
