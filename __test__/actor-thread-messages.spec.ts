/** Messages between threads: whatever their size and whatever a getter in them does, each arrives as it is; those that come too late do not. */
import { CallTimeoutError, GenServer, Registry } from '../dist/actor';
import { nextEvent, randomFrom } from './fixtures/actor-servers';
import { anyValue, isSame, LETTERS, textOf } from './fixtures/actor-values';
import { castTo, listening, type Remote, runAt, startFar, TestThread } from './lib/actor-threads';
import { rejection } from './lib/processors';

const NOT_CLONEABLE = { name: 'TypeError', code: 'ERR_ACTOR_NOT_CLONEABLE' };

/** Expects that two threads understand each other. */
async function expectSound(far: Remote): Promise<void> {
  expect(await GenServer.call(far, { do: 'echo', value: ['sound', 1] })).toEqual(['sound', 1]);
}

describe('a text for which the memory of a batch must grow', () => {
  const lengths = [21_840, 65_530, 65_537, 300_001, 9_000_000];
  const cases = lengths.flatMap((length) => LETTERS.map((letter) => [length, letter] as const));

  test.each(cases)('of %i units %j arrives, there and back', async (length, letter) => {
    const far = await startFar();
    const text = textOf(letter, length);
    const behind = GenServer.call(far, { do: 'echo', value: 'behind' });
    expect((await GenServer.call(far, { do: 'echo', value: text })) === text).toBe(true);
    expect(await behind).toBe('behind');
    await expectSound(far);
  });

  test.each(lengths)(
    'of %i units arrives as a reply, as a cast, in an error, in a reason and in a name',
    async (length) => {
      const far = await startFar();
      // Only what comes from there is long.
      const text = await runAt(far, (_there, count) => 'j'.repeat(count), length);
      expect(text === 'j'.repeat(length)).toBe(true);
      const heard: string[] = [];
      const listener = await GenServer.start(listening(heard));
      const heardThere = runAt(
        far,
        async ({ GenServer: servers }, to) => servers.call(to, 1, { timeout: Infinity }),
        listener,
      );
      castTo(await startFar(), ({ GenServer: servers }, to, said) => servers.cast(to, said), listener, text);
      expect(await heardThere).toBe(1);
      expect(heard[0] === text).toBe(true);

      const error = await rejection(
        runAt(await startFar(), (_there, count) => Promise.reject(new RangeError('j'.repeat(count))), length),
      );
      expect([error.name, error.message === text]).toEqual(['RangeError', true]);

      const [named, ended] = [await startFar(), await startFar()];
      Registry.register(text, named);
      expect(await runAt(named, ({ Registry: names }, name) => names.whereis(name)?.id, text)).toBe(named.id);
      Registry.unregister(text);
      await expectSound(named);

      GenServer.monitor(named, ended);
      const down = nextEvent('process_down');
      GenServer.monitor(listener, ended);
      await GenServer.stop(ended, { error: new Error(text) });
      const { reason } = await down;
      expect(reason.type === 'error' && reason.message === text).toBe(true);
    },
  );
});

test.each(Array.from({ length: 6 }, (_, seed) => [seed]))(
  'many messages of one turn arrive as they are, there and back: seed %i',
  async (seed) => {
    const random = randomFrom(seed);
    const [far, thread] = [await startFar(), new TestThread()];
    const theirs = await thread.start();
    for (let turn = 0; turn < 5; turn++) {
      const values = Array.from({ length: 60 }, () => anyValue(random));
      const replies = await Promise.all(values.map((value) => GenServer.call(far, { do: 'echo', value })));
      const relayed = await Promise.all(
        values.map((value) =>
          runAt(
            theirs,
            ({ GenServer: servers }, to, given) => servers.call(to, { do: 'echo', value: given }),
            far,
            value,
          ),
        ),
      );
      values.forEach((value, i) => {
        expect([i, isSame(value, replies[i]), isSame(value, relayed[i])]).toEqual([i, true, true]);
      });
    }
    await expectSound(far);
  },
);

