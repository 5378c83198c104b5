/** `Supervisor`: starts, restarts, intensity, nesting, children that come and go, and the end. Random faults are in `actor-faults`. */
import {
  ChildNotFoundError,
  DuplicateChildError,
  GenServer,
  InitializationError,
  InvalidSimpleOneForOneConfigError,
  MaxRestartsExceededError,
  MissingChildTemplateError,
  Registry,
  Supervisor,
  type AutoShutdown,
  type ChildRef,
  type ExitReason,
  type LifecycleEvent,
  type SupervisorOptions,
  type SupervisorRef,
  type SupervisorStrategy,
} from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { untyped } from './fixtures/parallel';
import { inChild, toldBy } from './lib/child';
import {
  child,
  crash,
  failureOf,
  gate,
  idsOf,
  refOf,
  settled,
  told,
  worker,
  type WorkerRef,
} from './lib/supervised';

afterEach(() => {
  reset();
  jest.restoreAllMocks();
});

const ACTOR = `const { GenServer, Supervisor } = require('./dist/actor');
  const behavior = { init: () => 0, handleCall: (m, s) => [s, s], handleCast: (m, s) => s };
  const crash = (ref) => GenServer.kill(ref, { error: new Error('crash') });
  const worker = (id) => ({ id, start: () => GenServer.start(behavior) });`;

describe('the documented examples', () => {
  test('a counter under supervision', async () => {
    const counterBehavior = {
      init: () => 0,
      handleCall: (_msg: 'get', state: number) => [state, state] as const,
      handleCast: (msg: 'inc' | 'dec', state: number) => (msg === 'inc' ? state + 1 : state - 1),
    };

    const supervisor = await Supervisor.start({
      strategy: 'one_for_one',
      children: [
        {
          id: 'counter',
          start: async () => {
            const ref = await GenServer.start(counterBehavior);
            Registry.register('counter', ref);
            return ref;
          },
        },
      ],
    });

    const counter = Registry.lookup<number, 'get', 'inc' | 'dec', number>('counter');
    GenServer.cast(counter, 'inc');
    GenServer.cast(counter, 'inc');
    const value = await GenServer.call(counter, 'get');
    expect(value).toBe(2);

    const restarted = told('restarted');
    crash(counter);
    await restarted;
    expect(await GenServer.call(Registry.lookup<number, 'get'>('counter'), 'get')).toBe(0);

    await Supervisor.stop(supervisor);
    expect([Registry.isRegistered('counter'), Supervisor.isRunning(supervisor)]).toEqual([false, false]);
  });

  test('three kinds of restart, and a child that is added and terminated', async () => {
    const workerBehavior = worker();
    const supervisor = await Supervisor.start({
      strategy: 'one_for_one',
      restartIntensity: { maxRestarts: 3, withinMs: 5000 },
      children: [
        {
          id: 'worker-1',
          restart: 'permanent', // Always restart
          start: () => GenServer.start(workerBehavior),
        },
        {
          id: 'worker-2',
          restart: 'transient', // Restart only on abnormal exit
          start: () => GenServer.start(workerBehavior),
        },
        {
          id: 'worker-3',
          restart: 'temporary', // Never restart
          start: () => GenServer.start(workerBehavior),
        },
      ],
    });

    await Supervisor.startChild(supervisor, {
      id: 'worker-4',
      start: () => GenServer.start(workerBehavior),
    });
    await Supervisor.terminateChild(supervisor, 'worker-4');

    const children = Supervisor.getChildren(supervisor);
    expect(children.length).toBe(3);
    await Supervisor.stop(supervisor);
  });
});

