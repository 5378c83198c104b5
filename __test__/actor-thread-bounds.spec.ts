/**
 * What is under way to a thread that does not take it. A thread computed for some seconds, and what was cast to its servers meanwhile took hundreds of megabytes, also
 * where the mailbox had a limit: nobody looked at that before the thread did.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { GenServer, MailboxFullError } from '../dist/actor';
import { castTo, type Counter, runAt, TestThread, type There } from './lib/actor-threads';

const MB = 1024 * 1024;
const MOST = 64 * MB;

/** A thread with a server that is kept from all else until `thread.release()`. */
async function blocked(options?: Parameters<TestThread['start']>[0]) {
  const thread = new TestThread();
  const ref = await thread.start(options);
  const other = await thread.start();
  const through = thread.do('call', other, 'block');
  await thread.blocked();
  return { thread, ref, other, through };
}

/** Counts the casts that arrive, and keeps their last argument. */
const count = ({ kept }: There, _text: string, by: number): void => {
  kept['casts'] = ((kept['casts'] as number | undefined) ?? 0) + 1;
  kept['last'] = by;
};

const counted = (ref: Counter): Promise<unknown> =>
  runAt(ref, ({ kept }) => [kept['casts'], kept['last']] as unknown[]);

const errorOf = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (error) {
    return error;
  }
};

/** Casts until one is refused; how many were not, and the error. */
async function flood(ref: Counter, text: string, most: number): Promise<{ sent: number; error: unknown }> {
  for (let sent = 0; sent < most; sent++) {
    const error = errorOf(() => castTo(ref, count, text, sent));
    if (error !== undefined) return { sent, error };
    await turn();
  }
  return { sent: most, error: undefined };
}

/** Resolves when the thread has taken what is under way to it. */
async function taken(ref: Counter): Promise<void> {
  for (;;) {
    const reply = await GenServer.call(ref, 'get', { timeout: Infinity }).catch((error: Error) => error);
    if (!(reply instanceof MailboxFullError)) return;
    await turn();
  }
}

describe('a thread that does not take what is sent to it', () => {
  test.each([
    ['large', 'x'.repeat(MB)],
    ['small', 'x'.repeat(60_000)],
  ])('is sent 64 MiB of %s messages and no more', async (_, text) => {
    const { thread, ref, other, through } = await blocked();
    const { sent, error } = await flood(ref, text, 2000);
    expect(error).toBeInstanceOf(MailboxFullError);
    expect(error).toMatchObject({ code: 'ERR_ACTOR_MAILBOX_FULL', serverId: ref.id, limit: Infinity });
    const most = Math.ceil(MOST / text.length);
    expect(sent).toBeGreaterThan(most * 0.95);
    expect(sent).toBeLessThanOrEqual(most + 1);
    // Calls count as well, and so does what goes to another server of that thread.
    await expect(GenServer.call(ref, 'get')).rejects.toThrow(MailboxFullError);
    expect(() => GenServer.cast(other, 1)).toThrow(MailboxFullError);

    thread.release();
    await through;
    await taken(ref);
    // What was accepted has come whole, and nothing of what was refused.
    expect(await counted(ref)).toEqual([sent, sent - 1]);
    GenServer.cast(ref, 5);
    expect(await GenServer.call(ref, 'get')).toBe(5);
  });

  test('is sent as much again when it has taken it, in one turn too', async () => {
    const { thread, ref, through } = await blocked();
    let refused = 0;
    const text = 'x'.repeat(MB);
    for (let sent = 0; sent < 100; sent++) {
      if (errorOf(() => castTo(ref, count, text, sent)) instanceof MailboxFullError) refused++;
    }
    expect(refused).toBeGreaterThan(30);
    thread.release();
    await through;
    await taken(ref);
    const accepted = 100 - refused;
    expect(await counted(ref)).toEqual([accepted, accepted - 1]);
  });

  test('hears of the end of a server all the same', async () => {
    const { thread, ref, other, through } = await blocked();
    await flood(ref, 'x'.repeat(MB), 100);
    const stopped = GenServer.stop(ref);
    GenServer.kill(other);
    expect(GenServer.isRunning(other)).toBe(false);
    thread.release();
    await through;
    await stopped;
    expect(GenServer.isRunning(ref)).toBe(false);
  });

  test('gives all of that back when it ends', async () => {
    const { thread, ref } = await blocked();
    await flood(ref, 'x'.repeat(MB), 100);
    const call = GenServer.call(ref, 'get').catch((error: Error) => error.name);
    expect(await call).toBe('MailboxFullError');
    await thread.terminate();
    await expect(GenServer.call(ref, 'get')).rejects.toMatchObject({ name: 'ServerNotRunningError' });
    const next = await blocked();
    expect((await flood(next.ref, 'x'.repeat(MB), 20)).error).toBeUndefined();
    next.thread.release();
    await next.through;
    expect(await counted(next.ref)).toEqual([20, 19]);
  });
});

