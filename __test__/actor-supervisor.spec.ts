/** `Supervisor`: the documented examples, starts, nesting and events. Restarts, children and the end are in `actor-supervisor-restarts`, `-children` and `-end`. */
import {
  DuplicateChildError,
  GenServer,
  InitializationError,
  Registry,
  Supervisor,
  type LifecycleEvent,
  type SupervisorOptions,
  type SupervisorRef,
} from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { untyped } from './fixtures/parallel';
import { child, crash, gate, idsOf, refOf, settled, told, worker, type WorkerRef } from './lib/supervised';

afterEach(() => {
  reset();
  jest.restoreAllMocks();
});

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