describe('start', () => {
  test('children start one after another, in order', async () => {
    const log: string[] = [];
    const first = gate();
    const starting = Supervisor.start({
      children: [
        { id: 'a', start: () => first.promise.then(() => GenServer.start(worker('a', log))) },
        child('b', log),
      ],
    });
    await settled();
    expect(log).toEqual([]);
    first.open();
    const supervisor = await starting;
    expect([log, idsOf(supervisor), Supervisor.countChildren(supervisor)]).toEqual([
      ['+a', '+b'],
      ['a', 'b'],
      2,
    ]);
    expect(supervisor.id).toMatch(/^supervisor_\d+_[0-9a-z]+$/);
  });

  test('where one fails, those before it are stopped in reverse, the error is its own, and there is no event', async () => {
    const log: string[] = [];
    const events: LifecycleEvent[] = [];
    Supervisor.onLifecycleEvent((event) => events.push(event));
    const broken = {
      ...worker(),
      init: (): number => {
        throw new Error('no disk');
      },
    };
    const starting = Supervisor.start({
      children: [
        child('a', log),
        child('b', log),
        { id: 'c', start: () => GenServer.start(broken) },
        child('d', log),
      ],
    });
    await expect(starting).rejects.toThrow(InitializationError);
    await expect(starting).rejects.toMatchObject({ cause: { message: 'no disk' } });
    expect(log).toEqual(['+a', '+b', '-b shutdown', '-a shutdown']);
    expect(events).toEqual([]);
  });

  test('a start that throws, gives nothing, or gives what is no process fails the same', async () => {
    const start = (childStart: () => unknown) =>
      Supervisor.start({ children: [{ id: 'a', start: untyped(childStart) }] });
    const thrown = new Error('thrown');
    await expect(
      start(() => {
        throw thrown;
      }),
    ).rejects.toBe(thrown);
    for (const given of [undefined, null, 42, {}, { id: 7 }])
      await expect(start(() => given)).rejects.toMatchObject({
        name: 'TypeError',
        code: 'ERR_ACTOR_INVALID_TYPE',
      });
  });

  test('a child that ends before the last one has started is restarted', async () => {
    const log: string[] = [];
    const second = gate();
    const starting = Supervisor.start({
      children: [
        child('a', log),
        { id: 'b', start: () => second.promise.then(() => GenServer.start(worker('b', log))) },
      ],
    });
    let first: WorkerRef | undefined;
    GenServer.onLifecycleEvent((event) => {
      if (event.type === 'started') first ??= event.ref;
    });
    await settled();
    crash(first!);
    await settled();
    second.open();
    await starting;
    expect(log.filter((line) => line === '+a')).toEqual(['+a', '+a']);
  });

  test('a child that has ended already when its start resolves counts as ended', async () => {
    let starts = 0;
    const supervisor = await Supervisor.start({
      children: [
        {
          id: 'a',
          restart: 'transient',
          start: async () => {
            const ref = await GenServer.start(worker());
            if (++starts === 1) crash(ref);
            else if (starts === 2) await GenServer.stop(ref);
            return ref;
          },
        },
        child('b'),
      ],
    });
    await settled();
    expect([starts, idsOf(supervisor)]).toEqual([2, ['b']]);
  });

  test('a supervisor is known by its name while it runs, and a name in use starts nothing', async () => {
    const log: string[] = [];
    const supervisor = await Supervisor.start({ name: 'tree', children: [child('a', log)] });
    expect(Registry.whereis('tree')).toBe(supervisor);
    await expect(Supervisor.start({ name: 'tree', children: [child('b', log)] })).rejects.toMatchObject({
      name: 'AlreadyRegisteredError',
      registeredName: 'tree',
    });
    await Supervisor.stop(supervisor);
    expect(Registry.isRegistered('tree')).toBe(false);
    expect(log).toEqual(['+a', '-a shutdown']);
  });

  test('without options it has no children', async () => {
    const supervisor = await Supervisor.start();
    expect([Supervisor.getChildren(supervisor), Supervisor.isRunning(supervisor)]).toEqual([[], true]);
  });

  test('two children of one id are refused before any starts', async () => {
    const log: string[] = [];
    const starting = Supervisor.start({ children: [child('a', log), child('a', log)] });
    await expect(starting).rejects.toThrow(DuplicateChildError);
    await expect(starting).rejects.toMatchObject({
      childId: 'a',
      supervisorId: expect.stringMatching(/^supervisor_/),
    });
    expect(log).toEqual([]);
  });

  test.each<[string, unknown, string]>([
    ['strategy', { strategy: 'one_for_two' }, 'ERR_ACTOR_OUT_OF_RANGE'],
    ['strategy', { strategy: 1 }, 'ERR_ACTOR_INVALID_TYPE'],
    ['children', { children: 'a' }, 'ERR_ACTOR_INVALID_TYPE'],
    ['children', { children: [undefined] }, 'ERR_ACTOR_INVALID_TYPE'],
    ['children', { children: [{ id: 1, start: () => {} }] }, 'ERR_ACTOR_INVALID_TYPE'],
    ['start', { children: [{ id: 'a' }] }, 'ERR_ACTOR_INVALID_TYPE'],
    ['restart', { children: [{ ...child('a'), restart: 'always' }] }, 'ERR_ACTOR_OUT_OF_RANGE'],
    ['shutdownTimeout', { children: [{ ...child('a'), shutdownTimeout: -1 }] }, 'ERR_ACTOR_OUT_OF_RANGE'],
    [
      'shutdownTimeout',
      { children: [{ ...child('a'), shutdownTimeout: Number.NaN }] },
      'ERR_ACTOR_OUT_OF_RANGE',
    ],
    ['significant', { children: [{ ...child('a'), significant: 1 }] }, 'ERR_ACTOR_INVALID_TYPE'],
    ['maxRestarts', { restartIntensity: { maxRestarts: -1 } }, 'ERR_ACTOR_OUT_OF_RANGE'],
    ['maxRestarts', { restartIntensity: { maxRestarts: 1.5 } }, 'ERR_ACTOR_OUT_OF_RANGE'],
    ['withinMs', { restartIntensity: { withinMs: '1s' } }, 'ERR_ACTOR_INVALID_TYPE'],
    ['autoShutdown', { autoShutdown: 'always' }, 'ERR_ACTOR_OUT_OF_RANGE'],
    ['name', { name: '' }, 'ERR_ACTOR_OUT_OF_RANGE'],
    ['options', 7, 'ERR_ACTOR_INVALID_TYPE'],
  ])('a wrong %s is named: %j', async (option, options, code) => {
    const starting = Supervisor.start(options as SupervisorOptions);
    await expect(starting).rejects.toMatchObject({ code });
    await expect(starting).rejects.toThrow(option);
  });
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
});

