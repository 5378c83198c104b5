/** Links and monitors over threads: whoever makes a link, each of its two processes ends with the other, and hears of one end once. */
import * as actor from '../dist/actor';
import { GenServer, ServerNotRunningError, Supervisor } from '../dist/actor';
import type { LinkRef, Ref } from '../dist/actor';
import {
  type Action,
  brokenBy,
  castTo,
  type Counter,
  downOf,
  endOf,
  listening,
  type Remote,
  runAt,
  startFar,
  startTrapping,
  TestThread,
  type There,
} from './lib/actor-threads';
import { rejection } from './lib/processors';
import { told } from './lib/supervised';

/** Does something about a near and a far process in one of three threads: this one, that of the far process, and another one. */
type Side = <R>(
  action: Action<[near: Ref, far: Ref], R>,
  near: Ref,
  far: Remote | Counter,
  third: TestThread,
) => Promise<Awaited<R>>;

const SIDES: [string, Side][] = [
  ['this thread', (action, near, far) => Promise.resolve(action(actor as There, near, far))],
  ['the other thread', (action, near, far) => runAt(far, action, near, far)],
  ['a third thread', (action, near, far, third) => third.run(action, near, far)],
];

const makeLink = ({ GenServer: servers }: There, near: Ref, far: Ref): LinkRef => servers.link(near, far);

/** Makes a link, and resolves when all three threads know it. */
async function makeKnownLink({ GenServer: servers }: There, near: Ref, far: Ref): Promise<LinkRef> {
  const made = servers.link(near, far);
  await Promise.all([servers.call(near, 0), servers.call(far, { do: 'run', code: '() => 0', args: [] })]);
  return made;
}

const startNear = () => GenServer.start(listening([]));

const brokenFarBy = ({ id }: Ref): object => ({ type: 'error', message: `Linked process '${id}' exited` });

const ENDS: [string, (far: Remote) => void][] = [
  ['process.exit', (far) => castTo(far, () => process.exit(0))],
  [
    'an error that nobody catches',
    (far) =>
      castTo(far, () => {
        setImmediate(() => {
          throw new Error('a bug');
        });
      }),
  ],
  ['a crash', (far) => GenServer.cast(far, 'fail')],
  ['a kill', (far) => GenServer.kill(far)],
  ['a stop', (far) => void GenServer.stop(far, 'shutdown')],
];

const MADE_AND_ENDED = SIDES.flatMap(([by, side]) => ENDS.map(([how, end]) => [by, how, side, end] as const));

describe('a link', () => {
  test.each(MADE_AND_ENDED)(
    'that %s has made ends the near process with a far one that ends by %s',
    async (...given) => {
      const [, , side, end] = given;
      const [near, far, third] = [await startNear(), await startFar({ onError: 'crash' }), new TestThread()];
      await side(makeLink, near, far, third);
      const ended = endOf(near);
      end(far);
      expect(await ended).toMatchObject(brokenBy(far));
    },
  );

  test.each(SIDES)(
    'that %s has made ends the near process when the far thread is terminated',
    async (_, side) => {
      const thread = new TestThread();
      const [near, far, third] = [await startNear(), await thread.start(), new TestThread()];
      await side(makeLink, near, far, third);
      const ended = endOf(near);
      await thread.terminate();
      expect(await ended).toMatchObject(brokenBy(far));
    },
  );

  test.each(SIDES)('that %s has made ends the far process with the near one', async (_, side) => {
    for (const start of [() => startFar(), () => new TestThread().start()]) {
      const [near, far, third] = [await startNear(), await start(), new TestThread()];
      await side(makeLink, near, far, third);
      const down = downOf(far, await startNear());
      GenServer.kill(near);
      expect(await down).toMatchObject(brokenFarBy(near));
    }
  });

  test.each(SIDES)('that %s has made ends neither at a normal end', async (_, side) => {
    const third = new TestThread();
    const [near, far] = [await startNear(), await startFar()];
    await side(makeKnownLink, near, far, third);
    await GenServer.stop(far);
    expect(GenServer.isRunning(near)).toBe(true);

    const other = await startFar();
    await side(makeKnownLink, near, other, third);
    await GenServer.stop(near);
    expect(await GenServer.call(other, { do: 'get' })).toBe(0);
  });

  test('outlives the thread that has made it', async () => {
    for (const ends of ['near', 'far'] as const) {
      const [near, far, third] = [await startNear(), await startFar(), new TestThread()];
      await third.run(makeLink, near, far);
      await third.terminate();
      const ended = ends === 'near' ? downOf(far, await startNear()) : endOf(near);
      GenServer.kill(ends === 'near' ? near : far);
      expect(await ended).toMatchObject(ends === 'near' ? brokenFarBy(near) : brokenBy(far));
    }
  });

  test('ends a chain of processes over all threads, each for its neighbour', async () => {
    const [first, second, third, last] = [
      await startNear(),
      await startFar(),
      await new TestThread().start(),
      await startNear(),
    ];
    await new TestThread().run(makeLink, first, second);
    await runAt(second, makeLink, second, third);
    GenServer.link(third, last);
    const all = [endOf(first), downOf(second, await startNear()), endOf(last)];
    GenServer.kill(third);
    expect(await Promise.all(all)).toMatchObject([brokenBy(second), brokenFarBy(third), brokenBy(third)]);
  });

  test('joins a supervisor and a server on a thread', async () => {
    const far = await startFar();
    const supervisor = await Supervisor.start({ children: [{ id: 'child', start: startNear }] });
    const child = Supervisor.getChild(supervisor, 'child')!.ref;
    GenServer.link(supervisor, far);
    const terminated = told('terminated', ({ ref }) => ref.id === supervisor.id);
    castTo(far, () => process.exit(1));
    expect((await terminated).reason).toMatchObject(brokenBy(far));
    expect([Supervisor.isRunning(supervisor), GenServer.isRunning(child)]).toEqual([false, false]);
  });

  test('cannot be made with a process of another thread that has ended', async () => {
    const [near, far] = [await startNear(), await startFar()];
    await GenServer.stop(far);
    expect(() => GenServer.link(near, far)).toThrow(ServerNotRunningError);
    expect(() => GenServer.link(far, near)).toThrow(ServerNotRunningError);
  });
});

