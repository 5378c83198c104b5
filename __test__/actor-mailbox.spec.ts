/** The messages of a GenServer: their order, how many may wait, and when they are handled. Timeouts are in `actor-timeouts`. */
import { stat } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { GenServer, MailboxFullError, ServerNotRunningError } from '../dist/actor';
import type { ExitSignal, GenServerBehavior, GenServerRef, MailboxOptions } from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { gate, holdUntil, note, randomFrom, read, say, startDoer } from './fixtures/actor-servers';
import { rejection } from './lib/processors';

afterEach(() => {
  jest.useRealTimers();
  reset();
});

describe('order', () => {
  /** How the handler of a message ends. */
  type Way = 'plain' | 'microtask' | 'turn' | 'throws' | 'rejects';
  interface Message {
    readonly number: number;
    readonly way: Way;
  }
  const WAYS: readonly Way[] = ['plain', 'plain', 'plain', 'microtask', 'turn', 'throws', 'rejects'];

  /** One run: what came of it, and what should have. */
  async function mix(seed: number) {
    const random = randomFrom(seed);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
    const handled: number[] = [];
    const ends: unknown[] = [];
    let handling = 0;
    let last = 0;

    const finish = (state: number, way: Way): number | Promise<number> => {
      const done = (): number => {
        handling -= 1;
        if (way === 'throws' || way === 'rejects') throw new Error(way);
        return state + 1;
      };
      if (way === 'microtask' || way === 'rejects') return Promise.resolve().then(done);
      if (way === 'turn') return nextTurn().then(done);
      return done();
    };
    const begin = (number: number): void => {
      handling += 1;
      if (handling !== 1) throw new Error(`two handlers at once: ${handled.at(-1)} and ${number}`);
      handled.push(number);
    };
    const behavior: GenServerBehavior<number, Message, Message, number> = {
      init: () => 0,
      handleCall({ number, way }, state) {
        begin(number);
        const next = finish(state, way);
        return typeof next === 'number' ? [number, next] : next.then((value) => [number, value] as const);
      },
      handleCast({ number, way }, state) {
        begin(number);
        return finish(state, way);
      },
      handleInfo({ reason }: ExitSignal, state) {
        begin(Number((reason as { error: Error }).error.message));
        return finish(state, 'plain');
      },
      terminate(reason, state) {
        begin(-1);
        handling -= 1;
        last = state;
        ends.push(reason);
      },
    };
    const ref = await GenServer.start(behavior, { trapExit: true });
    const terminated: unknown[] = [];
    GenServer.onLifecycleEvent((event) => {
      if (event.type === 'terminated' && event.ref.id === ref.id) terminated.push(event.reason);
    });

    const length = 50 + Math.floor(random() * 150);
    const stopAt = Math.floor(random() * length);
    const expected: number[] = [];
    const outcomes: Promise<unknown>[] = [];
    const wanted: unknown[] = [];
    const refused: unknown[] = [];
    let succeeded = 0;
    const stops: Promise<void>[] = [];
    for (let number = 0; number < length; number += 1) {
      for (let more = 1 + random() * 3; number === stopAt && more >= 1; more -= 1)
        stops.push(GenServer.stop(ref));
      const stopped = number >= stopAt;
      const kind = pick(['call', 'call', 'cast', 'cast', 'info'] as const);
      const way = kind === 'info' ? 'plain' : pick(WAYS);
      if (!stopped) {
        expected.push(number);
        if (way !== 'throws' && way !== 'rejects') succeeded += 1;
      }
      if (kind === 'call') {
        const called = GenServer.call(ref, { number, way }, { timeout: Infinity });
        outcomes.push(
          called.catch((error: Error) =>
            error instanceof ServerNotRunningError ? error.name : error.message,
          ),
        );
        if (stopped) wanted.push('ServerNotRunningError');
        else wanted.push(way === 'throws' || way === 'rejects' ? way : number);
      } else if (kind === 'cast') {
        try {
          GenServer.cast(ref, { number, way });
        } catch (error) {
          refused.push(stopped && error instanceof ServerNotRunningError ? [] : [number, error]);
        }
      } else if (GenServer.isRunning(ref)) {
        const peer = await startDoer();
        // It may have ended meanwhile.
        if (GenServer.isRunning(ref)) GenServer.link(ref, peer);
        GenServer.kill(peer, { error: new Error(String(number)) });
      }
      const pause = random();
      if (pause < 0.1) await nextTurn();
      else if (pause < 0.3) await Promise.resolve();
    }
    await Promise.all(stops);
    const got = await Promise.all(outcomes);
    return {
      came: { seed, handled, outcomes: got, refused: refused.flat(), ends, terminated, state: last },
      should: {
        seed,
        handled: [...expected, -1],
        outcomes: wanted,
        refused: [],
        ends: ['normal'],
        terminated: ['normal'],
        state: succeeded,
      },
    };
  }

  test('random mixes of calls, casts, exit signals and stops are handled one at a time in the order in which they were sent', async () => {
    GenServer.onLifecycleEvent(() => {}); // faults of casts are expected
    for (let seed = 1; seed <= 150; seed += 1) {
      const { came, should } = await mix(seed);
      expect(came).toEqual(should);
    }
  });

  test('a hundred thousand waiting messages keep their order', async () => {
    const numbers: GenServerBehavior<number, 'get', number, number> = {
      init: () => 0,
      handleCall: (_message, state) => [state, state],
      handleCast(message, state) {
        if (message !== state) throw new Error(`${message} after ${state - 1}`);
        return state + 1;
      },
    };
    const ref = await GenServer.start(numbers);
    for (let number = 0; number < 100_000; number += 1) GenServer.cast(ref, number);
    expect(await GenServer.call(ref, 'get', { timeout: Infinity })).toBe(100_000);
  });
});