describe('nesting', () => {
  const inner = (log: string[], options: SupervisorOptions = {}) => ({
    id: 'inner',
    start: () =>
      Supervisor.start({
        restartIntensity: { maxRestarts: 1 },
        children: [child('x', log), child('y', log)],
        ...options,
      }),
  });
  const innerOf = (outer: SupervisorRef): SupervisorRef => Supervisor.getChild(outer, 'inner')!.ref;

  test('a supervisor as a child restarts its own children; the one above it does nothing', async () => {
    const log: string[] = [];
    const outer = await Supervisor.start({ children: [inner(log)] });
    const before = innerOf(outer);
    const restarted = told('restarted');
    crash(refOf(before, 'x'));
    expect((await restarted).ref).toEqual(refOf(before, 'x'));
    await settled();
    expect(innerOf(outer)).toBe(before);
    expect(Supervisor.getChild(outer, 'inner')!.restartCount).toBe(0);
  });

  test('one that gives up is restarted, with all its children, by the one above it', async () => {
    const log: string[] = [];
    const outer = await Supervisor.start({ children: [child('a', log), inner(log)] });
    const before = innerOf(outer);
    let restarted = told('restarted');
    crash(refOf(before, 'x'));
    await restarted;
    log.length = 0;
    restarted = told('restarted', ({ ref }) => ref.id.startsWith('supervisor'));
    crash(refOf(before, 'x'));
    await restarted;
    expect(log).toEqual(['-x crash', '-y shutdown', '+x', '+y']);
    expect(innerOf(outer)).not.toEqual(before);
    expect([idsOf(innerOf(outer)), Supervisor.isRunning(before)]).toEqual([['x', 'y'], false]);
    expect(Supervisor.getChild(outer, 'inner')!.restartCount).toBe(1);
  });

  test('a fault that no restart mends goes up to the top, and nothing is left', async () => {
    const log: string[] = [];
    const cursed = {
      id: 'cursed',
      start: async () => {
        const ref = await GenServer.start(worker('cursed', log));
        queueMicrotask(() => crash(ref));
        return ref;
      },
    };
    const top = await Supervisor.start({
      restartIntensity: { maxRestarts: 2 },
      children: [
        child('a', log),
        {
          id: 'middle',
          start: () => Supervisor.start({ children: [inner(log, { children: [child('x', log), cursed] })] }),
        },
      ],
    });
    await expect(Supervisor.whenTerminated(top)).rejects.toMatchObject({
      supervisorId: top.id,
      cause: { name: 'MaxRestartsExceededError' },
    });
    const starts = log.filter((line) => line.startsWith('+')).map((line) => line.slice(1));
    const ends = log.filter((line) => line.startsWith('-')).map((line) => line.slice(1).split(' ')[0]!);
    expect(ends.toSorted()).toEqual(starts.toSorted());
  });

  test('a stop goes down the tree, in reverse', async () => {
    const log: string[] = [];
    const outer = await Supervisor.start({ children: [child('a', log), inner(log), child('b', log)] });
    const below = innerOf(outer);
    log.length = 0;
    await Supervisor.stop(outer);
    expect(log).toEqual(['-b shutdown', '-y shutdown', '-x shutdown', '-a shutdown']);
    expect(Supervisor.isRunning(below)).toBe(false);
  });

  test('stopped by hand, a transient one is not restarted and a permanent one is', async () => {
    const log: string[] = [];
    const outer = await Supervisor.start({
      children: [inner(log), { ...inner(log), id: 'passing', restart: 'transient' }],
    });
    const restarted = told('restarted');
    await Supervisor.stop(Supervisor.getChild(outer, 'passing')!.ref);
    await Supervisor.stop(innerOf(outer));
    await restarted;
    await settled();
    expect([idsOf(outer), Supervisor.isRunning(innerOf(outer))]).toEqual([['inner'], true]);
  });
});

