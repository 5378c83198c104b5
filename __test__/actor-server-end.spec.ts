/** How a GenServer ends: by `stop`, by `kill`, and by the `reset` of a test. */
import { GenServer, Registry, ServerNotRunningError, Supervisor } from '../dist/actor';
import type { ExitReason, GenServerBehavior } from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { fail, gate, holdUntil, note, read, recordEvents, say, startDoer } from './fixtures/actor-servers';
import { rejection } from './lib/processors';

afterEach(() => {
  jest.useRealTimers();
  reset();
});

const counter: GenServerBehavior<number, 'get', number, number> = {
  init: () => 0,
  handleCall: (_message, state) => [state, state],
  handleCast: (message, state) => state + message,
};

const untyped = GenServer as unknown as Record<keyof typeof GenServer, (...args: unknown[]) => unknown>;

describe('stop', () => {
  test('comes behind all that waits, then runs terminate with the reason and the last state', async () => {
    const ends: unknown[] = [];
    const ref = await startDoer({}, async (reason, done) => {
      ends.push(reason, done, GenServer.isRunning(ref));
    });
    const events = recordEvents();
    const hold = gate();
    GenServer.cast(ref, holdUntil(hold));
    const replies = ['a', 'b'].map((word) => GenServer.call(ref, say(word)));
    const stopped = GenServer.stop(ref);
    expect(GenServer.isRunning(ref)).toBe(true);
    hold.open();
    await stopped;
    expect(await Promise.all(replies)).toEqual(['a', 'b']);
    expect(ends).toEqual(['normal', ['held', 'a', 'b'], false]);
    expect(events).toEqual([{ type: 'terminated', ref, reason: 'normal' }]);
  });

  test.each<[ExitReason]>([['normal'], ['shutdown'], [{ error: new Error('why') }]])(
    'the reason %p is told to terminate and to listeners',
    async (reason) => {
      const told: unknown[] = [];
      const ref = await startDoer({}, (given) => void told.push(given));
      const events = recordEvents();
      await GenServer.stop(ref, reason);
      expect([told, events]).toEqual([[reason], [{ type: 'terminated', ref, reason }]]);
    },
  );

  test.each([null, 'because', 5, {}, { error: 'text' }])(
    'the reason %p is refused, and the server runs on',
    async (reason) => {
      const ref = await startDoer();
      const error = await rejection(untyped.stop(ref, reason) as Promise<unknown>);
      expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_ACTOR_(INVALID_TYPE|OUT_OF_RANGE)$/) });
      expect(() => untyped.kill(ref, reason)).toThrow();
      expect(GenServer.isRunning(ref)).toBe(true);
    },
  );

  test('many stops, queued and while it stops: terminate runs once, one event, the first reason, and all wait until it is down', async () => {
    const closing = gate();
    const terminating = gate();
    let terminated = 0;
    const ref = await startDoer({}, async () => {
      terminated += 1;
      terminating.open();
      await closing.opened;
    });
    const events = recordEvents();
    const hold = gate();
    let resolved = 0;
    const stop = (reason?: ExitReason): Promise<void> =>
      GenServer.stop(ref, reason).then(() => {
        resolved += 1;
      });
    GenServer.cast(ref, holdUntil(hold));
    const stops = [stop('shutdown'), stop(), stop({ error: new Error('third') })];
    hold.open();
    await terminating.opened;
    stops.push(stop(), stop());
    await new Promise((resolve) => setImmediate(resolve));
    expect([resolved, events]).toEqual([0, []]);
    closing.open();
    await Promise.all(stops);
    expect([resolved, terminated, events]).toEqual([5, 1, [{ type: 'terminated', ref, reason: 'shutdown' }]]);
  });

  test('what comes behind a stop is not handled: calls reject as soon as it is down, casts are dropped', async () => {
    const ends: unknown[] = [];
    const ref = await startDoer({}, (_reason, done) => void ends.push(done));
    const hold = gate();
    GenServer.cast(ref, holdUntil(hold));
    const stopped = GenServer.stop(ref);
    const behind = [
      rejection(GenServer.call(ref, say('x'), { timeout: Infinity })),
      rejection(GenServer.call(ref, read)),
    ];
    GenServer.cast(ref, note('y'));
    hold.open();
    await stopped;
    for (const error of await Promise.all(behind)) expect(error).toBeInstanceOf(ServerNotRunningError);
    expect(ends).toEqual([['held']]);
  });

  test('while terminate is under way calls reject and casts throw', async () => {
    const closing = gate();
    const ref = await startDoer({}, () => closing.opened);
    const stopped = GenServer.stop(ref);
    expect(GenServer.isRunning(ref)).toBe(false);
    expect(await rejection(GenServer.call(ref, read))).toBeInstanceOf(ServerNotRunningError);
    expect(() => GenServer.cast(ref, note('x'))).toThrow(ServerNotRunningError);
    closing.open();
    await stopped;
  });

  test.each([
    ['throws', fail(new Error('no end'))],
    ['rejects', async () => Promise.reject(new Error('no end'))],
  ])('rejects where terminate %s, with the server down all the same', async (_, ends) => {
    const ref = await startDoer({ name: 'ending' }, ends);
    const events = recordEvents();
    expect(await rejection(GenServer.stop(ref))).toEqual(new Error('no end'));
    expect(events).toEqual([{ type: 'terminated', ref, reason: 'normal' }]);
    expect([GenServer.isRunning(ref), Registry.isRegistered('ending')]).toEqual([false, false]);
  });

  test('stops whatever the reference names: a supervisor with its children, and with Supervisor.stop a server', async () => {
    const supervisor = await Supervisor.start({
      children: [{ id: 'a', start: () => startDoer({ name: 'below' }) }],
    });
    await GenServer.stop(supervisor);
    expect([Supervisor.isRunning(supervisor), Registry.isRegistered('below')]).toEqual([false, false]);
    const ends: unknown[] = [];
    const ref = await startDoer({}, (reason, done) => void ends.push(reason, done));
    GenServer.cast(ref, note('a'));
    GenServer.cast(ref, note('b'));
    await Supervisor.stop({ id: ref.id }, 'shutdown');
    expect([GenServer.isRunning(ref), ends]).toEqual([false, ['shutdown', ['a', 'b']]]);
  });
});

