/** `Application` of `actor`: start and stop in good order, timeouts. Signals are in `actor-application-signals`. */
import {
  Application,
  ApplicationAlreadyRunningError,
  ApplicationNotRunningError,
  ApplicationStartError,
  ApplicationStopTimeoutError,
  GenServer,
  Supervisor,
  type ApplicationLifecycleEvent,
  type ApplicationRef,
  type SupervisorRef,
} from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { untyped } from './fixtures/parallel';
import { child, failureOf, gate, settled } from './lib/supervised';

afterEach(() => {
  jest.useRealTimers();
  reset();
});

const QUIET = { handleSignals: false } as const;

/** An application of one worker that notes its steps. */
function noting(log: string[], name = '') {
  return Application.create({
    start: () => {
      log.push(`start${name}`);
      return Supervisor.start({ children: [child(`worker${name}`, log)] });
    },
    prepStop: () => void log.push(`prepStop${name}`),
    stop: () => void log.push(`stop${name}`),
  });
}

describe('start and stop', () => {
  test('prepStop runs before the supervisor is stopped, stop after; the events tell of each step', async () => {
    const log: string[] = [];
    const events: ApplicationLifecycleEvent[] = [];
    Application.onLifecycleEvent((event) => events.push(event));
    const ref = await Application.start(noting(log), { name: 'app', ...QUIET });
    expect([
      ref.name,
      Application.lookup('app'),
      Application.isRunning(ref),
      Application.getStatus(ref),
    ]).toEqual(['app', ref, true, 'running']);
    const supervisor = Application.getState(ref)!;
    expect([Application.getSupervisor(ref), Supervisor.isRunning(supervisor)]).toEqual([supervisor, true]);
    await Application.stop(ref);
    expect(log).toEqual(['start', '+worker', 'prepStop', '-worker shutdown', 'stop']);
    expect(events).toEqual([
      { type: 'starting', name: 'app', timestamp: expect.any(Number) },
      { type: 'started', ref, timestamp: expect.any(Number) },
      { type: 'stopping', ref, reason: 'normal', timestamp: expect.any(Number) },
      { type: 'stopped', name: 'app', reason: 'normal', timestamp: expect.any(Number) },
    ]);
    expect([
      Application.getStatus(ref),
      Application.getState(ref),
      Application.getSupervisor(ref),
      Application.lookup('app'),
      Application.getInfo(ref),
      Supervisor.isRunning(supervisor),
    ]).toEqual(['stopped', undefined, undefined, undefined, undefined, false]);
    await expect(Application.stop(ref)).rejects.toMatchObject({
      name: 'ApplicationNotRunningError',
      code: 'ERR_ACTOR_APPLICATION_NOT_RUNNING',
      applicationName: 'app',
    });
  });

  test('the configuration reaches start; a state need be no supervisor', async () => {
    const behavior = Application.create<{ port: number }, { listening: number }>({
      start: ({ port }) => ({ listening: port }),
    });
    const ref = await Application.start(behavior, { name: 'app', config: { port: 80 }, ...QUIET });
    expect([Application.getState(ref), Application.getSupervisor(ref)]).toEqual([
      { listening: 80 },
      undefined,
    ]);
    expect(Application.getInfo(ref)).toEqual({
      name: 'app',
      status: 'running',
      startedAt: expect.any(Number),
      uptimeMs: expect.any(Number),
    });
    await Application.stop(ref);
  });

  test('a name is there once, from the beginning of the start to the end of the stop', async () => {
    const held = gate();
    const starting = Application.start({ start: () => held.promise }, { name: 'app', ...QUIET });
    const again = () => Application.start(noting([]), { name: 'app', ...QUIET });
    await expect(again()).rejects.toThrow(ApplicationAlreadyRunningError);
    const early = Application.lookup('app')!;
    expect([Application.getStatus(early), Application.isRunning(early), Application.getAllRunning()]).toEqual(
      ['starting', false, []],
    );
    await expect(Application.stop(early)).rejects.toThrow(ApplicationNotRunningError);
    held.open();
    const ref = await starting;
    await expect(again()).rejects.toMatchObject({
      applicationName: 'app',
      code: 'ERR_ACTOR_APPLICATION_ALREADY_RUNNING',
    });
    await Application.stop(ref);
    await Application.stop(await again());
  });

  test('a start that fails is told, with its cause, and leaves the name free', async () => {
    const events: ApplicationLifecycleEvent[] = [];
    Application.onLifecycleEvent((event) => events.push(event));
    const cause = new Error('no port');
    const broken = Application.start({ start: () => Promise.reject(cause) }, { name: 'app', ...QUIET });
    await expect(broken).rejects.toMatchObject({
      name: 'ApplicationStartError',
      code: 'ERR_ACTOR_APPLICATION_START',
      applicationName: 'app',
      cause,
      message: "Application 'app' failed to start: no port",
    });
    expect(events.at(-1)).toMatchObject({ type: 'start_failed', name: 'app', error: cause });
    expect(Application.lookup('app')).toBeUndefined();
  });

  test('a start that takes too long fails, and the supervisor that it gives later is stopped', async () => {
    const log: string[] = [];
    const held = gate();
    const behavior = {
      start: async () => {
        await held.promise;
        return Supervisor.start({ children: [child('late', log)] });
      },
    };
    await expect(Application.start(behavior, { name: 'app', startTimeout: 1, ...QUIET })).rejects.toThrow(
      ApplicationStartError,
    );
    held.open();
    await settled();
    expect(log).toEqual(['+late', '-late shutdown']);
  });

  test('each step of the stop runs even where one before has failed; the first failure is told', async () => {
    const log: string[] = [];
    const ref = await Application.start(
      {
        ...noting(log),
        prepStop: () => {
          throw new Error('in prepStop');
        },
        stop: () => {
          log.push('stop');
          throw new Error('in stop');
        },
      },
      { name: 'app', ...QUIET },
    );
    await expect(Application.stop(ref)).rejects.toThrow('in prepStop');
    expect(log).toEqual(['start', '+worker', '-worker shutdown', 'stop']);
    expect(Application.getStatus(ref)).toBe('stopped');
  });

  test('a stop that takes too long fails, and the supervisor is down all the same', async () => {
    const log: string[] = [];
    const ref = await Application.start(
      { ...noting(log), prepStop: () => new Promise<void>(() => {}) },
      { name: 'app', stopTimeout: 1, ...QUIET },
    );
    const supervisor: SupervisorRef = Application.getSupervisor(ref)!;
    const stopping = Application.stop(ref);
    await expect(stopping).rejects.toThrow(ApplicationStopTimeoutError);
    await expect(stopping).rejects.toMatchObject({ applicationName: 'app', timeoutMs: 1 });
    expect([Supervisor.isRunning(supervisor), log.at(-1), Application.lookup('app')]).toEqual([
      false,
      '-worker shutdown',
      undefined,
    ]);
  });

  test('stopAll stops the last started first', async () => {
    const log: string[] = [];
    const refs = [];
    for (const name of ['a', 'b', 'c'])
      refs.push(await Application.start(noting(log, name), { name, ...QUIET }));
    expect(Application.getAllRunning()).toEqual(refs);
    log.length = 0;
    await Application.stopAll();
    expect(log.filter((line) => line.startsWith('stop'))).toEqual(['stopc', 'stopb', 'stopa']);
    expect(Application.getAllRunning()).toEqual([]);
  });

  test('a start that a reset comes into rejects, and leaves neither its supervisor nor a listener', async () => {
    const log: string[] = [];
    const held = gate();
    const behavior = {
      start: async () => {
        await held.promise;
        return Supervisor.start({ children: [child('late', log)] });
      },
    };
    const starting = Application.start(behavior, { name: 'app' });
    const broken = {
      start: async () => {
        await held.promise;
        throw new Error('no');
      },
    };
    const refused = failureOf(Application.start(broken, { name: 'broken' }));
    const early = Application.lookup('app')!;
    reset();
    const heard: string[] = [];
    Application.onLifecycleEvent(({ type }) => heard.push(type));
    held.open();
    await expect(starting).rejects.toThrow(ApplicationNotRunningError);
    expect(await refused).toBeInstanceOf(ApplicationStartError);
    await settled();
    expect(log).toEqual(['+late', '-late shutdown']);
    expect([
      heard,
      Application.getStatus(early),
      process.listenerCount('SIGINT'),
      process.listenerCount('SIGTERM'),
    ]).toEqual([[], 'stopped', 0, 0]);
  });

  test('a reset lets a stop that is under way go on to its end', async () => {
    const log: string[] = [];
    const held = gate();
    const ref = await Application.start(
      { ...noting(log), prepStop: () => held.promise },
      { name: 'app', ...QUIET },
    );
    const stopping = Application.stop(ref);
    reset();
    held.open();
    await stopping;
    expect(log).toEqual(['start', '+worker', '-worker shutdown', 'stop']);
  });

  test('no timer is left by what was in time', async () => {
    jest.useFakeTimers();
    const ref = await Application.start(noting([]), { name: 'app', ...QUIET });
    await Application.stop(ref);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('wrong behaviours and options are named', async () => {
    const start = noting([]);
    for (const wrong of [
      null,
      undefined,
      {},
      { start: 1 },
      { ...start, stop: 1 },
      { ...start, prepStop: 'x' },
    ]) {
      expect(() => Application.create(untyped(wrong))).toThrow(
        expect.objectContaining({ code: 'ERR_ACTOR_INVALID_TYPE' }),
      );
      await expect(Application.start(untyped(wrong), { name: 'app' })).rejects.toMatchObject({
        code: 'ERR_ACTOR_INVALID_TYPE',
      });
    }
    for (const wrong of [
      {},
      { name: 1 },
      { name: 'app', handleSignals: 1 },
      { name: 'app', startTimeout: 'x' },
    ])
      await expect(Application.start(start, untyped(wrong))).rejects.toMatchObject({
        code: 'ERR_ACTOR_INVALID_TYPE',
      });
    for (const wrong of [
      { name: '' },
      { name: 'app', startTimeout: -1 },
      { name: 'app', stopTimeout: Number.NaN },
    ])
      await expect(Application.start(start, untyped(wrong))).rejects.toMatchObject({
        code: 'ERR_ACTOR_OUT_OF_RANGE',
      });
    expect(Application.lookup('app')).toBeUndefined();
  });

  test('wrong references and reasons are named, and stop nothing', async () => {
    const type = { code: 'ERR_ACTOR_INVALID_TYPE' };
    const ref = await Application.start(noting([]), { name: 'app', ...QUIET });
    for (const wrong of [undefined, null, 'app', { name: 'app' }, { id: 5 }]) {
      await expect(Application.stop(untyped(wrong))).rejects.toMatchObject(type);
      for (const ask of ['getStatus', 'getSupervisor', 'getState', 'isRunning', 'getInfo'] as const)
        expect(() => Application[ask](untyped(wrong))).toThrow(expect.objectContaining(type));
    }
    for (const [wrong, error] of [
      ['whatever', { code: 'ERR_ACTOR_OUT_OF_RANGE' }],
      ['', { code: 'ERR_ACTOR_OUT_OF_RANGE' }],
      [null, type],
      [5, type],
      [{ error: 'text' }, type],
    ]) {
      await expect(Application.stop(ref, untyped(wrong))).rejects.toMatchObject(error as object);
      await expect(Application.stopAll(untyped(wrong))).rejects.toMatchObject(error as object);
    }
    expect(Application.isRunning(ref)).toBe(true);
    const events: ApplicationLifecycleEvent[] = [];
    Application.onLifecycleEvent((event) => events.push(event));
    const reason = { error: new Error('no disk') };
    await Application.stop(ref, reason);
    expect(events).toMatchObject([
      { type: 'stopping', reason },
      { type: 'stopped', reason },
    ]);
  });
});

test('a listener that was taken back hears nothing', async () => {
  const heard: string[] = [];
  const off = Application.onLifecycleEvent(({ type }) => heard.push(type));
  off();
  await Application.start({ start: () => GenServer.isRunning({ id: 'x' }) }, { name: 'app', ...QUIET });
  expect(heard).toEqual([]);
});

describe('who asks for the stop of an application that is being stopped already', () => {
  /** An application whose prepStop waits until it is let go. */
  async function stopping(log: string[]) {
    const held = gate();
    const behavior = noting(log);
    const ref = await Application.start(
      {
        ...behavior,
        prepStop: () => {
          log.push('prepStop');
          return held.promise;
        },
      },
      { name: 'app', ...QUIET },
    );
    return { ref, held, first: Application.stop(ref) };
  }
  const ALL = ['start', '+worker', 'prepStop', '-worker shutdown', 'stop'];

  test.each([
    ['stop', (ref: ApplicationRef) => Application.stop(ref)],
    ['stopAll', () => Application.stopAll()],
  ])('by %s waits for that one', async (_, again) => {
    const log: string[] = [];
    const { ref, held, first } = await stopping(log);
    const second = again(ref).then(() => log.push('second'));
    await settled();
    expect([Application.getStatus(ref), log]).toEqual(['stopping', ['start', '+worker', 'prepStop']]);
    held.open();
    await Promise.all([first, second]);
    expect([Application.getStatus(ref), log]).toEqual(['stopped', [...ALL, 'second']]);
  });

  test('by stop hears of its failure, by stopAll does not, and there is no warning of it', async () => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const { ref, held, first } = await stopping([]);
    const [again, all] = [Application.stop(ref), Application.stopAll()];
    const failures = Promise.all([failureOf(first), failureOf(again)]);
    held.fail(new Error('unsaved'));
    await all;
    expect(await failures).toMatchObject([{ message: 'unsaved' }, { message: 'unsaved' }]);
    expect(warned).not.toHaveBeenCalled();
    warned.mockRestore();
  });

  test('while it is told that it begins, shares it', async () => {
    const log: string[] = [];
    const ref = await Application.start(noting(log), { name: 'app', ...QUIET });
    const asked: Promise<void>[] = [];
    Application.onLifecycleEvent(({ type }) => {
      if (type === 'stopping') asked.push(Application.stop(ref), Application.stopAll());
    });
    await Application.stop(ref);
    await Promise.all(asked);
    expect([asked.length, log]).toEqual([2, ALL]);
  });
});

describe('stopAll, while an application starts', () => {
  test('stops it when it has started, and until then keeps no other waiting', async () => {
    const log: string[] = [];
    await Application.start(noting(log, ' one'), { name: 'one', ...QUIET });
    const held = gate();
    const { start } = noting(log, ' two');
    const starting = Application.start({ start: () => held.promise.then(start) }, { name: 'two', ...QUIET });
    const stopped = Application.stopAll();
    await settled();
    expect(log).toEqual(['start one', '+worker one', 'prepStop one', '-worker one shutdown', 'stop one']);
    held.open();
    const ref = await starting;
    expect(Application.isRunning(ref)).toBe(false);
    await stopped;
    expect(log.slice(5)).toEqual(['start two', '+worker two', '-worker two shutdown']);
    expect([Application.getStatus(ref), Application.getAllRunning()]).toEqual(['stopped', []]);
  });

  test('is through when that start fails, or when all is reset', async () => {
    for (const end of [(held: { fail: (error: Error) => void }) => held.fail(new Error('no port')), reset]) {
      const held = gate();
      const starting = Application.start({ start: () => held.promise }, { name: 'app', ...QUIET });
      const refused = failureOf(starting);
      const stopped = Application.stopAll();
      end(held);
      await stopped;
      held.open();
      expect(await refused).toMatchObject({ applicationName: 'app' });
    }
  });
});