describe('whenTerminated', () => {
  test('resolves with the reason, also after the end, and the same for all', async () => {
    const supervisor = await Supervisor.start({ children: [child('a')] });
    const early = Supervisor.whenTerminated(supervisor);
    await Supervisor.stop(supervisor, 'shutdown');
    expect([await early, await Supervisor.whenTerminated(supervisor)]).toEqual(['shutdown', 'shutdown']);
    await expect(Supervisor.whenTerminated({ id: 'supervisor_0_none' })).rejects.toThrow(
      "Supervisor 'supervisor_0_none' not found",
    );
  });

  test('one that gives up unasked is an unhandled rejection, which ends a program', async () => {
    const { code, stderr } = await inChild(`${ACTOR}
      const supervisor = await Supervisor.start({ restartIntensity: { maxRestarts: 0 }, children: [worker('a')] });
      crash(Supervisor.getChild(supervisor, 'a').ref);`);
    expect(code).toBe(1);
    expect(stderr).toContain('exceeded max restarts (0 within 5000ms)');
  });

  test('asked for before, or below another supervisor, it is none', async () => {
    const [error, restarts] = await toldBy(`${ACTOR}
      const asked = await Supervisor.start({ restartIntensity: { maxRestarts: 0 }, children: [worker('a')] });
      const ended = Supervisor.whenTerminated(asked);
      crash(Supervisor.getChild(asked, 'a').ref);
      await tell(await ended.catch((error) => error.name));
      const start = () => Supervisor.start({ restartIntensity: { maxRestarts: 0 }, children: [worker('a')] });
      const outer = await Supervisor.start({ children: [{ id: 'inner', start }] });
      const restarted = new Promise((resolve) => Supervisor.onLifecycleEvent((event) => event.type === 'restarted' && resolve(event)));
      crash(Supervisor.getChild(Supervisor.getChild(outer, 'inner').ref, 'a').ref);
      await tell((await restarted).attempt);
      await Supervisor.stop(outer);
      process.disconnect();`);
    expect([error, restarts]).toEqual(['MaxRestartsExceededError', 1]);
  });
});

