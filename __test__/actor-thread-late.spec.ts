/** Links and monitors that come too late: the process has ended, and the thread that asks has yet to hear of it. They are told the reason of that end. */
import { GenServer } from '../dist/actor';
import type { ExitReason } from '../dist/actor';
import { blockUntilGone, brokenBy, downOf, endOf, listening, TestThread } from './lib/actor-threads';

const startNear = () => GenServer.start(listening([]));

describe('a process that has just ended, of which this thread has yet to hear', () => {
  // It was told as an error, which ended those who had linked it, although it had ended in order.
  const ENDINGS: [string, ExitReason, string, boolean][] = [
    ['normal', 'normal', 'normal', true],
    ['shutdown', 'shutdown', 'shutdown', false],
    ['an error', { error: new Error('why') }, 'error', false],
  ];

  test.each(ENDINGS)(
    'with %s: a link and a monitor made here are told that',
    async (_, reason, type, goesOn) => {
      const thread = new TestThread();
      const [near, watcher, theirs] = [await startNear(), await startNear(), await thread.start()];
      void thread.run(
        ({ GenServer: servers, pause }, ref, why) => {
          pause();
          servers.kill(ref, why);
        },
        theirs,
        reason,
      );
      await thread.blocked();
      GenServer.link(near, theirs);
      const down = downOf(theirs, watcher);
      thread.release();
      expect(await down).toMatchObject({ type });
      expect(GenServer.isRunning(near)).toBe(goesOn);
    },
  );

  test.each(ENDINGS)(
    'with %s: a link that a third thread makes is told that',
    async (_, reason, _type, goesOn) => {
      const [thread, third] = [new TestThread(), new TestThread()];
      const [near, theirs, other] = [await startNear(), await thread.start(), await thread.start()];
      void thread.run(
        ({ GenServer: servers, pause }, ref, why) => {
          pause();
          servers.kill(ref, why);
        },
        theirs,
        reason,
      );
      await thread.blocked();
      await third.run(({ GenServer: servers }, one, two) => servers.link(one, two), near, theirs);
      await third.do('call', near, 0);
      thread.release();
      // What the thread has to say of the link comes before this answer.
      await GenServer.call(other, 'get', { timeout: Infinity });
      expect(GenServer.isRunning(near)).toBe(goesOn);
    },
  );

  test.each(ENDINGS)(
    'with %s: a link and a monitor made there are told that',
    async (_, reason, type, goesOn) => {
      const thread = new TestThread();
      const [near, here, theirs, watcher] = [
        await startNear(),
        await startNear(),
        await thread.start(),
        await thread.start(),
      ];
      const down = thread.run(
        ({ GenServer: servers, pause }, one, two, by) => {
          const reasonTold = new Promise((resolve) => {
            servers.onLifecycleEvent((event) => event.type === 'process_down' && resolve(event.reason));
          });
          servers.link(two, one);
          servers.monitor(by, one);
          pause();
          return reasonTold;
        },
        near,
        theirs,
        watcher,
      );
      // This thread hears of nothing until it has ended the process.
      Atomics.wait(thread.words, 0, 0);
      GenServer.kill(near, reason);
      thread.release();
      expect(await down).toMatchObject({ type });
      await thread.do('call', here, 0);
      expect(await thread.do('running', theirs)).toBe(goesOn);
    },
  );

  test('with its thread: a link made here ends the near process', async () => {
    const thread = new TestThread();
    const [near, theirs] = [await startNear(), await thread.start()];
    void thread.run(({ pause }) => {
      pause();
      process.exit(0);
    });
    await thread.blocked();
    GenServer.link(near, theirs);
    const ended = endOf(near);
    blockUntilGone(theirs, () => thread.release());
    expect(await ended).toMatchObject(brokenBy(theirs));
  });
});
