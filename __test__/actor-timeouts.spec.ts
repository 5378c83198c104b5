/** Time and the messages of a GenServer: how long a caller waits, and messages that are sent after a time. */
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { CallTimeoutError, GenServer, MailboxFullError } from '../dist/actor';
import { reset } from '../dist/actor/testing';
import {
  type CallWork,
  fail,
  gate,
  holdUntil,
  note,
  read,
  recordEvents,
  say,
  startDoer,
} from './fixtures/actor-servers';
import { toldBy } from './lib/child';
import { rejection } from './lib/processors';

afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
  reset();
});

describe('timeouts', () => {
  test('a call that is not answered in time rejects; its handler goes on, and its state counts', async () => {
    const ref = await startDoer();
    const hold = gate();
    const work: CallWork = async (done) => {
      await hold.opened;
      return ['too late', [...done, 'counted']];
    };
    const error = await rejection(GenServer.call(ref, work, { timeout: 10 }));
    expect(error).toBeInstanceOf(CallTimeoutError);
    expect(error).toMatchObject({
      name: 'CallTimeoutError',
      code: 'ERR_ACTOR_CALL_TIMEOUT',
      message: `Call to GenServer '${ref.id}' timed out after 10ms`,
      serverId: ref.id,
      timeoutMs: 10,
    });
    hold.open();
    expect(await GenServer.call(ref, read)).toEqual(['counted']);
  });

  test('a call whose time is over while it waits is never handled', async () => {
    const ref = await startDoer();
    const hold = gate();
    GenServer.cast(ref, holdUntil(hold));
    const late = ['x', 'y', 'z'].map((word) => rejection(GenServer.call(ref, say(word), { timeout: 5 })));
    const kept = GenServer.call(ref, say('kept'), { timeout: Infinity });
    for (const error of await Promise.all(late)) expect(error).toBeInstanceOf(CallTimeoutError);
    hold.open();
    expect(await kept).toBe('kept');
    expect(await GenServer.call(ref, read)).toEqual(['held', 'kept']);
  });

  test('thousands of calls that time out in the queue leave those between them in order', async () => {
    jest.useFakeTimers();
    const ref = await startDoer();
    const hold = gate();
    GenServer.cast(ref, holdUntil(hold));
    const late: Promise<unknown>[] = [];
    const kept: string[] = [];
    for (let number = 0; number < 9000; number += 1) {
      const word = String(number);
      if (number % 100 === 7) {
        kept.push(word);
        GenServer.cast(ref, note(word));
      } else {
        late.push(
          GenServer.call(ref, say(word), { timeout: 1 + (number % 3) }).catch(({ name }: Error) => name),
        );
      }
    }
    await jest.advanceTimersByTimeAsync(3);
    expect(new Set(await Promise.all(late))).toEqual(new Set(['CallTimeoutError']));
    hold.open();
    expect(await GenServer.call(ref, read, { timeout: Infinity })).toEqual(['held', ...kept]);
  });

  test('the default is 5000 ms of the timers in use', async () => {
    jest.useFakeTimers();
    const ref = await startDoer();
    const outcome = jest.fn();
    GenServer.call(ref, () => new Promise(() => {})).catch(outcome);
    await jest.advanceTimersByTimeAsync(4999);
    expect(outcome).not.toHaveBeenCalled();
    await jest.advanceTimersByTimeAsync(1);
    expect(outcome).toHaveBeenCalledWith(
      expect.objectContaining({ name: 'CallTimeoutError', timeoutMs: 5000 }),
    );
  });

  test('each call keeps to its own time, counted from when it was made', async () => {
    jest.useFakeTimers();
    const ref = await startDoer();
    const ended: string[] = [];
    const start = Date.now();
    GenServer.cast(ref, () => new Promise(() => {}));
    const call = (timeout: number): void => {
      const name = `${Date.now() - start}+${timeout}`;
      GenServer.call(ref, read, { timeout }).catch(() => ended.push(`${name}=${Date.now() - start}`));
    };
    call(100);
    call(10);
    call(100);
    await jest.advanceTimersByTimeAsync(30);
    call(100);
    call(20);
    await jest.advanceTimersByTimeAsync(200);
    expect(ended).toEqual(['0+10=10', '30+20=50', '0+100=100', '0+100=100', '30+100=130']);
  });

  test('where a test sets Date alone, each call still has its whole time', async () => {
    const today = Date.now();
    jest.spyOn(Date, 'now').mockReturnValue(today);
    const ref = await startDoer();
    GenServer.cast(ref, () => new Promise(() => {}));
    let later = 'waits';
    const first = rejection(GenServer.call(ref, read, { timeout: 60 }));
    await pause(20);
    const second = GenServer.call(ref, read, { timeout: 60 }).catch(() => {
      later = 'is over';
    });
    expect(await first).toBeInstanceOf(CallTimeoutError);
    // Timers of different times, however late they are, leave microtasks room between them; a timer that both share would not.
    for (let i = 0; i < 5; i += 1) await null;
    expect(later).toBe('waits');
    await second;
  });

  test('a call that is answered at once sets no timer, and one that is answered later leaves none', async () => {
    jest.useFakeTimers();
    const ref = await startDoer();
    const answered = GenServer.call(ref, read);
    expect(jest.getTimerCount()).toBe(0);
    const calls = Array.from({ length: 1000 }, () => GenServer.call(ref, async (done) => ['', done]));
    expect(jest.getTimerCount()).toBe(1);
    await Promise.all([answered, ...calls]);
    await Promise.resolve();
    expect(jest.getTimerCount()).toBe(0);
    await rejection(GenServer.call(ref, async () => fail(new Error('bad'))()));
    await Promise.resolve();
    expect(jest.getTimerCount()).toBe(0);
  });

  test('Infinity waits without a timer', async () => {
    jest.useFakeTimers();
    const ref = await startDoer();
    const hold = gate();
    const answer = GenServer.call(ref, async (done) => [await hold.opened.then(() => 'at last'), done], {
      timeout: Infinity,
    });
    expect(jest.getTimerCount()).toBe(0);
    await jest.advanceTimersByTimeAsync(1e9);
    hold.open();
    expect(await answer).toBe('at last');
  });

  test('0 is a time: what is answered at once is answered, anything else is too late', async () => {
    const ref = await startDoer();
    expect(await GenServer.call(ref, say('now'), { timeout: 0 })).toBe('now');
    await nextTurn();
    const hold = gate();
    GenServer.cast(ref, holdUntil(hold));
    expect(await rejection(GenServer.call(ref, read, { timeout: 0 }))).toMatchObject({ timeoutMs: 0 });
    hold.open();
  });

  test.each([
    [-1, 'ERR_ACTOR_OUT_OF_RANGE'],
    [Number.NaN, 'ERR_ACTOR_OUT_OF_RANGE'],
    [-Infinity, 'ERR_ACTOR_OUT_OF_RANGE'],
    [2 ** 31, 'ERR_ACTOR_OUT_OF_RANGE'],
    ['100', 'ERR_ACTOR_INVALID_TYPE'],
    [null, 'ERR_ACTOR_INVALID_TYPE'],
  ])('a timeout of %p is refused, and the call not made', async (timeout, code) => {
    const ref = await startDoer();
    const error = await rejection(GenServer.call(ref, say('x'), { timeout: timeout as number }));
    expect(error).toMatchObject({ code });
    expect(error.message).toContain('timeout');
    expect(await GenServer.call(ref, read)).toEqual([]);
  });

  test('a promise as the reply that comes after the timeout may reject: nobody waits for it, and it ends no program', async () => {
    const code = `
      const { GenServer } = require('@noizylab/core/actor');
      const behavior = {
        init: () => 0,
        handleCall: async (wait, n) => {
          await new Promise((resolve) => setTimeout(resolve, wait));
          return [Promise.reject(new Error('late')), n + 1];
        },
        handleCast: (_, n) => n,
      };
      const ref = await GenServer.start(behavior);
      const call = (wait) => GenServer.call(ref, wait, { timeout: 10 }).catch(({ name }) => name);
      tell(await call(40));
      await GenServer.call(ref, 0).catch(({ message }) => tell(message)); // in time: its caller gets it
      GenServer.cast(ref, 'busy');
      tell(await call(40));
      await GenServer.stop(ref);
      setImmediate(() => tell('end'));
    `;
    expect(await toldBy(code)).toEqual(['CallTimeoutError', 'late', 'CallTimeoutError', 'end']);
  });
});