describe('children that come and go', () => {
  test('startChild adds a child behind the others, and it is watched', async () => {
    const supervisor = await Supervisor.start({ children: [child('a')] });
    const ref = await Supervisor.startChild(supervisor, child('b'));
    expect(Supervisor.getChildren(supervisor)[1]).toMatchObject({
      id: 'b',
      ref,
      restartCount: 0,
      spec: { id: 'b' },
    });
    const restarted = told('restarted');
    crash(ref);
    expect((await restarted).ref).toEqual(refOf(supervisor, 'b'));
  });

  test('of several starts of one id at the same time, one succeeds and nothing is left of the others', async () => {
    const log: string[] = [];
    const supervisor = await Supervisor.start();
    const results = await Promise.allSettled(
      [1, 2, 3].map(() => Supervisor.startChild(supervisor, child('a', log))),
    );
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(results[1]).toMatchObject({
      reason: { name: 'DuplicateChildError', supervisorId: supervisor.id, childId: 'a' },
    });
    expect([idsOf(supervisor), log]).toEqual([['a'], ['+a']]);
  });

  test('where the first start fails, startChild rejects with its error and there is no such child', async () => {
    const supervisor = await Supervisor.start();
    const error = new Error('no');
    const starting = Supervisor.startChild(supervisor, { id: 'a', start: () => Promise.reject(error) });
    await expect(starting).rejects.toBe(error);
    expect(idsOf(supervisor)).toEqual([]);
    await Supervisor.startChild(supervisor, child('a'));
    expect(idsOf(supervisor)).toEqual(['a']);
  });

  test('a terminated child stays away, whatever its kind of restart', async () => {
    const log: string[] = [];
    const supervisor = await Supervisor.start({ children: [child('a', log), child('b', log)] });
    await Supervisor.terminateChild(supervisor, 'b');
    await settled();
    expect([log, idsOf(supervisor)]).toEqual([['+a', '+b', '-b shutdown'], ['a']]);
    await Supervisor.stop(supervisor);
    expect(log).toEqual(['+a', '+b', '-b shutdown', '-a shutdown']);
  });

  test('two that terminate the same child both wait until it is down', async () => {
    const held = gate();
    const supervisor = await Supervisor.start({
      children: [{ id: 'a', start: () => GenServer.start({ ...worker(), terminate: () => held.promise }) }],
    });
    let done = 0;
    const both = [1, 2].map(() => Supervisor.terminateChild(supervisor, 'a').then(() => (done += 1)));
    await settled();
    expect(done).toBe(0);
    held.open();
    await Promise.all(both);
    await expect(Supervisor.terminateChild(supervisor, 'a')).rejects.toThrow(ChildNotFoundError);
  });

  test('a child that is terminated while it is restarted does not come back', async () => {
    const log: string[] = [];
    let held = gate();
    held.open();
    const supervisor = await Supervisor.start({
      children: [{ id: 'a', start: () => held.promise.then(() => GenServer.start(worker('a', log))) }],
    });
    held = gate();
    crash(refOf(supervisor, 'a'));
    await settled();
    const gone = Supervisor.terminateChild(supervisor, 'a');
    held.open();
    await gone;
    await settled();
    expect(log).toEqual(['+a', '-a crash', '+a', '-a shutdown']);
    expect(idsOf(supervisor)).toEqual([]);
  });

  test('restartChild stops and starts a child, and gives the new reference', async () => {
    const log: string[] = [];
    const supervisor = await Supervisor.start({ children: [child('a', log), child('b', log)] });
    const before = refOf(supervisor, 'a');
    const ref = await Supervisor.restartChild(supervisor, 'a');
    await settled();
    expect(log).toEqual(['+a', '+b', '-a shutdown', '+a']);
    expect(ref).not.toEqual(before);
    expect(Supervisor.getChildren(supervisor).map(({ id, restartCount }) => [id, restartCount])).toEqual([
      ['a', 1],
      ['b', 0],
    ]);
    expect(refOf(supervisor, 'a')).toBe(ref);
  });

  test('several restarts of a child with a slow start are one, also together with one because of a fault', async () => {
    const log: string[] = [];
    let held = gate();
    held.open();
    const supervisor = await Supervisor.start({
      strategy: 'one_for_all',
      children: [
        {
          id: 'a',
          start: async () => {
            log.push('start');
            await held.promise;
            return GenServer.start(worker());
          },
        },
      ],
    });
    for (const begin of [() => {}, () => crash(refOf(supervisor, 'a'))]) {
      log.length = 0;
      held = gate();
      begin();
      const restarts = [1, 2, 3].map(() => Supervisor.restartChild(supervisor, 'a'));
      await settled();
      restarts.push(Supervisor.restartChild(supervisor, 'a'));
      held.open();
      const refs = await Promise.all(restarts);
      await settled();
      expect(log).toEqual(['start']);
      expect(new Set(refs.map(({ id }) => id))).toEqual(new Set([refOf(supervisor, 'a').id]));
    }
  });

  test('a restart by hand whose start fails rejects with that error, and the supervisor sees to the child', async () => {
    let starts = 0;
    const supervisor = await Supervisor.start({
      children: [
        {
          id: 'a',
          start: () => {
            starts += 1;
            return starts === 2 ? Promise.reject(new Error('not now')) : GenServer.start(worker());
          },
        },
      ],
    });
    const restarted = told('restarted');
    await expect(Supervisor.restartChild(supervisor, 'a')).rejects.toThrow('not now');
    await restarted;
    expect([starts, GenServer.isRunning(refOf(supervisor, 'a'))]).toEqual([3, true]);
  });

  test('a child and a supervisor that are not there are named', async () => {
    const supervisor = await Supervisor.start();
    for (const call of [Supervisor.terminateChild, Supervisor.restartChild])
      await expect(call(supervisor, 'none')).rejects.toMatchObject({
        name: 'ChildNotFoundError',
        message: `Child 'none' not found in supervisor '${supervisor.id}'`,
        supervisorId: supervisor.id,
        childId: 'none',
      });
    const server = await GenServer.start(worker());
    for (const gone of [{ id: 'nobody' }, untyped(server) as SupervisorRef]) {
      const message = `Supervisor '${gone.id}' not found`;
      expect(() => Supervisor.getChildren(gone)).toThrow(message);
      expect(() => Supervisor.getChild(gone, 'a')).toThrow(message);
      expect(() => Supervisor.countChildren(gone)).toThrow(message);
      await expect(Supervisor.startChild(gone, child('a'))).rejects.toThrow(message);
      await expect(Supervisor.terminateChild(gone, 'a')).rejects.toThrow(message);
      await expect(Supervisor.restartChild(gone, 'a')).rejects.toThrow(message);
      expect(Supervisor.isRunning(gone)).toBe(false);
      await Supervisor.stop(gone);
    }
    expect(GenServer.isRunning(server)).toBe(true);
    expect(() => Supervisor.isRunning(untyped(undefined))).toThrow(
      expect.objectContaining({ code: 'ERR_ACTOR_INVALID_TYPE' }),
    );
  });
});