describe('unlink', () => {
  const pairs = SIDES.flatMap(([made, link]) =>
    SIDES.map(([taken, unlink]) => [taken, made, unlink, link] as const),
  );

  test.each(pairs)('in %s takes back a link that %s has made', async (_taken, _made, unlinkAt, linkAt) => {
    const third = new TestThread();
    const [near, far] = [await startNear(), await startFar()];
    const kept = await startNear();
    for (let round = 0; round < 2; round++) {
      // The function goes to its thread as text: the link goes with it as the property of a reference.
      const { linkId, ref1, ref2 } = await linkAt(makeKnownLink, near, far, third);
      await unlinkAt(
        async ({ GenServer: servers }, one, two) => {
          const { link } = one as Ref & { link: LinkRef };
          servers.unlink(link);
          await Promise.all([
            servers.call(one, 0),
            servers.call(two, { do: 'run', code: '() => 0', args: [] }),
          ]);
        },
        { ...near, link: { linkId, ref1, ref2 } } as Ref,
        far,
        third,
      );
    }
    GenServer.link(kept, far);
    const ended = endOf(kept);
    GenServer.kill(far);
    expect(await ended).toMatchObject(brokenBy(far));
    expect(GenServer.isRunning(near)).toBe(true);
  });

  // It came before the link, was forgotten, and the link was in force.
  test('takes back a link as soon as its reference is there', async () => {
    const third = new TestThread();
    for (let round = 0; round < 50; round++) {
      const [near, peer] = [await startNear(), await startNear()];
      GenServer.unlink(await third.run(makeLink, near, peer));
      await third.do('call', near, 0);
      GenServer.kill(peer);
      expect(GenServer.isRunning(near)).toBe(true);
    }
  });
});

describe('a process that traps exits', () => {
  test.each(ENDS)(
    'gets one message of the end of a far one by %s, however many links there are',
    async (_, end) => {
      const [{ trapping, signals, signalled }, far, third] = [
        await startTrapping(),
        await startFar({ onError: 'crash' }),
        new TestThread(),
      ];
      for (const [, side] of SIDES) await side(makeKnownLink, trapping, far, third);
      const gone = rejection(runAt(far, () => new Promise(() => {})));
      end(far);
      await signalled;
      await gone;
      await third.do('call', trapping, 'get');
      expect(signals).toEqual([
        { type: 'EXIT', from: { id: far.id, nodeId: 'local' }, reason: expect.anything() },
      ]);
    },
  );

  test('gets one message on its thread of the end of one here', async () => {
    const heard: unknown[] = [];
    const listener = await GenServer.start(listening(heard));
    const far = await startFar({ trapExit: true }, { export: 'reporting', args: [listener] });
    const [near, third] = [await startNear(), new TestThread()];
    for (const [, side] of SIDES) await side(makeKnownLink, near, far, third);
    GenServer.kill(near, { error: new RangeError('why') });
    await GenServer.call(listener, 1, { timeout: Infinity });
    await third.do('call', far, { do: 'get' });
    await GenServer.call(far, { do: 'get' });
    const signal = {
      type: 'EXIT',
      from: { id: near.id, nodeId: 'local' },
      reason: { error: expect.objectContaining({ name: 'RangeError', message: 'why' }) },
    };
    expect(heard).toEqual([['signal', signal]]);
    expect(GenServer.isRunning(far)).toBe(true);
  });
});