describe('kill', () => {
  test('ends a server within the call: names, waiting calls and stops are through, terminate has begun, the event was told', async () => {
    const ends: unknown[] = [];
    const ref = await startDoer({ name: 'killed' }, (reason, done) => {
      ends.push(reason, done);
      return new Promise(() => {});
    });
    GenServer.cast(ref, note('a'));
    const hold = gate();
    const inFlight = GenServer.call(ref, async (done) => {
      await hold.opened;
      return ['answered', done];
    });
    const queued = rejection(GenServer.call(ref, read, { timeout: Infinity }));
    const stopped = GenServer.stop(ref);
    const events = recordEvents();
    // The first cast ended in the turn in which it was sent; the call is handled in the next.
    await Promise.resolve();
    GenServer.kill(ref);
    expect(events).toEqual([{ type: 'terminated', ref, reason: 'shutdown' }]);
    expect([GenServer.isRunning(ref), Registry.isRegistered('killed'), ends]).toEqual([
      false,
      false,
      ['shutdown', ['a']],
    ]);
    expect(await queued).toBeInstanceOf(ServerNotRunningError);
    await stopped;
    hold.open();
    expect(await inFlight).toBe('answered');
  });

  test('takes a reason, and does nothing the second time', async () => {
    const ref = await startDoer();
    const events = recordEvents();
    const reason = { error: new Error('why') };
    GenServer.kill(ref, reason);
    GenServer.kill(ref, 'normal');
    expect(events).toEqual([{ type: 'terminated', ref, reason }]);
  });

  test('a server that kills itself in a handler still answers the call that is being handled', async () => {
    const ref = await startDoer();
    const reply = GenServer.call(ref, (done) => {
      GenServer.kill(ref);
      return ['last words', done];
    });
    expect([await reply, GenServer.isRunning(ref)]).toEqual(['last words', false]);
  });

  test('ends a stop whose terminate never does, with one event and without a second terminate', async () => {
    let terminated = 0;
    const ref = await startDoer({}, () => {
      terminated += 1;
      return new Promise(() => {});
    });
    const events = recordEvents();
    const stopped = GenServer.stop(ref);
    GenServer.kill(ref, 'normal');
    await stopped;
    expect([terminated, events]).toEqual([1, [{ type: 'terminated', ref, reason: 'normal' }]]);
  });

  test.each([
    ['throws', fail(new Error('no end'))],
    ['rejects', async () => Promise.reject(new Error('no end'))],
  ])("a terminate that %s is told as an 'error' event", async (_, ends) => {
    const ref = await startDoer({}, ends);
    const events = recordEvents();
    GenServer.kill(ref);
    await new Promise((resolve) => setImmediate(resolve));
    expect(events.filter(({ type }) => type === 'error')).toEqual([
      { type: 'error', ref, error: new Error('no end'), message: 'shutdown' },
    ]);
    expect(events.filter(({ type }) => type === 'terminated')).toHaveLength(1);
  });
});

