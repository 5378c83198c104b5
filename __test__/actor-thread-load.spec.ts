/** Threads with much to do: however many servers a flood of messages is for, timers have their turn, and what a full mailbox refuses is told where it is refused. */
import { GenServer, MailboxFullError } from '../dist/actor';
import {
  castTo,
  type Counter,
  listening,
  runAt,
  startFar,
  TestThread,
  type There,
} from './lib/actor-threads';

describe('many servers that each get one message', () => {
  const SERVERS = 300;

  /** Takes two milliseconds, and returns how often a timer of this thread has fired by then. */
  const workAndCount = ({ kept }: There): number => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    return kept['ticks'] as number;
  };

  // Each of them handles its message at once, as an idle server does; that went on until all had done so.
  async function startServers(): Promise<{ thread: TestThread; refs: Counter[] }> {
    const thread = new TestThread();
    const refs = await Promise.all(Array.from({ length: SERVERS }, () => thread.start()));
    await thread.run(({ kept }) => {
      kept['ticks'] = 0;
      setInterval(() => (kept['ticks'] += 1), 1);
    });
    return { thread, refs };
  }

  test('do not keep the timers of their thread from firing, with calls', async () => {
    const { refs } = await startServers();
    const ticks = await Promise.all(refs.map((ref) => runAt(ref, workAndCount)));
    // A slice of 8 ms has few handlers of 2 ms.
    expect(Math.max(...ticks) - Math.min(...ticks)).toBeGreaterThan(SERVERS / 30);
  });

  test('do not keep the timers of their thread from firing, with casts', async () => {
    const { thread, refs } = await startServers();
    for (const ref of refs) {
      castTo(ref, ({ kept }) => {
        kept['first'] ??= kept['ticks'];
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
        kept['last'] = kept['ticks'];
        kept['handled'] = ((kept['handled'] as number | undefined) ?? 0) + 1;
      });
    }
    // The last of them to be sent is the last to be handled.
    await runAt(refs.at(-1)!, () => 0);
    const [handled, between] = await thread.run(({ kept }) => [
      kept['handled'] as number,
      (kept['last'] as number) - (kept['first'] as number),
    ]);
    expect(handled).toBe(SERVERS);
    expect(between).toBeGreaterThan(SERVERS / 30);
  });

  test('answer in the order of each, and lose nothing', async () => {
    const { refs } = await startServers();
    const seen = await Promise.all(
      refs.flatMap((ref) => {
        GenServer.cast(ref, 1);
        const first = GenServer.call(ref, 'get');
        GenServer.cast(ref, 1);
        return [first, GenServer.call(ref, 'get')];
      }),
    );
    expect(seen).toEqual(refs.flatMap(() => [1, 2]));
  });
});

describe('a bounded mailbox on a thread', () => {
  const CASTS = 20;

  /** Casts 1, 2, 3 and so on to a server that is busy and calls it, then lets it go on; what the call gives, the sum of the casts it has handled, and what was told there. */
  async function flood(overflow: 'reject' | 'drop-newest' | 'drop-oldest', isListened: boolean) {
    const far = await startFar({ mailbox: { limit: 2, overflow } });
    await runAt(
      far,
      ({ GenServer: servers, kept }, listens) => {
        const told: unknown[] = [];
        kept['told'] = told;
        // Also the listener that prints them.
        process.removeAllListeners('warning');
        process.on('warning', ({ name, code }: Error & { code?: string }) => told.push([name, code]));
        if (!listens) return;
        servers.onLifecycleEvent((event) => {
          if (event.type === 'error') told.push([event.ref, event.error.name, event.message]);
        });
      },
      isListened,
    );
    const gate = await GenServer.start(listening([]));
    castTo(
      far,
      async ({ GenServer: servers }, to) => {
        servers.cast(to, 'busy');
        await servers.call(to, 2, { timeout: Infinity });
        servers.cast(to, 'free');
      },
      gate,
    );
    await GenServer.call(gate, 1, { timeout: Infinity });
    for (let by = 1; by <= CASTS; by++) GenServer.cast(far, by);
    const call = GenServer.call(far, { do: 'get' }, { timeout: Infinity }).catch((error: Error) => error);
    GenServer.cast(gate, 'go on');
    const reply = await call;
    await GenServer.call(gate, 3, { timeout: Infinity });
    const sum = await GenServer.call(far, { do: 'get' });
    return { far, reply, sum, told: await runAt(far, ({ kept }) => kept['told'] as unknown[]) };
  }

  test('tells there of each cast that it refuses, and refuses the call', async () => {
    const { far, reply, sum, told } = await flood('reject', true);
    expect([reply, sum]).toEqual([expect.any(MailboxFullError), 1 + 2]);
    expect(reply).toMatchObject({ code: 'ERR_ACTOR_MAILBOX_FULL', limit: 2 });
    const refused = Array.from({ length: CASTS - 2 }, (_, i) => i + 3);
    expect(told).toEqual(refused.map((by) => [{ id: far.id }, 'MailboxFullError', by]));
  });

  test('warns once where nobody listens', async () => {
    const { reply, sum, told } = await flood('reject', false);
    expect([reply, sum]).toEqual([expect.any(MailboxFullError), 1 + 2]);
    expect(told).toEqual([['ActorWarning', 'ERR_ACTOR_UNHANDLED_FAULT']]);
  });

  test.each([
    ['drop-newest', expect.any(MailboxFullError), 1 + 2],
    // The call has taken the place of the last but one.
    ['drop-oldest', CASTS, CASTS],
  ] as const)('says nothing with %s', async (overflow, reply, sum) => {
    expect(await flood(overflow, true)).toMatchObject({ reply, sum, told: [] });
  });
});
