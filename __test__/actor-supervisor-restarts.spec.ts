/** Which children a `Supervisor` restarts, and how often. Random faults are in `actor-faults`. */
import {
  GenServer,
  MaxRestartsExceededError,
  Supervisor,
  type ExitReason,
  type LifecycleEvent,
  type SupervisorRef,
  type SupervisorStrategy,
} from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { child, crash, gate, idsOf, refOf, settled, told, worker } from './lib/supervised';

afterEach(() => {
  reset();
  jest.restoreAllMocks();
});

describe('who is restarted', () => {
  const fault: ExitReason = { error: new Error('fault') };

  test.each<['permanent' | 'transient' | 'temporary', ExitReason, boolean]>([
    ['permanent', 'normal', true],
    ['permanent', 'shutdown', true],
    ['permanent', fault, true],
    ['transient', 'normal', false],
    ['transient', 'shutdown', false],
    ['transient', fault, true],
    ['temporary', 'normal', false],
    ['temporary', 'shutdown', false],
    ['temporary', fault, false],
  ])('a %s child after %j: %p', async (restart, reason, comesBack) => {
    const log: string[] = [];
    const supervisor = await Supervisor.start({ children: [child('a', log, { restart })] });
    const before = refOf(supervisor, 'a');
    const next = comesBack ? told('restarted') : told('terminated');
    await GenServer.stop(before, reason);
    const event = await next;
    if (comesBack) {
      expect(event).toEqual({ type: 'restarted', ref: refOf(supervisor, 'a'), attempt: 1 });
      expect(refOf(supervisor, 'a')).not.toEqual(before);
      expect(Supervisor.getChild(supervisor, 'a')!.restartCount).toBe(1);
    } else {
      expect(event).toEqual({ type: 'terminated', ref: before, reason });
      expect([idsOf(supervisor), Supervisor.getChild(supervisor, 'a')]).toEqual([[], undefined]);
    }
    await settled();
    expect(log.filter((line) => line === '+a').length).toBe(comesBack ? 2 : 1);
  });

  test('a handler that throws in a server with onError crash brings about a restart; without, none', async () => {
    const supervisor = await Supervisor.start({
      children: [child('frail'), { id: 'tough', start: () => GenServer.start(worker()) }],
    });
    GenServer.onLifecycleEvent(() => {}); // an error of the tough one is an event, not a warning
    const [frail, tough] = [refOf(supervisor, 'frail'), refOf(supervisor, 'tough')];
    const restarted = told('restarted');
    GenServer.cast(tough, 'throw');
    await expect(GenServer.call(frail, 'throw')).rejects.toThrow('frail was told to');
    expect((await restarted).ref).toEqual(refOf(supervisor, 'frail'));
    expect([GenServer.isRunning(frail), GenServer.isRunning(tough)]).toEqual([false, true]);
  });

  test('the restart begins before any timer or I/O has its turn', async () => {
    const supervisor = await Supervisor.start({ children: [child('a')] });
    const before = refOf(supervisor, 'a');
    crash(before);
    await settled();
    expect(GenServer.isRunning(refOf(supervisor, 'a'))).toBe(true);
  });

  test.each<[SupervisorStrategy, string[], string[]]>([
    ['one_for_one', ['-b crash', '+b'], ['b']],
    [
      'one_for_all',
      ['-b crash', '-d shutdown', '-c shutdown', '-a shutdown', '+a', '+b', '+c', '+d'],
      ['a', 'b', 'c', 'd'],
    ],
    ['rest_for_one', ['-b crash', '-d shutdown', '-c shutdown', '+b', '+c', '+d'], ['b', 'c', 'd']],
  ])('%s', async (strategy, expected, changed) => {
    const log: string[] = [];
    const ids = ['a', 'b', 'c', 'd'];
    const supervisor = await Supervisor.start({ strategy, children: ids.map((id) => child(id, log)) });
    const before = ids.map((id) => refOf(supervisor, id));
    log.length = 0;
    const events: LifecycleEvent[] = [];
    Supervisor.onLifecycleEvent((event) => events.push(event));
    const restarted = told('restarted');
    crash(before[1]!);
    await restarted;
    await settled();
    expect(log).toEqual(expected);
    expect(idsOf(supervisor)).toEqual(ids);
    expect(ids.filter((id, index) => refOf(supervisor, id).id !== before[index]!.id)).toEqual(changed);
    // One event, and one count: those of the child that failed.
    expect(events).toEqual([{ type: 'restarted', ref: refOf(supervisor, 'b'), attempt: 1 }]);
    expect(Supervisor.getChildren(supervisor).map(({ restartCount }) => restartCount)).toEqual([0, 1, 0, 0]);
  });

  test('temporary siblings that go down with a group do not come back', async () => {
    const supervisor = await Supervisor.start({
      strategy: 'one_for_all',
      children: [
        child('a'),
        child('b', [], { restart: 'temporary' }),
        child('c', [], { restart: 'transient' }),
      ],
    });
    const restarted = told('restarted');
    crash(refOf(supervisor, 'a'));
    await restarted;
    expect(idsOf(supervisor)).toEqual(['a', 'c']);
  });

  test('two children that fall at the same time bring one restart of their group', async () => {
    const log: string[] = [];
    const supervisor = await Supervisor.start({
      strategy: 'one_for_all',
      restartIntensity: { maxRestarts: 1 },
      children: [child('a', log), child('b', log), child('c', log)],
    });
    log.length = 0;
    crash(refOf(supervisor, 'a'));
    crash(refOf(supervisor, 'c'));
    await settled();
    expect(log).toEqual(['-a crash', '-c crash', '-b shutdown', '+a', '+b', '+c']);
    expect(Supervisor.isRunning(supervisor)).toBe(true);
  });

  test('a sibling with a slow start is started once in a restart of the group', async () => {
    const log: string[] = [];
    const gates = [gate()];
    gates[0]!.open();
    const slow = (id: string) => ({
      id,
      start: async () => {
        log.push(`start ${id}`);
        await gates.at(-1)!.promise;
        return GenServer.start(worker(id));
      },
    });
    const supervisor = await Supervisor.start({
      strategy: 'one_for_all',
      children: [child('a'), slow('b'), slow('c')],
    });
    log.length = 0;
    gates.push(gate());
    const restarted = told('restarted');
    crash(refOf(supervisor, 'a'));
    await settled();
    expect(log).toEqual(['start b']);
    gates.at(-1)!.open();
    await restarted;
    await settled();
    expect(log).toEqual(['start b', 'start c']);
    expect(idsOf(supervisor).every((id) => GenServer.isRunning(refOf(supervisor, id)))).toBe(true);
  });

  test('a child that falls while its group is brought up makes that begin anew', async () => {
    const log: string[] = [];
    let held = gate();
    held.open();
    const supervisor = await Supervisor.start({
      strategy: 'one_for_all',
      children: [
        child('a', log),
        { id: 'b', start: () => held.promise.then(() => GenServer.start(worker('b', log))) },
      ],
    });
    held = gate();
    log.length = 0;
    crash(refOf(supervisor, 'a'));
    await settled();
    crash(refOf(supervisor, 'a'), 'again');
    await settled();
    const restarted = told('restarted');
    held.open();
    await restarted;
    await settled();
    expect(log.slice(0, 4)).toEqual(['-a crash', '-b shutdown', '+a', '-a again']);
    expect(log.slice(-2)).toEqual(['+a', '+b']);
    expect([
      GenServer.isRunning(refOf(supervisor, 'a')),
      GenServer.isRunning(refOf(supervisor, 'b')),
    ]).toEqual([true, true]);
  });

  test('children are restarted while the timers are fake ones', async () => {
    jest.useFakeTimers();
    try {
      const supervisor = await Supervisor.start({ children: [child('a')] });
      const before = refOf(supervisor, 'a').id;
      crash(refOf(supervisor, 'a'));
      for (let microtasks = 0; microtasks < 100; microtasks++) await Promise.resolve();
      expect(refOf(supervisor, 'a').id).not.toBe(before);
    } finally {
      jest.useRealTimers();
    }
  });
});