describe('a bounded mailbox of a thread that does not take what is sent to it', () => {
  const LIMIT = 10;

  test("refuses casts and calls where they are sent, with 'reject'", async () => {
    const { thread, ref, through } = await blocked({ mailbox: { limit: LIMIT } });
    const { sent, error } = await flood(ref, '', 50);
    expect(sent).toBe(LIMIT);
    expect(error).toMatchObject({ code: 'ERR_ACTOR_MAILBOX_FULL', limit: LIMIT, serverId: ref.id });
    await expect(GenServer.call(ref, 'get')).rejects.toMatchObject({ code: 'ERR_ACTOR_MAILBOX_FULL' });
    thread.release();
    await through;
    await taken(ref);
    expect(await counted(ref)).toEqual([LIMIT, LIMIT - 1]);
  });

  test("counts calls, with 'reject'", async () => {
    const { thread, ref, through } = await blocked({ mailbox: { limit: LIMIT } });
    const replies: Promise<unknown>[] = [];
    for (let i = 0; i < LIMIT + 5; i++) {
      replies.push(GenServer.call(ref, 'get', { timeout: Infinity }).catch((error: Error) => error.name));
      await turn();
    }
    thread.release();
    await through;
    const refused = Array.from({ length: 5 }, () => 'MailboxFullError');
    expect(await Promise.all(replies)).toEqual([...Array.from({ length: LIMIT }, () => 0), ...refused]);
  });

  test("drops casts without a word and refuses calls, with 'drop-newest'", async () => {
    const { thread, ref, through } = await blocked({ mailbox: { limit: LIMIT, overflow: 'drop-newest' } });
    expect(await flood(ref, '', 50)).toEqual({ sent: 50, error: undefined });
    await expect(GenServer.call(ref, 'get')).rejects.toMatchObject({ code: 'ERR_ACTOR_MAILBOX_FULL' });
    thread.release();
    await through;
    await taken(ref);
    expect(await counted(ref)).toEqual([LIMIT, LIMIT - 1]);
  });

  test("keeps the last ones, with 'drop-oldest', and is sent 64 MiB at most", async () => {
    const { thread, ref, through } = await blocked({ mailbox: { limit: LIMIT, overflow: 'drop-oldest' } });
    const { sent, error } = await flood(ref, 'x'.repeat(MB), 200);
    expect(error).toMatchObject({ code: 'ERR_ACTOR_MAILBOX_FULL' });
    expect(sent).toBeLessThanOrEqual(MOST / MB + 1);
    thread.release();
    await through;
    await taken(ref);
    expect(((await counted(ref)) as number[])[1]).toBe(sent - 1);
  });

  test('takes more as soon as its thread has taken what was sent', async () => {
    const { thread, ref, through } = await blocked({ mailbox: { limit: LIMIT } });
    await flood(ref, '', 50);
    thread.release();
    await through;
    await taken(ref);
    for (let round = 1; round <= 30; round++) {
      castTo(ref, count, '', round);
      await counted(ref);
    }
    expect(await counted(ref)).toEqual([LIMIT + 30, 30]);
  });
});