describe('stop', () => {
  test('children are told shutdown, in reverse order, each when the one before is down; the event has the reason', async () => {
    const log: string[] = [];
    const held = gate();
    const slow = { ...worker('b', log), terminate: () => held.promise.then(() => void log.push('-b')) };
    const supervisor = await Supervisor.start({
      children: [child('a', log), { id: 'b', start: () => GenServer.start(slow) }, child('c', log)],
    });
    log.length = 0;
    const ended = told('terminated');
    const stopping = Supervisor.stop(supervisor, 'shutdown');
    await settled();
    expect([log, Supervisor.isRunning(supervisor)]).toEqual([['-c shutdown'], false]);
    held.open();
    await stopping;
    expect(log).toEqual(['-c shutdown', '-b', '-a shutdown']);
    expect(await ended).toEqual({ type: 'terminated', ref: supervisor, reason: 'shutdown' });
  });

  test('several stops resolve when all is down, and there is one event', async () => {
    const held = gate();
    const supervisor = await Supervisor.start({
      children: [{ id: 'a', start: () => GenServer.start({ ...worker(), terminate: () => held.promise }) }],
    });
    const events: LifecycleEvent[] = [];
    Supervisor.onLifecycleEvent((event) => events.push(event));
    let down = false;
    const stops = [1, 2, 3].map(() => Supervisor.stop(supervisor).then(() => down));
    await settled();
    down = true;
    held.open();
    expect(await Promise.all(stops)).toEqual([true, true, true]);
    await Supervisor.stop(supervisor);
    expect(events).toEqual([{ type: 'terminated', ref: supervisor, reason: 'normal' }]);
  });

  test('a child that does not stop in its time, or whose terminate throws, is ended all the same', async () => {
    const hangs = { ...worker(), terminate: () => new Promise<void>(() => {}) };
    const throws = {
      ...worker(),
      terminate: () => {
        throw new Error('in terminate');
      },
    };
    const supervisor = await Supervisor.start({
      children: [
        child('a'),
        { id: 'hangs', shutdownTimeout: 1, start: () => GenServer.start(hangs) },
        { id: 'now', shutdownTimeout: 0, start: () => GenServer.start(hangs) },
        { id: 'throws', start: () => GenServer.start(throws) },
      ],
    });
    const refs = idsOf(supervisor).map((id) => refOf(supervisor, id));
    await Supervisor.stop(supervisor);
    expect(refs.map((ref) => GenServer.isRunning(ref))).toEqual([false, false, false, false]);
  });

  test('while a child starts: the start comes to nothing, and what comes out of it is stopped', async () => {
    const log: string[] = [];
    const held = gate();
    const supervisor = await Supervisor.start({ children: [child('a', log)] });
    const adding = Supervisor.startChild(supervisor, {
      id: 'b',
      start: () => held.promise.then(() => GenServer.start(worker('b', log))),
    });
    const refused = failureOf(adding);
    await settled();
    const stopping = Supervisor.stop(supervisor);
    await expect(Supervisor.startChild(supervisor, child('c', log))).rejects.toThrow('not found');
    held.open();
    await stopping;
    expect(await refused).toMatchObject({ code: 'ERR_ACTOR_CHILD_TERMINATED' });
    expect(log).toEqual(['+a', '+b', '-b shutdown', '-a shutdown']);
  });

  test('while a child is restarted: nothing is left', async () => {
    const log: string[] = [];
    let held = gate();
    held.open();
    const supervisor = await Supervisor.start({
      children: [{ id: 'a', start: () => held.promise.then(() => GenServer.start(worker('a', log))) }],
    });
    held = gate();
    crash(refOf(supervisor, 'a'));
    await settled();
    const stopping = Supervisor.stop(supervisor);
    held.open();
    await stopping;
    await settled();
    expect(log).toEqual(['+a', '-a crash', '+a', '-a shutdown']);
  });

  test('a supervisor below another can be stopped by it while it starts', async () => {
    const log: string[] = [];
    const held = gate();
    const outer = await Supervisor.start();
    const adding = Supervisor.startChild(outer, {
      id: 'inner',
      start: () =>
        Supervisor.start({
          children: [
            child('x', log),
            { id: 'y', start: () => held.promise.then(() => GenServer.start(worker('y', log))) },
          ],
        }),
    });
    const refused = failureOf(adding);
    await settled();
    const stopping = Supervisor.stop(outer);
    held.open();
    await stopping;
    expect(await refused).toMatchObject({ code: 'ERR_ACTOR_CHILD_TERMINATED' });
    expect(log).toEqual(['+x', '+y', '-y shutdown', '-x shutdown']);
  });

  test('no timer is left, so a program ends when its work is done', async () => {
    expect(
      await toldBy(`${ACTOR}
        const supervisor = await Supervisor.start({ children: [worker('a'), worker('b')] });
        await Supervisor.restartChild(supervisor, 'a');
        await Supervisor.stop(supervisor);
        await tell(process.getActiveResourcesInfo().filter((type) => type === 'Timeout'));
        process.disconnect();`),
    ).toEqual([[]]);
  });
});