describe('sendAfter', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });

  test('casts when the time has come', async () => {
    const ref = await startDoer();
    expect(GenServer.sendAfter(ref, note('20'), 20)).toEqual({ timerId: expect.stringMatching(/^timer_/) });
    GenServer.sendAfter(ref, note('10'), 10);
    GenServer.sendAfter(ref, note('0'), 0);
    await jest.advanceTimersByTimeAsync(0);
    expect(await GenServer.call(ref, read)).toEqual(['0']);
    await jest.advanceTimersByTimeAsync(19);
    expect(await GenServer.call(ref, read)).toEqual(['0', '10']);
    await jest.advanceTimersByTimeAsync(1);
    expect(await GenServer.call(ref, read)).toEqual(['0', '10', '20']);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('cancelTimer tells whether it was in time', async () => {
    const ref = await startDoer();
    const cancelled = GenServer.sendAfter(ref, note('x'), 10);
    const sent = GenServer.sendAfter(ref, note('sent'), 10);
    expect([GenServer.cancelTimer(cancelled), GenServer.cancelTimer(cancelled)]).toEqual([true, false]);
    await jest.advanceTimersByTimeAsync(10);
    expect([GenServer.cancelTimer(sent), GenServer.cancelTimer({ timerId: 'timer_0' })]).toEqual([
      false,
      false,
    ]);
    expect(await GenServer.call(ref, read)).toEqual(['sent']);
  });

  test('the timers of a server end with it', async () => {
    const [stopped, killed, other] = [await startDoer(), await startDoer(), await startDoer()];
    const timers = [stopped, killed, other].map((ref) => GenServer.sendAfter(ref, note('x'), 10));
    await GenServer.stop(stopped);
    GenServer.kill(killed);
    expect(jest.getTimerCount()).toBe(1);
    expect(timers.map((timer) => GenServer.cancelTimer(timer))).toEqual([false, false, true]);
    expect(GenServer.cancelTimer(GenServer.sendAfter(killed, note('x'), 10))).toBe(false);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('a message that finds a full mailbox is told as a fault', async () => {
    const ref = await startDoer({ mailbox: { limit: 1 } });
    const hold = gate();
    GenServer.cast(ref, holdUntil(hold));
    GenServer.cast(ref, note('a'));
    const events = recordEvents();
    const message = note('b');
    GenServer.sendAfter(ref, message, 5);
    await jest.advanceTimersByTimeAsync(5);
    expect(events).toEqual([{ type: 'error', ref, message, error: expect.any(MailboxFullError) }]);
    hold.open();
  });

  test.each([-1, Number.NaN, Infinity, 2 ** 31, '5', null, undefined])(
    'a delay of %p is refused',
    async (delay) => {
      const ref = await startDoer();
      const code = expect.stringMatching(/^ERR_ACTOR_(INVALID_TYPE|OUT_OF_RANGE)$/);
      expect(() => GenServer.sendAfter(ref, note('x'), delay as number)).toThrow(
        expect.objectContaining({ code }),
      );
      expect(jest.getTimerCount()).toBe(0);
    },
  );
});
