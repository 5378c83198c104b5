/** Names over threads: all threads know the same, from the first word on, and nobody takes a name from whomever has it now. */
import { GenServer, Registry } from '../dist/actor';
import type { Ref } from '../dist/actor';
import { startDoer } from './fixtures/actor-servers';
import { type Action, listening, type Remote, runAt, startFar, TestThread } from './lib/actor-threads';

describe('a name', () => {
  // The thread of the process that had lost the name took it from whomever had it by then.
  test.each<[string, (far: Remote, thread: TestThread) => Promise<Ref>]>([
    ['a server of this thread', () => startDoer()],
    ['a server on another thread', () => startFar()],
    ['a server of a worker thread', (_, thread) => thread.start()],
    ['the same server', async (far) => far],
  ])('that is taken from a server on a thread can be given to %s', async (_, startNext) => {
    const [far, thread] = [await startFar({ name: 'its own' }), new TestThread()];
    const next = await startNext(far, thread);
    Registry.register('from here', far);
    for (const name of ['its own', 'from here']) {
      Registry.unregister(name);
      expect(Registry.whereis(name)).toBeUndefined();
      Registry.register(name, next);
    }
    const seen = await runAt(far, ({ Registry: names }) => [
      names.whereis('its own'),
      names.whereis('from here'),
    ]);
    expect(seen).toEqual([{ id: next.id }, { id: next.id }]);
    if (next.id !== far.id) await GenServer.stop(far);
    expect([Registry.whereis('its own'), Registry.whereis('from here')]).toEqual(seen);
    expect(Registry.getNames()).toEqual(['its own', 'from here']);
  });

  test('is not taken from its new process by a thread that has yet to hear of that', async () => {
    const thread = new TestThread();
    const [here, theirs] = [await startDoer(), await thread.start({ name: 'moved' })];
    const taken = thread.run(({ pause, Registry: names }) => {
      pause();
      names.unregister('moved');
    });
    await thread.blocked();
    Registry.unregister('moved');
    Registry.register('moved', here);
    thread.release();
    await taken;
    expect(Registry.whereis('moved')).toEqual({ id: here.id });
    await GenServer.stop(theirs);
    expect(Registry.whereis('moved')).toEqual({ id: here.id });
  });

  // A thread asked the table of all names only once it had asked for a process.
  test.each<[string, Action<[Ref], unknown>, unknown, string[]]>([
    [
      'lookup',
      ({ GenServer: servers, Registry: names }) => servers.call(names.lookup('here'), 1),
      1,
      ['here'],
    ],
    ['whereis', ({ Registry: names }, { id }) => names.whereis('here')?.id === id, true, ['here']],
    ['isRegistered', ({ Registry: names }) => names.isRegistered('here'), true, ['here']],
    ['getNames', ({ Registry: names }) => names.getNames(), ['here'], ['here']],
    ['count', ({ Registry: names }) => names.count(), 1, ['here']],
    ['register', ({ Registry: names }, ref) => names.register('more', ref), undefined, ['here', 'more']],
    ['unregister', ({ Registry: names }) => names.unregister('here'), undefined, []],
  ])('is known to a thread whose first word is Registry.%s', async (_, ask, answer, names) => {
    const here = await GenServer.start(listening(['a cast']), { name: 'here' });
    expect(await new TestThread().run(ask, here)).toEqual(answer);
    expect(Registry.getNames()).toEqual(names);
  });
});