describe('a getter in a message', () => {
  /** A call whose message does something while it is read; and one of the same turn, which it must not harm. */
  async function callWith(far: Remote, act: () => unknown): Promise<[unknown, unknown]> {
    let done = false;
    const message = {
      do: 'echo',
      get value() {
        // A value is read twice where it needs another form.
        if (!done) {
          done = true;
          act();
        }
        return 7;
      },
    };
    const calls = [GenServer.call(far, message), GenServer.call(far, { do: 'echo', value: 'innocent' })];
    const [first, second] = await Promise.allSettled(calls);
    return [first, second].map((one) => (one!.status === 'fulfilled' ? one!.value : one!.reason)) as [
      unknown,
      unknown,
    ];
  }

  const refused = [expect.objectContaining(NOT_CLONEABLE), 'innocent'];

  test.each<[string, number | { code: string; args: unknown[] }]>([
    ['a little', 1],
    ['much', { code: '() => 0', args: ['x'.repeat(100_000)] }],
  ])(
    'cannot cast %s to the same thread: the message is refused, and no other comes to harm',
    async (_, cast) => {
      const far = await startFar();
      expect(await callWith(far, () => GenServer.cast(far, cast))).toEqual(refused);
      expect(await GenServer.call(far, { do: 'get' })).toBe(0);
    },
  );

  test('cannot call the same thread either: that call is refused', async () => {
    const far = await startFar();
    let inner: Promise<unknown> | undefined;
    const given = await callWith(far, () => {
      inner = rejection(GenServer.call(far, { do: 'get' }));
    });
    expect(await inner).toMatchObject(NOT_CLONEABLE);
    expect(given).toEqual([7, 'innocent']);
    await expectSound(far);
  });

  test('can speak to other threads and to servers of its own', async () => {
    const [far, other, heard] = [await startFar(), await startFar(), [] as unknown[]];
    const listener = await GenServer.start(listening(heard));
    const given = await callWith(far, () => {
      GenServer.cast(other, 1);
      GenServer.cast(listener, 'said');
    });
    expect([given, heard, await GenServer.call(other, { do: 'get' })]).toEqual([
      [7, 'innocent'],
      ['said'],
      1,
    ]);
  });

  test('can watch, link, name and end the server that the message is for', async () => {
    const [far, near] = [await startFar(), await GenServer.start(listening([]))];
    const down = nextEvent('process_down');
    const given = await callWith(far, () => {
      GenServer.monitor(near, far);
      GenServer.link(near, far);
      Registry.register('named in a getter', far);
      Registry.unregister('named in a getter');
      void GenServer.stop(far, 'shutdown');
    });
    // The stop comes behind the message in which it was said; whether the other call was read before it is left open.
    expect(given[0]).toBe(7);
    expect(await down).toMatchObject({ reason: { type: 'shutdown' } });
    expect([GenServer.isRunning(near), GenServer.isRunning(far)]).toEqual([false, false]);
  });

  test('that throws has its message refused with what it threw, and no other comes to harm', async () => {
    const far = await startFar();
    const [error, innocent] = await callWith(far, () => {
      throw new RangeError('a getter');
    });
    expect(error).toMatchObject({ ...NOT_CLONEABLE, message: expect.stringContaining('a getter') });
    expect(innocent).toBe('innocent');
    const bad = {
      get code(): string {
        throw new RangeError('a getter');
      },
      args: [],
    };
    GenServer.cast(far, 2);
    expect(() => GenServer.cast(far, bad)).toThrow(expect.objectContaining(NOT_CLONEABLE));
    GenServer.cast(far, 3);
    expect(await GenServer.call(far, { do: 'get' })).toBe(5);
  });

  test('of a reply is treated in the same way', async () => {
    const [far, heard] = [await startFar(), [] as unknown[]];
    const listener = await GenServer.start(listening(heard));
    const reply = runAt(
      far,
      ({ GenServer: servers }, to) => ({
        get value() {
          servers.cast(to, 'said');
          return 7;
        },
      }),
      listener,
    );
    const behind = GenServer.call(far, { do: 'echo', value: 'behind' });
    expect(await rejection(reply)).toMatchObject(NOT_CLONEABLE);
    expect([await behind, heard]).toEqual(['behind', []]);
  });
});

describe('a message that comes too late is not handled', () => {
  /** Keeps a thread for so many milliseconds, and counts. */
  const keep = ({ kept }: { kept: Record<string, number> }, ms: number): number => {
    kept['handled'] = (kept['handled'] ?? 0) + 1;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    return kept['handled'];
  };
  const work = (ms: number) => ({ do: 'run', code: keep.toString(), args: [ms] });

  test('behind a handler that took its time', async () => {
    const far = await startFar();
    const first = GenServer.call(far, work(150), { timeout: Infinity });
    const late = rejection(GenServer.call(far, work(0), { timeout: 100 }));
    expect(await late).toBeInstanceOf(CallTimeoutError);
    expect(await late).toMatchObject({ serverId: far.id, timeoutMs: 100 });
    expect([await first, await runAt(far, keep, 0)]).toEqual([1, 2]);
  });

  test('behind another server of its thread', async () => {
    const thread = new TestThread();
    const [busy, idle] = [await thread.start(), await thread.start()];
    const first = runAt(busy, keep, 150);
    const late = rejection(GenServer.call(idle as unknown as Remote, work(0), { timeout: 100 }));
    expect(await late).toBeInstanceOf(CallTimeoutError);
    expect([await first, await runAt(idle, keep, 0)]).toEqual([1, 2]);
  });

  test('however many wait: its time counts from the call on', async () => {
    const far = await startFar();
    const calls = Array.from({ length: 8 }, () => rejection(GenServer.call(far, work(60), { timeout: 100 })));
    for (const error of (await Promise.all(calls)).slice(2)) expect(error).toBeInstanceOf(CallTimeoutError);
    // The third could begin after 120 ms.
    expect(await runAt(far, keep, 0)).toBeLessThanOrEqual(3);
  });

  test('behind a handler that awaits', async () => {
    const far = await startFar();
    castTo(far, () => new Promise((resolve) => setTimeout(resolve, 150)));
    expect(await rejection(GenServer.call(far, work(0), { timeout: 100 }))).toBeInstanceOf(CallTimeoutError);
    expect(await runAt(far, keep, 0)).toBe(1);
  });
});