describe('what fails after a kill is an event', () => {
  const errors = async (events: readonly { type: string }[]): Promise<unknown[]> => {
    await new Promise((resolve) => setImmediate(resolve));
    return events.filter(({ type }) => type === 'error');
  };

  test.each<['continue' | 'crash']>([['continue'], ['crash']])(
    'a cast handler that was under way (onError %s)',
    async (onError) => {
      const ref = await startDoer({ onError });
      const events = recordEvents();
      const hold = gate();
      const work = async (): Promise<never> => {
        await hold.opened;
        throw new Error('too late');
      };
      GenServer.cast(ref, work);
      GenServer.kill(ref);
      hold.open();
      expect(await errors(events)).toEqual([
        { type: 'error', ref, error: new Error('too late'), message: work },
      ]);
      expect(events.map(({ type }) => type)).toEqual(['terminated', 'error']);
    },
  );

  test('a cast handler that kills its own server', async () => {
    const ref = await startDoer();
    const events = recordEvents();
    const work = (): never => {
      GenServer.kill(ref);
      throw new Error('last words');
    };
    GenServer.cast(ref, work);
    expect(await errors(events)).toEqual([
      { type: 'error', ref, error: new Error('last words'), message: work },
    ]);
  });

  test('a terminate that a stop was waiting for', async () => {
    const hold = gate();
    const ref = await startDoer({}, async () => {
      await hold.opened;
      throw new Error('no end');
    });
    const events = recordEvents();
    const stopped = GenServer.stop(ref);
    GenServer.kill(ref);
    await stopped;
    hold.open();
    expect(await errors(events)).toEqual([
      { type: 'error', ref, error: new Error('no end'), message: 'normal' },
    ]);
    expect(events.filter(({ type }) => type === 'terminated')).toHaveLength(1);
  });
});

describe('reset', () => {
  test('ends all servers, and removes names, listeners and timers', async () => {
    const ref = await startDoer({ name: 'gone' });
    const events = recordEvents();
    const waiting = rejection(GenServer.call(ref, () => new Promise<never>(() => {})));
    const queued = rejection(GenServer.call(ref, read));
    reset();
    expect(events).toEqual([{ type: 'terminated', ref, reason: 'shutdown' }]);
    expect(await queued).toBeInstanceOf(ServerNotRunningError);
    expect(await waiting).toBeInstanceOf(ServerNotRunningError);
    const next = await startDoer();
    expect(events).toHaveLength(1);
    expect([Registry.getNames(), next.id]).toEqual([[], expect.stringMatching(/^genserver_1_/)]);
  });

  test.each([undefined, Infinity])(
    'a call whose handler is under way rejects at once and leaves no timer (timeout %p)',
    async (timeout) => {
      jest.useFakeTimers();
      const hold = gate();
      const ref = await startDoer();
      const work = (done: readonly string[]) => hold.opened.then(() => ['late', done]);
      const first = rejection(GenServer.call(ref, work, { timeout }));
      const second = await startDoer();
      GenServer.cast(second, note('before'));
      const queued = GenServer.call(second, work, { timeout });
      await new Promise(jest.requireActual<typeof import('node:timers')>('node:timers').setImmediate);
      reset();
      for (const error of [await first, await rejection(queued)])
        expect(error).toBeInstanceOf(ServerNotRunningError);
      expect(jest.getTimerCount()).toBe(0);
      hold.open();
    },
  );

  test('a call whose handler is under way in a server that was killed before rejects at once', async () => {
    jest.useFakeTimers();
    const hold = gate();
    const calls: Promise<Error>[] = [];
    const work = (done: readonly string[]) => hold.opened.then(() => ['late', done]);
    for (const timeout of [undefined, Infinity]) {
      for (const terminate of [() => {}, () => hold.opened]) {
        const ref = await startDoer({}, terminate);
        calls.push(rejection(GenServer.call(ref, work, { timeout })));
        GenServer.kill(ref);
      }
    }
    reset();
    for (const call of calls) expect(await call).toBeInstanceOf(ServerNotRunningError);
    expect(jest.getTimerCount()).toBe(0);
    hold.open();
  });

  test('what a handler or a terminate that was under way throws later is told to nobody', async () => {
    const hold = gate();
    const failing = async (): Promise<never> => {
      await hold.opened;
      throw new Error('of the test before');
    };
    GenServer.cast(await startDoer(), failing);
    void GenServer.stop(await startDoer({}, failing));
    await startDoer({}, failing);
    reset();
    const events = recordEvents();
    hold.open();
    await new Promise((resolve) => setImmediate(resolve));
    expect(events).toEqual([]);
  });

  test('no process has the id of one before it, also where the clock stands still', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate'], now: 1_000_000 });
    const ids: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      for (let count = 0; count < 2; count += 1)
        ids.push((await startDoer()).id, (await Supervisor.start()).id);
      jest.setSystemTime(1_000_000 - round);
      ids.push((await startDoer()).id);
      reset();
    }
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.filter((id) => id.startsWith('genserver_1_'))).toHaveLength(3);
  });

  test('a server whose init is under way does not start', async () => {
    const init = gate();
    const starting = rejection(
      GenServer.start({ ...counter, init: () => init.opened.then(() => 1) }, { name: 'late' }),
    );
    reset();
    init.open();
    expect(await starting).toBeInstanceOf(ServerNotRunningError);
    expect(Registry.isRegistered('late')).toBe(false);
  });
});