describe('intensity', () => {
  /** Crashes a child so often, each time when it runs again. */
  async function crashTimes(supervisor: SupervisorRef, id: string, times: number): Promise<void> {
    for (let time = 0; time < times; time++) {
      const restarted = told('restarted');
      crash(refOf(supervisor, id), `crash ${time + 1}`);
      await restarted;
    }
  }

  test('three restarts are allowed by default; with the fourth fault it stops its children in reverse and ends', async () => {
    const log: string[] = [];
    const supervisor = await Supervisor.start({
      children: [child('a', log), child('b', log), child('c', log)],
    });
    const events: LifecycleEvent[] = [];
    const ended = Supervisor.whenTerminated(supervisor);
    await crashTimes(supervisor, 'b', 3);
    expect(Supervisor.isRunning(supervisor)).toBe(true);
    Supervisor.onLifecycleEvent((event) => events.push(event));
    log.length = 0;
    crash(refOf(supervisor, 'b'), 'the last');
    const error: unknown = await ended.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(MaxRestartsExceededError);
    expect(error).toMatchObject({
      name: 'MaxRestartsExceededError',
      code: 'ERR_ACTOR_MAX_RESTARTS_EXCEEDED',
      supervisorId: supervisor.id,
      maxRestarts: 3,
      withinMs: 5000,
      message: `Supervisor '${supervisor.id}' exceeded max restarts (3 within 5000ms)`,
      cause: { message: 'the last' },
    });
    expect(log).toEqual(['-b the last', '-c shutdown', '-a shutdown']);
    expect(events).toEqual([
      { type: 'crashed', ref: supervisor, error },
      { type: 'terminated', ref: supervisor, reason: { error } },
    ]);
    expect(Supervisor.isRunning(supervisor)).toBe(false);
    expect(() => Supervisor.getChildren(supervisor)).toThrow(`Supervisor '${supervisor.id}' not found`);
  });

  test('with 0 the first fault is one too many', async () => {
    const supervisor = await Supervisor.start({
      restartIntensity: { maxRestarts: 0 },
      children: [child('a')],
    });
    const ended = Supervisor.whenTerminated(supervisor);
    crash(refOf(supervisor, 'a'));
    await expect(ended).rejects.toThrow(MaxRestartsExceededError);
  });

  test('the end of a child that is not restarted does not count', async () => {
    const supervisor = await Supervisor.start({
      restartIntensity: { maxRestarts: 0 },
      children: [child('a', [], { restart: 'temporary' }), child('b', [], { restart: 'transient' })],
    });
    crash(refOf(supervisor, 'a'));
    await GenServer.stop(refOf(supervisor, 'b'));
    await settled();
    expect([Supervisor.isRunning(supervisor), idsOf(supervisor)]).toEqual([true, []]);
  });

  test('the window slides: restarts that are older than it do not count', async () => {
    let time = Date.now();
    jest.spyOn(Date, 'now').mockImplementation(() => time);
    const supervisor = await Supervisor.start({
      restartIntensity: { maxRestarts: 2, withinMs: 1000 },
      children: [child('a')],
    });
    const ended = Supervisor.whenTerminated(supervisor);
    for (let round = 0; round < 5; round++) {
      await crashTimes(supervisor, 'a', 1);
      time += 501;
    }
    await crashTimes(supervisor, 'a', 1);
    crash(refOf(supervisor, 'a'));
    await expect(ended).rejects.toThrow(MaxRestartsExceededError);
  });

  test('the faults of all children count together, a restart by hand does not', async () => {
    const supervisor = await Supervisor.start({
      restartIntensity: { maxRestarts: 2 },
      children: [child('a'), child('b')],
    });
    const ended = Supervisor.whenTerminated(supervisor);
    for (let time = 0; time < 5; time++) await Supervisor.restartChild(supervisor, 'a');
    await crashTimes(supervisor, 'a', 1);
    await crashTimes(supervisor, 'b', 1);
    expect(Supervisor.isRunning(supervisor)).toBe(true);
    crash(refOf(supervisor, 'a'));
    await expect(ended).rejects.toThrow(MaxRestartsExceededError);
  });

  test('the restart of a group counts once', async () => {
    const supervisor = await Supervisor.start({
      strategy: 'one_for_all',
      restartIntensity: { maxRestarts: 3 },
      children: ['a', 'b', 'c', 'd'].map((id) => child(id)),
    });
    await crashTimes(supervisor, 'a', 3);
    expect(Supervisor.isRunning(supervisor)).toBe(true);
  });

  test('a start that fails in a restart is tried again, each time as one restart more', async () => {
    let starts = 0;
    const start = () => {
      starts += 1;
      if (starts === 2 || starts === 3) throw new Error('not yet');
      return GenServer.start(worker());
    };
    const supervisor = await Supervisor.start({
      restartIntensity: { maxRestarts: 3 },
      children: [{ id: 'a', start }],
    });
    await crashTimes(supervisor, 'a', 1);
    expect([starts, Supervisor.getChild(supervisor, 'a')!.restartCount]).toEqual([4, 1]);
    const ended = Supervisor.whenTerminated(supervisor);
    crash(refOf(supervisor, 'a'));
    await expect(ended).rejects.toThrow(MaxRestartsExceededError);
  });

  test.each(['one_for_one', 'one_for_all', 'rest_for_one'] as const)(
    '%s: a start that never succeeds again makes it give up, with that error as the cause',
    async (strategy) => {
      const log: string[] = [];
      let starts = 0;
      const start = () => {
        starts += 1;
        return starts === 1 ? GenServer.start(worker()) : Promise.reject(new Error('never again'));
      };
      const supervisor = await Supervisor.start({
        strategy,
        children: [child('a', log), { id: 'b', start }],
      });
      const ended = Supervisor.whenTerminated(supervisor);
      crash(refOf(supervisor, 'b'));
      await expect(ended).rejects.toMatchObject({
        name: 'MaxRestartsExceededError',
        cause: { message: 'never again' },
      });
      expect(starts).toBe(4);
      expect(log.at(-1)).toBe('-a shutdown');
    },
  );

  test('without a limit, what crashes on and on leaves timers their turn', async () => {
    let stopped = false;
    const supervisor = await Supervisor.start({
      restartIntensity: { maxRestarts: Infinity },
      children: [
        {
          id: 'a',
          start: async () => {
            const ref = await GenServer.start(worker());
            if (!stopped) queueMicrotask(() => crash(ref));
            return ref;
          },
        },
      ],
    });
    await new Promise((resolve) => setTimeout(resolve, 1));
    stopped = true;
    await Supervisor.stop(supervisor);
    expect(Supervisor.isRunning(supervisor)).toBe(false);
  });

  test('without a limit, of many children that fall at once a hundred are restarted in each turn, in their order', async () => {
    const started: string[] = [];
    const ids = Array.from({ length: 350 }, (_, n) => String(n));
    const supervisor = await Supervisor.start({
      restartIntensity: { maxRestarts: Infinity },
      children: ids.map((id) => ({
        id,
        start: () => {
          started.push(id);
          return GenServer.start(worker());
        },
      })),
    });
    started.length = 0;
    for (const id of ids) crash(refOf(supervisor, id));
    const turns: number[] = [];
    while (started.length < ids.length) {
      const before = started.length;
      await new Promise((resolve) => setImmediate(resolve));
      turns.push(started.length - before);
    }
    expect(Math.max(...turns)).toBeLessThanOrEqual(100);
    expect(started).toEqual(ids);
  });
});