describe('a bounded mailbox', () => {
  /** A server with a handler under way, and the gate that ends it. */
  const startHeld = async (mailbox: MailboxOptions) => {
    const ref = await startDoer({ mailbox });
    const hold = gate();
    GenServer.cast(ref, holdUntil(hold));
    return { ref, hold };
  };

  test("'reject', the default: over the limit calls reject and casts throw MailboxFullError", async () => {
    const { ref, hold } = await startHeld({ limit: 2 });
    GenServer.cast(ref, note('a'));
    const b = GenServer.call(ref, say('b'));
    const error = await rejection(GenServer.call(ref, say('c')));
    expect(error).toBeInstanceOf(MailboxFullError);
    expect(error).toMatchObject({
      name: 'MailboxFullError',
      code: 'ERR_ACTOR_MAILBOX_FULL',
      serverId: ref.id,
      limit: 2,
    });
    expect(() => GenServer.cast(ref, note('d'))).toThrow(MailboxFullError);
    hold.open();
    expect(await b).toBe('b');
    GenServer.cast(ref, note('e'));
    expect(await GenServer.call(ref, read)).toEqual(['held', 'a', 'b', 'e']);
  });

  test("'drop-newest' drops a cast without a word and rejects a call", async () => {
    const { ref, hold } = await startHeld({ limit: 2, overflow: 'drop-newest' });
    GenServer.cast(ref, note('a'));
    GenServer.cast(ref, note('b'));
    GenServer.cast(ref, note('c'));
    expect(await rejection(GenServer.call(ref, say('d')))).toBeInstanceOf(MailboxFullError);
    hold.open();
    await nextTurn();
    expect(await GenServer.call(ref, read)).toEqual(['held', 'a', 'b']);
  });

  test("'drop-oldest' makes room by what has waited longest; a call that is dropped rejects", async () => {
    const { ref, hold } = await startHeld({ limit: 3, overflow: 'drop-oldest' });
    GenServer.cast(ref, note('a'));
    const dropped = rejection(GenServer.call(ref, say('b')));
    for (const word of ['c', 'd', 'e']) GenServer.cast(ref, note(word));
    expect(await dropped).toBeInstanceOf(MailboxFullError);
    hold.open();
    await nextTurn();
    expect(await GenServer.call(ref, read)).toEqual(['held', 'c', 'd', 'e']);
  });

  test('of a flood that drops the oldest the last messages are left', async () => {
    const { ref, hold } = await startHeld({ limit: 1000, overflow: 'drop-oldest' });
    for (let number = 0; number < 50_000; number += 1) GenServer.cast(ref, note(String(number)));
    const stopped = gate();
    GenServer.cast(ref, (done) => {
      stopped.open();
      return done;
    });
    hold.open();
    await stopped.opened;
    const done = (await GenServer.call(ref, read)) as string[];
    expect([done.length, done[0], done[1], done.at(-1)]).toEqual([1000, 'held', '49001', '49999']);
  });

  test.each(['reject', 'drop-oldest', 'drop-newest'] as const)(
    'stops and exit signals are always let in, and take no room (%s)',
    async (overflow) => {
      const signals: ExitSignal[] = [];
      const ended: number[] = [];
      const hold = gate();
      const behavior: GenServerBehavior<number, 'get', 'hold' | 'add', number> = {
        init: () => 0,
        handleCall: (_message, state) => [state, state],
        handleCast: async (message, state) => {
          if (message === 'hold') await hold.opened;
          return state + 1;
        },
        handleInfo: (signal, state) => {
          signals.push(signal);
          return state;
        },
        terminate: (_reason, state) => void ended.push(state),
      };
      const ref = await GenServer.start(behavior, { trapExit: true, mailbox: { limit: 1, overflow } });
      const peers = [await startDoer(), await startDoer()];
      for (const peer of peers) GenServer.link(ref, peer);
      GenServer.cast(ref, 'hold');
      GenServer.kill(peers[0]!);
      GenServer.cast(ref, 'add');
      GenServer.kill(peers[1]!);
      const stopped = GenServer.stop(ref);
      hold.open();
      await stopped;
      expect([signals.length, ended]).toEqual([2, [2]]);
    },
  );

  test('a call whose time is over makes room again', async () => {
    const { ref, hold } = await startHeld({ limit: 1 });
    await rejection(GenServer.call(ref, say('late'), { timeout: 1 }));
    GenServer.cast(ref, note('fits'));
    expect(() => GenServer.cast(ref, note('x'))).toThrow(MailboxFullError);
    hold.open();
    await nextTurn();
    expect(await GenServer.call(ref, read)).toEqual(['held', 'fits']);
  });

  test.each(['reject', 'drop-oldest', 'drop-newest'] as const)(
    'a call behind a stop drops nothing that waits before it, and is told that the server ends (%s)',
    async (overflow) => {
      const handled: unknown[] = [];
      const ref = await startDoer({ mailbox: { limit: 1, overflow } }, (_, done) => void handled.push(done));
      const hold = gate();
      GenServer.cast(ref, holdUntil(hold));
      GenServer.cast(ref, note('waits'));
      const stopped = GenServer.stop(ref);
      const behind = rejection(GenServer.call(ref, say('behind')));
      hold.open();
      await stopped;
      expect(await behind).toBeInstanceOf(ServerNotRunningError);
      expect(handled).toEqual([['held', 'waits']]);
    },
  );
});