describe('simple_one_for_one', () => {
  const template = { start: (id: string, log: string[]) => GenServer.start(worker(id, log)) };

  test('children are made of the template with arguments, which a restart gives again', async () => {
    const log: string[] = [];
    const supervisor = await Supervisor.start({
      strategy: 'simple_one_for_one',
      childTemplate: template,
      name: 'pool',
    });
    const first: ChildRef = await Supervisor.startChild(supervisor, ['a', log]);
    await Supervisor.startChild(supervisor, ['b', log]);
    expect([idsOf(supervisor), Registry.whereis('pool')]).toEqual([['child_1', 'child_2'], supervisor]);
    const restarted = told('restarted');
    crash(first);
    await restarted;
    expect(log).toEqual(['+a', '+b', '-a crash', '+a']);
    await Supervisor.terminateChild(supervisor, 'child_2');
    expect(idsOf(supervisor)).toEqual(['child_1']);
  });

  test('temporary ones leave nothing behind', async () => {
    const supervisor = await Supervisor.start({
      strategy: 'simple_one_for_one',
      childTemplate: { ...template, restart: 'temporary' },
    });
    const refs = await Promise.all(
      Array.from({ length: 100 }, () => Supervisor.startChild(supervisor, ['a', []])),
    );
    for (const ref of refs) crash(ref);
    await settled();
    expect(Supervisor.countChildren(supervisor)).toBe(0);
  });

  test('what does not go together is refused with the reason', async () => {
    await expect(Supervisor.start({ strategy: 'simple_one_for_one' })).rejects.toThrow(
      MissingChildTemplateError,
    );
    const both = Supervisor.start({
      strategy: 'simple_one_for_one',
      childTemplate: template,
      children: [child('a')],
    });
    await expect(both).rejects.toThrow(InvalidSimpleOneForOneConfigError);
    await expect(both).rejects.toMatchObject({ reason: 'static children are not allowed' });
    const simple = await Supervisor.start({ strategy: 'simple_one_for_one', childTemplate: template });
    await expect(Supervisor.startChild(simple, child('a'))).rejects.toMatchObject({
      reason: 'startChild requires an arguments array for simple_one_for_one',
    });
    const plain = await Supervisor.start();
    await expect(Supervisor.startChild(plain, ['a'])).rejects.toMatchObject({
      supervisorId: plain.id,
      reason: 'startChild requires a ChildSpec for non-simple_one_for_one supervisors',
    });
  });
});

