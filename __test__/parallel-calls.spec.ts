/** `parallel`: retry, timeout, throttle and debounce. */
import { EventEmitter, once } from 'node:events';
import { debounce, retry, throttle, timeout } from '../dist/parallel';
import {
  INVALID_TYPE,
  OUT_OF_RANGE,
  QUEUE_FULL,
  NO_COUNT,
  NO_TIME,
  deferred,
  nextTurn,
  counted,
  throws,
  listeners,
  untyped,
} from './fixtures/parallel';

afterEach(() => {
  jest.useRealTimers();
});

/** Fails `times` times with numbered errors, then gives the number of the call. */
function failing(times: number) {
  let calls = 0;
  return (...args: unknown[]) => {
    calls++;
    if (calls <= times) throw new Error(`failure ${calls}, ${args.length} arguments`);
    return calls;
  };
}

describe('ParallelEngine.retry', () => {
  test('tries 3 times, 1000 and 2000 ms apart, and gives the last error', async () => {
    jest.useFakeTimers();
    const outcome = retry(failing(9)).catch((error: Error) => error.message);
    await jest.advanceTimersByTimeAsync(999);
    expect(jest.getTimerCount()).toBe(1);
    await jest.advanceTimersByTimeAsync(1 + 1999);
    expect(jest.getTimerCount()).toBe(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(jest.getTimerCount()).toBe(0);
    await expect(outcome).resolves.toBe('failure 3, 0 arguments');
  });

  test('gives the result of the first success', async () => {
    await expect(retry(failing(2), { delay: 0 })).resolves.toBe(3);
    await expect(retry(async () => 'at once')).resolves.toBe('at once');
    await expect(retry(failing(20), { delay: 0, maxAttempts: Infinity })).resolves.toBe(21);
  });

  /** The waits between `count` failures. */
  async function waits(count: number, options: Parameters<typeof retry>[1]): Promise<number[]> {
    jest.useFakeTimers();
    const seen: number[] = [];
    const onRetry = (_error: unknown, _attempt: number, wait: number) => seen.push(wait);
    const outcome = retry(failing(count), { maxAttempts: count + 1, onRetry, ...options });
    for (let wait = 0; wait < count; wait++) await jest.advanceTimersToNextTimerAsync();
    await outcome;
    return seen;
  }

  test('waits delay * backoff^(attempt-1), up to maxDelay', async () => {
    await expect(waits(4, { delay: 100, backoff: 3 })).resolves.toEqual([100, 300, 900, 2700]);
    await expect(waits(4, { delay: 100, backoff: 3, maxDelay: 500 })).resolves.toEqual([100, 300, 500, 500]);
    await expect(waits(3, { delay: 7, backoff: 1 })).resolves.toEqual([7, 7, 7]);
  });

  test('never waits longer than a timer can, nor for no number, however often it tries', async () => {
    const long = await waits(40, { delay: 1000, maxDelay: Infinity });
    expect(Math.max(...long)).toBe(2 ** 31 - 1);
    const none = await waits(1100, { delay: 0 });
    expect(new Set(none)).toEqual(new Set([0]));
  });

  test.each<[number | boolean | 'full' | 'equal', number]>([
    [true, 0],
    ['full', 0],
    ['equal', 50],
    [0.2, 80],
    [1, 0],
  ])('jitter %p leaves a wait of 100 between %d and 100', async (jitter, least) => {
    const seen = await waits(200, { delay: 100, backoff: 1, jitter });
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(least);
    expect(Math.max(...seen)).toBeLessThanOrEqual(100);
    expect(new Set(seen).size).toBeGreaterThan(100);
  });

  test.each([[false], [0]])('jitter %p leaves the waits as they are', async (jitter) => {
    await expect(waits(3, { delay: 100, backoff: 1, jitter })).resolves.toEqual([100, 100, 100]);
  });

  test('asks shouldRetry, which may take its time, and gives the error that it refused', async () => {
    const asked: unknown[] = [];
    const shouldRetry = async (error: unknown, attempt: number) => {
      await nextTurn();
      asked.push([(error as Error).message, attempt]);
      return attempt < 2;
    };
    await expect(retry(failing(9), { delay: 0, maxAttempts: 5, shouldRetry })).rejects.toThrow('failure 2');
    expect(asked).toEqual([
      ['failure 1, 0 arguments', 1],
      ['failure 2, 0 arguments', 2],
    ]);
  });

  test('does not ask after the last attempt, and ends with what its callbacks throw', async () => {
    const shouldRetry = jest.fn(() => true);
    await expect(retry(failing(9), { maxAttempts: 1, shouldRetry })).rejects.toThrow('failure 1');
    expect(shouldRetry).not.toHaveBeenCalled();
    const onRetry = throws('from onRetry');
    await expect(retry(failing(9), { delay: 0, onRetry })).rejects.toThrow('from onRetry');
  });

  test.each([...NO_COUNT])('refuses maxAttempts %p, and does not call', async (maxAttempts, error) => {
    const fn = jest.fn();
    await expect(retry(fn, untyped({ maxAttempts }))).rejects.toMatchObject(error);
    expect(fn).not.toHaveBeenCalled();
  });

  test.each([
    [{ delay: -1 }, OUT_OF_RANGE],
    [{ delay: Number.NaN }, OUT_OF_RANGE],
    [{ delay: Infinity }, OUT_OF_RANGE],
    [{ delay: '5' }, INVALID_TYPE],
    [{ backoff: -2 }, OUT_OF_RANGE],
    [{ backoff: null }, INVALID_TYPE],
    [{ maxDelay: -1 }, OUT_OF_RANGE],
    [{ jitter: 'some' }, OUT_OF_RANGE],
    [{ jitter: 2 }, OUT_OF_RANGE],
    [{ jitter: {} }, INVALID_TYPE],
    [{ shouldRetry: true }, INVALID_TYPE],
    [{ onRetry: 1 }, INVALID_TYPE],
    [{ signal: 1 }, INVALID_TYPE],
    [3, INVALID_TYPE],
    [null, INVALID_TYPE],
  ])('refuses %p', async (options, error) => {
    await expect(retry(() => 1, untyped(options))).rejects.toMatchObject(error);
  });

  test.each([
    ['a wait', failing(9)],
    ['an attempt', () => deferred().promise],
  ])('stops at a signal during %s', async (_, fn) => {
    const stop = new AbortController();
    const outcome = retry<unknown>(fn, { delay: 60_000, signal: stop.signal }).catch(
      (reason: unknown) => reason,
    );
    await nextTurn();
    stop.abort('enough');
    await expect(outcome).resolves.toBe('enough');
    expect(listeners(stop.signal)).toBe(0);
  });

  test('calls nothing for an aborted signal', async () => {
    const fn = jest.fn();
    await expect(retry(fn, { signal: AbortSignal.abort('no need') })).rejects.toBe('no need');
    expect(fn).not.toHaveBeenCalled();
  });
});

describe('ParallelEngine.raceWithTimeout', () => {
  const never = deferred<string>().promise;

  test('gives the result in time, and the fallback after it: null where none is given', async () => {
    await expect(timeout(Promise.resolve('done'), 60_000, 'late')).resolves.toBe('done');
    await expect(timeout(never, 1, 'late')).resolves.toBe('late');
    await expect(timeout(never, 1)).resolves.toBeNull();
    await expect(timeout(never, 1, undefined)).resolves.toBeNull();
    await expect(timeout(never, 0, 0)).resolves.toBe(0);
    await expect(timeout('a value', 60_000)).resolves.toBe('a value');
    await expect(timeout(Promise.resolve('done'), Infinity)).resolves.toBe('done');
  });

  test('lets every rejection through, also one whose message is "Timeout"', async () => {
    await expect(timeout(Promise.reject(new Error('Timeout')), 60_000, 'late')).rejects.toThrow('Timeout');
    await expect(timeout(Promise.reject(new Error('broken')), 60_000)).rejects.toThrow('broken');
    await expect(timeout(throws('thrown'), 60_000)).rejects.toThrow('thrown');
  });

  test('calls a function, with a signal that fires at the timeout and not before', async () => {
    let given: AbortSignal | undefined;
    await expect(
      timeout((signal) => {
        given = signal;
        return 'called';
      }, 60_000),
    ).resolves.toBe('called');
    expect(given?.aborted).toBe(false);

    const stopped = deferred<string>();
    const work = (signal: AbortSignal) => {
      signal.addEventListener('abort', () => stopped.resolve((signal.reason as Error).name));
      return once(new EventEmitter(), 'never', { signal });
    };
    await expect(timeout(work, 1, 'late')).resolves.toBe('late');
    await expect(stopped.promise).resolves.toBe('TimeoutError');
  });

  test('a signal rejects with its reason, and stops the function too', async () => {
    const stop = new AbortController();
    let given: AbortSignal | undefined;
    const outcome = timeout(
      (signal) => {
        given = signal;
        return never;
      },
      60_000,
      'late',
      { signal: stop.signal },
    );
    stop.abort('enough');
    await expect(outcome).rejects.toBe('enough');
    expect([given?.reason, listeners(stop.signal)]).toEqual(['enough', 0]);
    const fn = jest.fn();
    await expect(timeout(fn, 1, null, { signal: stop.signal })).rejects.toBe('enough');
    expect(fn).not.toHaveBeenCalled();
  });

  test.each(NO_TIME)('refuses %p ms', async (ms, error) => {
    const fn = jest.fn();
    await expect(timeout(fn, untyped(ms))).rejects.toMatchObject(error);
    expect(fn).not.toHaveBeenCalled();
  });
});

describe('ParallelEngine.throttle', () => {
  test('runs at most `limit` calls at once, in order, each with its arguments and its this', async () => {
    const { seen, run } = counted();
    const scaler = {
      factor: 10,
      scale: throttle(function scale(this: { factor: number }, value: number) {
        return run(value * this.factor);
      }, 2),
    };
    const results: number[] = await Promise.all([1, 2, 3, 4, 5].map((value) => scaler.scale(value)));
    expect(results).toEqual([10, 20, 30, 40, 50]);
    expect(seen.most).toBe(2);
  });

  test('bounds the calls that wait, and rejects all of them at a signal', async () => {
    const stop = new AbortController();
    const never = deferred();
    const limited = throttle(() => never.promise, 1, { maxQueue: 1, signal: stop.signal });
    const calls = Promise.allSettled([limited(), limited(), limited()]);
    stop.abort('enough');
    await expect(calls).resolves.toMatchObject([
      { reason: 'enough' },
      { reason: 'enough' },
      { reason: QUEUE_FULL },
    ]);
    await expect(limited()).rejects.toBe('enough');
    expect(listeners(stop.signal)).toBe(0);
  });

  test.each([...NO_COUNT, [undefined, INVALID_TYPE]])('refuses a limit of %p', (limit, error) => {
    expect(() => throttle(() => 1, untyped(limit))).toThrow(expect.objectContaining(error));
    expect(() => throttle(untyped(limit), 1)).toThrow(expect.objectContaining(INVALID_TYPE));
  });
});

describe('ParallelEngine.debounce', () => {
  test('runs every call once there has been silence, and none before', async () => {
    jest.useFakeTimers();
    const ran: number[] = [];
    const later = debounce(async (value: number) => {
      ran.push(value);
      return value * 2;
    }, 100);
    const first = later(1);
    await jest.advanceTimersByTimeAsync(99);
    const second = later(2);
    await jest.advanceTimersByTimeAsync(99);
    expect(ran).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    await expect(Promise.all([first, second])).resolves.toEqual([2, 4]);
    const third = later(3);
    await jest.advanceTimersByTimeAsync(100);
    await expect(third).resolves.toBe(6);
    expect(ran).toEqual([1, 2, 3]);
  });

  test('settles each call on its own: one that fails leaves the others alone', async () => {
    const later = debounce((value: number) => {
      if (value === 2) throw new Error('two');
      return value;
    }, 1);
    await expect(Promise.allSettled([later(1), later(2), later(3)])).resolves.toMatchObject([
      { value: 1 },
      { reason: { message: 'two' } },
      { value: 3 },
    ]);
  });

  test('keeps the this of each call', async () => {
    const named = {
      name: 'me',
      ask: debounce(function ask(this: { name: string }) {
        return this.name;
      }, 1),
    };
    await expect(named.ask()).resolves.toBe('me');
  });

  test('bounds the calls that wait, and rejects all of them at a signal, without a timer left', async () => {
    jest.useFakeTimers();
    const stop = new AbortController();
    const fn = jest.fn();
    const later = debounce(fn, 60_000, { maxQueue: 2, signal: stop.signal });
    const calls = Promise.allSettled([later(), later(), later()]);
    stop.abort('enough');
    await expect(calls).resolves.toMatchObject([
      { reason: 'enough' },
      { reason: 'enough' },
      { reason: QUEUE_FULL },
    ]);
    await expect(later()).rejects.toBe('enough');
    expect([jest.getTimerCount(), listeners(stop.signal)]).toEqual([0, 0]);
    expect(fn).not.toHaveBeenCalled();
  });

  test.each(NO_TIME)('refuses a wait of %p', (wait, error) => {
    expect(() => debounce(() => 1, untyped(wait))).toThrow(expect.objectContaining(error));
  });
});