describe('a flood of messages lets timers and I/O have their turn', () => {
  const selfCasting = (
    over: () => boolean,
  ): GenServerBehavior<GenServerRef | undefined, 'get', GenServerRef, boolean> => ({
    init: () => undefined,
    handleCall: (_message, state) => [over(), state],
    handleCast: (self) => {
      if (!over()) GenServer.cast(self, self);
      return self;
    },
  });

  test.each<[string, (over: () => boolean) => Promise<void>]>([
    [
      'a server that casts to itself for ever',
      async (over) => {
        const ref = await GenServer.start(selfCasting(over));
        GenServer.cast(ref, ref);
      },
    ],
    [
      'one whose handlers return promises',
      async (over) => {
        const { handleCast, ...rest } = selfCasting(over);
        const ref = await GenServer.start({
          ...rest,
          handleCast: async (self: GenServerRef, state) => handleCast(self, state),
        });
        GenServer.cast(ref, ref);
      },
    ],
    [
      'two servers that cast to each other',
      async (over) => {
        const pass = {
          init: () => 0,
          handleCall: (_message: 'get', state: number) => [over(), state] as const,
          handleCast: ([to, back]: readonly GenServerRef[], state: number) => {
            if (!over()) GenServer.cast(to!, [back!, to!]);
            return state;
          },
        };
        const [a, b] = [await GenServer.start(pass), await GenServer.start(pass)];
        GenServer.cast(a, [b, a]);
      },
    ],
    [
      'a loop that awaits calls',
      async (over) => {
        const ref = await startDoer();
        const ask = async (): Promise<void> => {
          while (!over()) await Promise.all([GenServer.call(ref, read), GenServer.call(ref, read)]);
        };
        ask().catch(() => {}); // the server has ended with the test
      },
    ],
  ])('%s', async (_, flood) => {
    // Who does not let them have it never ends.
    let over = false;
    await flood(() => over);
    const timer = new Promise((resolve) => setTimeout(resolve, 0));
    expect(await Promise.all([timer, nextTurn(), stat(__filename)])).toHaveLength(3);
    over = true;
  });

  test('a stop gets through to a server that casts to itself', async () => {
    const ref = await GenServer.start(selfCasting(() => false));
    GenServer.onLifecycleEvent(() => {});
    GenServer.cast(ref, ref);
    await GenServer.stop(ref);
    expect(GenServer.isRunning(ref)).toBe(false);
  });

  test('servers take turns: one with few messages does not wait for the end of a flood of another', async () => {
    let over = false;
    const flooded = await GenServer.start(selfCasting(() => over));
    GenServer.cast(flooded, flooded);
    const ref = await startDoer();
    GenServer.cast(ref, note('first'));
    expect(await GenServer.call(ref, say('second'))).toBe('second');
    over = true;
  });

  test('long queues are worked off while the timers are fake ones', async () => {
    jest.useFakeTimers();
    const ref = await startDoer();
    let handled = 0;
    for (let number = 0; number < 50_000; number += 1) {
      GenServer.cast(ref, (done) => {
        handled += 1;
        return done;
      });
    }
    await GenServer.call(ref, read, { timeout: Infinity });
    expect(handled).toBe(50_000);
  });
});
