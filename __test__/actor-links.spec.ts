/** Monitors and links of the processes of one thread; those across threads are in `actor-threads`. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { GenServer, LinkBrokenError, Registry, ServerNotRunningError, Supervisor } from '../dist/actor';
import type { ExitReason, ExitSignal, GenServerBehavior, LifecycleEvent } from '../dist/actor';
import { reset } from '../dist/actor/testing';
import {
  doing,
  type Doer,
  fail,
  gate,
  holdUntil,
  read,
  recordEvents,
  startDoer,
} from './fixtures/actor-servers';

afterEach(reset);

const pair = (): Promise<[Doer, Doer]> => Promise.all([startDoer(), startDoer()]);
const NOBODY = { id: 'genserver_0_none' };

type Down = Extract<LifecycleEvent, { type: 'process_down' }>;
const downs = (events: readonly LifecycleEvent[]): Down[] =>
  events.filter((event): event is Down => event.type === 'process_down');

describe('monitors', () => {
  test.each<[string, ExitReason, object]>([
    ['stop', 'normal', { type: 'normal' }],
    ['stop', 'shutdown', { type: 'shutdown' }],
    ['stop', { error: new Error('why') }, { type: 'error', message: 'why' }],
    ['kill', 'shutdown', { type: 'shutdown' }],
    ['kill', { error: new Error('why') }, { type: 'error', message: 'why' }],
  ])('%s with %p is told once as process_down', async (how, reason, told) => {
    const [watcher, watched] = await pair();
    const monitor = GenServer.monitor(watcher, watched);
    expect(monitor).toEqual({
      monitorId: expect.stringMatching(/^m[0-9a-z]+-[0-9a-f]{16}$/),
      monitoredRef: { id: watched.id, nodeId: 'local' },
    });
    const events = recordEvents();
    if (how === 'stop') await GenServer.stop(watched, reason);
    else GenServer.kill(watched, reason);
    expect(events).toContainEqual({ type: 'terminated', ref: watched, reason });
    await nextTurn();
    expect(downs(events)).toEqual([{ type: 'process_down', ref: watcher, ...monitor, reason: told }]);
    expect(GenServer.isRunning(watcher)).toBe(true);
  });

  test("a crash is told as an error, and comes after 'terminated', not within it", async () => {
    const [watcher, watched] = [await startDoer(), await startDoer({ onError: 'crash' })];
    GenServer.monitor(watcher, watched);
    const events = recordEvents();
    GenServer.cast(watched, fail(new Error('bad')));
    expect(events.map(({ type }) => type)).toEqual(['crashed', 'terminated']);
    await nextTurn();
    expect(downs(events)).toMatchObject([{ reason: { type: 'error', message: 'bad' } }]);
  });

  test('one who is down already is told as noproc, after the call', async () => {
    const [watcher, dead] = await pair();
    GenServer.kill(dead);
    const events = recordEvents();
    const monitors = [dead, NOBODY].map((ref) => GenServer.monitor(watcher, ref));
    expect(events).toEqual([]);
    await Promise.resolve();
    await Promise.resolve();
    const noproc = { type: 'process_down', ref: watcher, reason: { type: 'noproc' } };
    expect(downs(events)).toEqual([
      { ...noproc, ...monitors[0] },
      { ...noproc, ...monitors[1] },
    ]);
  });

  test('each monitor is told, also several of the same pair and one of itself', async () => {
    const [watcher, watched] = await pair();
    const monitors = [1, 2, 3].map(() => GenServer.monitor(watcher, watched));
    GenServer.monitor(watched, watched);
    const events = recordEvents();
    GenServer.kill(watched);
    await nextTurn();
    expect(downs(events).map(({ monitorId }) => monitorId)).toEqual(
      monitors.map(({ monitorId }) => monitorId),
    );
  });

  test('a monitor that was taken back is not told; taking back twice or one of nobody is no error', async () => {
    const [watcher, watched] = await pair();
    const monitor = GenServer.monitor(watcher, watched);
    const kept = GenServer.monitor(watcher, watched);
    GenServer.demonitor(monitor);
    GenServer.demonitor(monitor);
    GenServer.demonitor({ monitorId: 'm0-0', monitoredRef: { id: 'x', nodeId: 'local' } });
    const events = recordEvents();
    GenServer.kill(watched);
    await nextTurn();
    expect(downs(events).map(({ monitorId }) => monitorId)).toEqual([kept.monitorId]);
  });

  test('with flush an event that is on its way is not told either', async () => {
    const [watcher, watched] = await pair();
    const [flushed, other] = [GenServer.monitor(watcher, watched), GenServer.monitor(watcher, watched)];
    const events = recordEvents();
    GenServer.kill(watched);
    GenServer.demonitor(flushed, { flush: true });
    GenServer.demonitor(other);
    await nextTurn();
    expect(downs(events).map(({ monitorId }) => monitorId)).toEqual([other.monitorId]);
  });

  test('the monitors of a server end with it', async () => {
    const [watcher, watched] = await pair();
    GenServer.monitor(watcher, watched);
    await GenServer.stop(watcher);
    const events = recordEvents();
    GenServer.kill(watched);
    await nextTurn();
    expect(downs(events)).toEqual([]);
    expect(() => GenServer.monitor(watcher, NOBODY)).toThrow(ServerNotRunningError);
  });

  test('a supervisor can be monitored', async () => {
    const [watcher, supervisor] = [await startDoer(), await Supervisor.start()];
    GenServer.monitor(watcher, supervisor);
    const events = recordEvents();
    await Supervisor.stop(supervisor);
    await nextTurn();
    expect(downs(events)).toMatchObject([
      { monitoredRef: { id: supervisor.id }, reason: { type: 'normal' } },
    ]);
  });
});

describe('links', () => {
  test("a link is no matter of direction: who ends otherwise than 'normal' ends the other within the same call", async () => {
    for (const first of [0, 1]) {
      const ends: ExitReason[] = [];
      const refs = await Promise.all([1, 2].map(() => startDoer({}, (reason) => void ends.push(reason))));
      const made = GenServer.link(refs[0]!, refs[1]!);
      expect(made).toEqual({
        linkId: expect.stringMatching(/^link_/),
        ref1: { id: refs[0]!.id, nodeId: 'local' },
        ref2: { id: refs[1]!.id, nodeId: 'local' },
      });
      const [ending, other] = [refs[first]!, refs[1 - first]!];
      const events = recordEvents();
      GenServer.kill(ending);
      expect([GenServer.isRunning(ending), GenServer.isRunning(other)]).toEqual([false, false]);
      const error = expect.objectContaining({
        name: 'LinkBrokenError',
        code: 'ERR_ACTOR_LINK_BROKEN',
        message: `Linked process '${ending.id}' exited`,
        processId: ending.id,
      });
      expect(ends).toEqual(['shutdown', { error }]);
      expect(events).toEqual([
        { type: 'terminated', ref: other, reason: { error } },
        { type: 'terminated', ref: ending, reason: 'shutdown' },
      ]);
    }
  });

  test.each<[string, ExitReason, boolean]>([
    ['normal', 'normal', true],
    ['shutdown', 'shutdown', false],
    ['an error', { error: new Error('why') }, false],
  ])('after a stop with %s', async (_, reason, lives) => {
    const [a, b] = await pair();
    GenServer.link(a, b);
    await GenServer.stop(a, reason);
    expect(GenServer.isRunning(b)).toBe(lives);
  });

  test('a crash ends the whole group, also in a ring and with several links of a pair, each process once', async () => {
    const refs = await Promise.all(Array.from({ length: 6 }, () => startDoer({ onError: 'crash' })));
    refs.forEach((ref, i) => {
      GenServer.link(ref, refs[(i + 1) % 6]!);
      GenServer.link(refs[(i + 1) % 6]!, ref);
    });
    const outside = await startDoer();
    const events = recordEvents();
    GenServer.cast(refs[2]!, fail(new Error('bad')));
    expect(refs.map((ref) => GenServer.isRunning(ref))).toEqual(Array(6).fill(false));
    const terminated = events.filter(({ type }) => type === 'terminated').map(({ ref }) => ref.id);
    expect(terminated.sort()).toEqual(refs.map(({ id }) => id).sort());
    expect(GenServer.isRunning(outside)).toBe(true);
  });

  test('a chain of ten thousand links breaks to its end', async () => {
    const refs = await Promise.all(Array.from({ length: 10_000 }, () => startDoer()));
    for (let i = 1; i < refs.length; i += 1) GenServer.link(refs[i - 1]!, refs[i]!);
    GenServer.kill(refs[0]!);
    expect(refs.some((ref) => GenServer.isRunning(ref))).toBe(false);
  });

  test('unlink takes one link back; twice is no error', async () => {
    const [a, b] = await pair();
    const [one, two] = [GenServer.link(a, b), GenServer.link(a, b)];
    GenServer.unlink(one);
    GenServer.unlink(one);
    const third = await startDoer();
    GenServer.unlink(GenServer.link(a, third));
    GenServer.kill(a);
    expect([GenServer.isRunning(b), GenServer.isRunning(third)]).toEqual([false, true]);
    GenServer.unlink(two);
  });

  test('only running processes are linked', async () => {
    const [a, dead] = await pair();
    GenServer.kill(dead);
    for (const ref of [dead, NOBODY]) {
      expect(() => GenServer.link(a, ref)).toThrow(expect.objectContaining({ serverId: ref.id }));
      expect(() => GenServer.link(ref, a)).toThrow(ServerNotRunningError);
    }
    GenServer.kill(a);
  });

  test('a broken link ends a server that is at work: what waits is refused, its names are free', async () => {
    const [a, b] = [await startDoer(), await startDoer({ name: 'linked' })];
    GenServer.link(a, b);
    const hold = gate();
    GenServer.cast(b, holdUntil(hold));
    const waiting = GenServer.call(b, read).catch((error: unknown) => error);
    GenServer.kill(a, { error: new Error('why') });
    expect(Registry.isRegistered('linked')).toBe(false);
    expect(await waiting).toBeInstanceOf(ServerNotRunningError);
    hold.open();
  });

  test('a supervisor restarts a child that a broken link has ended', async () => {
    const peer = await startDoer();
    let child: Doer | undefined;
    const start = async (): Promise<Doer> => (child = await startDoer());
    const supervisor = await Supervisor.start({ children: [{ id: 'child', start }] });
    const first = child!;
    GenServer.link(first, peer);
    const restarted = new Promise((resolve) => {
      Supervisor.onLifecycleEvent((event) => {
        if (event.type === 'restarted') resolve(event.attempt);
      });
    });
    GenServer.kill(peer);
    expect(await restarted).toBe(1);
    expect([GenServer.isRunning(first), GenServer.isRunning(child!)]).toEqual([false, true]);
    await Supervisor.stop(supervisor);
  });

  describe('with trapExit', () => {
    const startTrapping = async (signals: ExitSignal[]) => {
      const behavior: ReturnType<typeof doing> = {
        ...doing(),
        handleInfo: (signal, done) => {
          signals.push(signal);
          return [...done, 'signal'];
        },
      };
      return GenServer.start(behavior, { trapExit: true });
    };

    test.each<[ExitReason]>([['shutdown'], [{ error: new Error('why') }]])(
      'an end with %p comes as a message, in its turn',
      async (reason) => {
        const signals: ExitSignal[] = [];
        const [ref, peer] = [await startTrapping(signals), await startDoer()];
        GenServer.link(peer, ref);
        const hold = gate();
        GenServer.cast(ref, holdUntil(hold));
        GenServer.kill(peer, reason);
        GenServer.cast(ref, (done) => [...done, 'behind']);
        expect(signals).toEqual([]);
        hold.open();
        await nextTurn();
        expect(await GenServer.call(ref, read)).toEqual(['held', 'signal', 'behind']);
        expect(signals).toEqual([{ type: 'EXIT', from: { id: peer.id, nodeId: 'local' }, reason }]);
      },
    );

    test("an end with 'normal' does not", async () => {
      const signals: ExitSignal[] = [];
      const [ref, peer] = [await startTrapping(signals), await startDoer()];
      GenServer.link(ref, peer);
      await GenServer.stop(peer);
      expect([await GenServer.call(ref, read), signals]).toEqual([[], []]);
    });

    test('it holds the chain: who is linked behind it lives on', async () => {
      const signals: ExitSignal[] = [];
      const [ref, before, behind] = [await startTrapping(signals), await startDoer(), await startDoer()];
      GenServer.link(before, ref);
      GenServer.link(ref, behind);
      GenServer.kill(before);
      await GenServer.call(ref, read);
      expect([signals.length, GenServer.isRunning(ref), GenServer.isRunning(behind)]).toEqual([
        1,
        true,
        true,
      ]);
      GenServer.kill(ref);
      expect(GenServer.isRunning(behind)).toBe(false);
    });

    test('without handleInfo the signal is of no consequence', async () => {
      const [ref, peer] = [await startDoer({ trapExit: true }), await startDoer()];
      GenServer.link(ref, peer);
      GenServer.kill(peer);
      expect([await GenServer.call(ref, read), GenServer.isRunning(ref)]).toEqual([[], true]);
    });

    test("a fault of handleInfo is told as an 'error' event with the signal, and the state stays", async () => {
      const behavior: GenServerBehavior<number, 'get', never, number> = {
        init: () => 7,
        handleCall: (_message, state) => [state, state],
        handleCast: (_message, state) => state,
        handleInfo: fail(new Error('info')),
      };
      const [ref, peer] = [await GenServer.start(behavior, { trapExit: true }), await startDoer()];
      GenServer.link(ref, peer);
      const events = recordEvents();
      GenServer.kill(peer);
      expect(await GenServer.call(ref, 'get')).toBe(7);
      const message = { type: 'EXIT', from: { id: peer.id, nodeId: 'local' }, reason: 'shutdown' };
      expect(events).toContainEqual({ type: 'error', ref, error: new Error('info'), message });
    });
  });

  test('LinkBrokenError is exported, and what a peer ends with', async () => {
    const [a, b] = await pair();
    GenServer.link(a, b);
    const events = recordEvents();
    GenServer.kill(a);
    const reason = (events[0] as Extract<LifecycleEvent, { type: 'terminated' }>).reason as { error: Error };
    expect(reason.error).toBeInstanceOf(LinkBrokenError);
  });
});