describe('autoShutdown', () => {
  const transient = { restart: 'transient', significant: true } as const;

  test.each<[AutoShutdown, string[], boolean]>([
    ['never', ['x', 'y'], true],
    ['any_significant', ['a'], true],
    ['any_significant', ['x'], false],
    ['all_significant', ['x'], true],
    ['all_significant', ['x', 'a'], true],
    ['all_significant', ['x', 'y'], false],
  ])('%s, when %j have ended: still running %p', async (autoShutdown, ending, running) => {
    const log: string[] = [];
    const supervisor = await Supervisor.start({
      autoShutdown,
      children: [
        child('x', log, transient),
        child('y', log, transient),
        child('a', log, { restart: 'transient' }),
      ],
    });
    for (const id of ending) await GenServer.stop(refOf(supervisor, id));
    if (running) {
      await settled();
      expect(Supervisor.isRunning(supervisor)).toBe(true);
    } else {
      expect(await Supervisor.whenTerminated(supervisor)).toBe('shutdown');
      expect(log.filter((line) => line.startsWith('-')).length).toBe(3);
    }
  });

  test('a significant child that is terminated counts, one that is restarted does not', async () => {
    const supervisor = await Supervisor.start({
      autoShutdown: 'any_significant',
      children: [child('x', [], transient), child('a')],
    });
    const restarted = told('restarted');
    crash(refOf(supervisor, 'x'));
    await restarted;
    expect(Supervisor.isRunning(supervisor)).toBe(true);
    await Supervisor.terminateChild(supervisor, 'x');
    expect(await Supervisor.whenTerminated(supervisor)).toBe('shutdown');
  });
});

describe('events', () => {
  test('come in the order of what happens, those of a child before those of its supervisor', async () => {
    const events: string[] = [];
    const note = (kind: string) => (event: LifecycleEvent) => {
      const reason = event.type === 'terminated' ? event.reason : undefined;
      events.push(
        [kind, event.type, typeof reason === 'object' ? reason.error.message : reason]
          .filter(Boolean)
          .join(' '),
      );
    };
    GenServer.onLifecycleEvent(note('server'));
    Supervisor.onLifecycleEvent(note('supervisor'));
    const supervisor = await Supervisor.start({
      children: [child('a'), child('b', [], { restart: 'temporary' })],
    });
    expect(events.splice(0)).toEqual(['server started', 'server started', 'supervisor started']);
    crash(refOf(supervisor, 'a'));
    await settled();
    expect(events.splice(0)).toEqual(['server terminated crash', 'server started', 'supervisor restarted']);
    crash(refOf(supervisor, 'b'));
    await settled();
    expect(events.splice(0)).toEqual(['server terminated crash', 'supervisor terminated crash']);
    await Supervisor.stop(supervisor);
    expect(events).toEqual(['server terminated shutdown', 'supervisor terminated normal']);
  });

  test('a listener that throws disturbs nobody, and one that was taken back hears nothing', async () => {
    const heard: string[] = [];
    Supervisor.onLifecycleEvent(() => {
      throw new Error('in a listener');
    });
    const off = Supervisor.onLifecycleEvent(({ type }) => heard.push(type));
    const supervisor = await Supervisor.start();
    off();
    await Supervisor.stop(supervisor);
    expect(heard).toEqual(['started']);
  });
});
