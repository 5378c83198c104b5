/** `Agent`, `Task` and `Task.Supervisor`. */
import {
  Agent,
  CallTimeoutError,
  GenServer,
  Registry,
  ServerNotRunningError,
  Supervisor,
  Task,
  TaskExecutionError,
  TaskTimeoutError,
  type LifecycleEvent,
  type TaskFunction,
} from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { untyped } from './fixtures/parallel';
import { inChild, toldBy } from './lib/child';
import { failureOf, gate, settled } from './lib/supervised';

afterEach(() => {
  jest.useRealTimers();
  reset();
});

const INVALID_TYPE = { name: 'TypeError', code: 'ERR_ACTOR_INVALID_TYPE' };
const NEVER = new Promise<never>(() => {});

describe('Agent', () => {
  test('get, update, getAndUpdate and castUpdate, one after another', async () => {
    const agent = await Agent.start(() => ({ n: 1 }), { name: 'agent' });
    expect(Registry.whereis('agent')).toBe(agent);
    const updating = Agent.update(agent, ({ n }) => ({ n: n + 1 }));
    Agent.castUpdate(agent, ({ n }) => ({ n: n * 10 }));
    const taking = Agent.getAndUpdate(agent, ({ n }) => [`was ${n}`, { n: 0 }]);
    expect(await Agent.get(agent, ({ n }) => n)).toBe(0);
    expect([await updating, await taking]).toEqual([undefined, 'was 20']);
    await Agent.stop(agent);
    expect([Agent.isRunning(agent), Registry.isRegistered('agent')]).toEqual([false, false]);
    await expect(Agent.get(agent, (state) => state)).rejects.toThrow(ServerNotRunningError);
    expect(() => Agent.castUpdate(agent, (state) => state)).toThrow(ServerNotRunningError);
    await Agent.stop(agent);
  });

  test('the value is the very one, and may be undefined or a function', async () => {
    const value = () => {};
    const agent = await Agent.start<unknown>(() => value);
    expect(await Agent.get(agent, (state) => state)).toBe(value);
    await Agent.update(agent, () => undefined);
    expect(await Agent.get(agent, (state) => [state])).toEqual([undefined]);
  });

  test('a promise of a first value is awaited; its failure is an InitializationError', async () => {
    const agent = await Agent.start(async () => 5);
    expect(await Agent.get(agent, (n) => n + 1)).toBe(6);
    await expect(Agent.start(() => Promise.reject(new Error('no')))).rejects.toMatchObject({
      name: 'InitializationError',
      cause: { message: 'no' },
    });
  });

  test('one that changes the value holds up those behind it until it settles; one that reads does not', async () => {
    const agent = await Agent.start(() => 1);
    const reading = gate();
    const changing = gate();
    const order: string[] = [];
    const note = (what: string) => () => void order.push(what);
    const asked = [
      Agent.get(agent, (n) => reading.promise.then(() => n)).then(note('slow get')),
      Agent.get(agent, (n) => n).then(note('get')),
      Agent.update(agent, (n) => changing.promise.then(() => n + 1)).then(note('slow update')),
      Agent.get(agent, (n) => n).then((n) => order.push(`get ${n}`)),
    ];
    await settled();
    expect(order).toEqual(['get']);
    changing.open();
    await settled();
    reading.open();
    await Promise.all(asked);
    expect(order).toEqual(['get', 'slow update', 'get 2', 'slow get']);
  });

  test('a function that throws or rejects fails its caller and leaves the value', async () => {
    const agent = await Agent.start(() => 1);
    const errors: LifecycleEvent[] = [];
    GenServer.onLifecycleEvent((event) => event.type === 'error' && errors.push(event));
    const error = new Error('no');
    const thrown = (): never => {
      throw error;
    };
    await expect(Agent.get(agent, thrown)).rejects.toBe(error);
    await expect(Agent.update(agent, thrown)).rejects.toBe(error);
    await expect(Agent.update(agent, () => Promise.reject(error))).rejects.toBe(error);
    await expect(Agent.getAndUpdate(agent, thrown)).rejects.toBe(error);
    expect(errors).toEqual([]);
    Agent.castUpdate(agent, thrown);
    expect(await Agent.get(agent, (n) => n)).toBe(1);
    expect(errors).toMatchObject([{ ref: agent, error }]);
  });

  test('wrong arguments are named', async () => {
    await expect(Agent.start(untyped(1))).rejects.toMatchObject(INVALID_TYPE);
    const agent = await Agent.start(() => 1);
    await expect(Agent.get(agent, untyped(undefined))).rejects.toMatchObject(INVALID_TYPE);
    await expect(Agent.update(agent, untyped('n + 1'))).rejects.toMatchObject(INVALID_TYPE);
    await expect(Agent.getAndUpdate(agent, untyped(null))).rejects.toMatchObject(INVALID_TYPE);
    expect(() => Agent.castUpdate(agent, untyped({}))).toThrow(expect.objectContaining(INVALID_TYPE));
    expect(await Agent.get(agent, (n) => n)).toBe(1);
  });
});

describe('Task', () => {
  test('a function of any kind is run once; its result can be awaited any number of times', async () => {
    let runs = 0;
    for (const fn of [() => ++runs, async () => ++runs, () => settled().then(() => ++runs)]) {
      const before = runs;
      const task = await Task.async<number>(fn);
      expect([await Task.await(task), await Task.await(task), await Task.yield(task)]).toEqual(
        Array(3).fill(before + 1),
      );
    }
  });

  test('the process ends with the function: normal, or with its error', async () => {
    const ends: LifecycleEvent[] = [];
    GenServer.onLifecycleEvent((event) => event.type === 'terminated' && ends.push(event));
    const good = await Task.async(() => 1);
    const cause = new Error('failed');
    const bad = await Task.async(() => Promise.reject(cause));
    await expect(Task.await(bad)).rejects.toMatchObject({
      name: 'TaskExecutionError',
      code: 'ERR_ACTOR_TASK_EXECUTION',
      message: 'Task execution failed: failed',
      cause,
    });
    await settled();
    expect([Task.isRunning(good), Task.isRunning(bad)]).toEqual([false, false]);
    expect(ends).toMatchObject([
      { ref: good, reason: 'normal' },
      { ref: bad, reason: { error: cause } },
    ]);
    await expect(Task.await(bad)).rejects.toThrow(TaskExecutionError);
    await expect(Task.yield(bad)).rejects.toThrow(TaskExecutionError);
  });

  test('what is thrown and is no Error is told as one', async () => {
    const task = await Task.async(() => {
      // oxlint-disable-next-line no-throw-literal -- what is no Error has to be told as well
      throw 'text';
    });
    await expect(Task.await(task)).rejects.toMatchObject({ cause: { message: 'text' } });
  });

  test('a failure that nobody awaits is no unhandled rejection', async () => {
    expect(
      await toldBy(`const { Task } = require('./dist/actor');
        await Task.async(() => { throw new Error('failed'); });
        await Task.async(async () => { throw new Error('failed'); });
        setImmediate(async () => { await tell('alive'); process.disconnect(); });`),
    ).toEqual(['alive']);
  });

  test('await gives up after its time, or after 5000 ms, and the task goes on', async () => {
    jest.useFakeTimers();
    const held = gate<number>();
    const task = await Task.async(() => held.promise);
    const given = Task.await(task, { timeout: 100 }).catch((error: unknown) => error);
    const standard = Task.await(task).catch((error: unknown) => error);
    const endless = Task.await(task, { timeout: Infinity });
    await jest.advanceTimersByTimeAsync(5000);
    expect(await given).toBeInstanceOf(TaskTimeoutError);
    expect(await given).toMatchObject({ timeoutMs: 100, message: 'Task timed out after 100ms' });
    expect(await standard).toBeInstanceOf(CallTimeoutError);
    expect(await standard).toMatchObject({ serverId: task.id, timeoutMs: 5000 });
    expect([Task.isRunning(task), jest.getTimerCount()]).toEqual([true, 0]);
    held.open(7);
    expect([await endless, await Task.await(task)]).toEqual([7, 7]);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('yield waits a short time only', async () => {
    jest.useFakeTimers();
    const held = gate<number>();
    const task = await Task.async(() => held.promise);
    const early = Task.yield(task);
    const longer = Task.yield(task, { timeout: 1000 });
    await jest.advanceTimersByTimeAsync(10);
    expect(await early).toBeUndefined();
    held.open(7);
    expect(await longer).toBe(7);
  });

  test('shutdown aborts the signal and fails those who await it', async () => {
    const signals: AbortSignal[] = [];
    const task = await Task.async((signal) => {
      signals.push(signal);
      return NEVER;
    });
    const awaited = failureOf(Task.await(task));
    expect(signals[0]!.aborted).toBe(false);
    await Task.shutdown(task);
    expect(await awaited).toMatchObject({
      name: 'ServerNotRunningError',
      serverId: task.id,
    });
    expect([signals[0]!.aborted, Task.isRunning(task)]).toEqual([true, false]);
    await Task.shutdown(task);
  });

  test('the signal of a task that has finished never aborts', async () => {
    let kept: AbortSignal | undefined;
    const task = await Task.async((signal) => ((kept = signal), 1));
    await Task.await(task);
    await Task.shutdown(task);
    expect(kept!.aborted).toBe(false);
  });

  test('a reference made by hand works while the task runs', async () => {
    const held = gate<number>();
    const task = await Task.async(() => held.promise);
    const awaited = Task.await<number>({ id: task.id });
    await settled();
    held.open(7);
    expect(await awaited).toBe(7);
    await settled();
    await expect(Task.await({ id: task.id })).rejects.toThrow(ServerNotRunningError);
  });

  test('wrong arguments are named', async () => {
    await expect(Task.async(untyped('fn'))).rejects.toMatchObject(INVALID_TYPE);
    const task = await Task.async(() => 1);
    await expect(Task.await(task, { timeout: untyped('1') })).rejects.toMatchObject(INVALID_TYPE);
    await expect(Task.await(task, { timeout: -1 })).rejects.toMatchObject({ code: 'ERR_ACTOR_OUT_OF_RANGE' });
    await expect(Task.await(untyped(undefined))).rejects.toMatchObject(INVALID_TYPE);
  });
});

describe('Task.Supervisor', () => {
  test('tasks that have finished or failed leave nothing under it', async () => {
    const supervisor = await Task.Supervisor.start({ name: 'tasks' });
    expect(Registry.whereis('tasks')).toBe(supervisor);
    const tasks = await Promise.all(
      Array.from({ length: 20 }, (_, n) => Task.Supervisor.async(supervisor, () => n)),
    );
    expect(await Promise.all(tasks.map((task) => Task.await(task)))).toEqual(
      Array.from({ length: 20 }, (_, n) => n),
    );
    const failed = await Task.Supervisor.async(supervisor, () => Promise.reject(new Error('no')));
    await expect(Task.await(failed)).rejects.toThrow(TaskExecutionError);
    await settled();
    expect([Supervisor.countChildren(supervisor), Supervisor.isRunning(supervisor)]).toEqual([0, true]);
  });

  test('its stop shuts the tasks down', async () => {
    const supervisor = await Task.Supervisor.start();
    let aborted = false;
    const task = await Task.Supervisor.async(supervisor, (signal) => {
      signal.addEventListener('abort', () => (aborted = true));
      return NEVER;
    });
    const awaited = failureOf(Task.await(task));
    await Task.Supervisor.stop(supervisor);
    expect(await awaited).toBeInstanceOf(ServerNotRunningError);
    expect([aborted, Task.isRunning(task)]).toEqual([true, false]);
    await expect(Task.Supervisor.async(supervisor, () => 1)).rejects.toThrow('not found');
  });

  /** Functions that wait for gates, and what runs at present. */
  function gated(count: number) {
    const gates = Array.from({ length: count }, () => gate<number>());
    const running = new Set<number>();
    const aborted: number[] = [];
    const fns: TaskFunction<number>[] = gates.map(({ promise }, n) => async (signal) => {
      running.add(n);
      signal.addEventListener('abort', () => aborted.push(n));
      try {
        return await promise;
      } finally {
        running.delete(n);
      }
    });
    return { gates, running, aborted, fns };
  }

  test('asyncStream runs so many at a time and gives the results in the order of the functions', async () => {
    const supervisor = await Task.Supervisor.start();
    const { gates, running, fns } = gated(4);
    const stream = Task.Supervisor.asyncStream(supervisor, fns, { concurrency: 2 });
    await settled();
    expect([...running]).toEqual([0, 1]);
    gates[1]!.open(11);
    await settled();
    expect([...running]).toEqual([0, 2]);
    gates[2]!.open(12);
    gates[0]!.open(10);
    gates[3]!.open(13);
    expect(await stream).toEqual([10, 11, 12, 13]);
    expect(await Task.Supervisor.asyncStream(supervisor, [])).toEqual([]);
    await settled();
    expect(Supervisor.countChildren(supervisor)).toBe(0);
  });

  test('with ordered false they come in the order in which the tasks finish', async () => {
    const supervisor = await Task.Supervisor.start();
    const { gates, fns } = gated(3);
    const stream = Task.Supervisor.asyncStream(supervisor, fns, { ordered: false });
    for (const n of [2, 0, 1]) {
      await settled();
      gates[n]!.open(n);
    }
    expect(await stream).toEqual([2, 0, 1]);
  });

  test('the first failure ends a stream and shuts down what still runs', async () => {
    const supervisor = await Task.Supervisor.start();
    const { gates, aborted, running, fns } = gated(4);
    const stream = Task.Supervisor.asyncStream(supervisor, fns, { concurrency: 3 });
    const failed = failureOf(stream);
    await settled();
    gates[1]!.fail(new Error('no'));
    expect(await failed).toMatchObject({
      name: 'TaskExecutionError',
      cause: { message: 'no' },
    });
    expect([aborted, running.has(3)]).toEqual([[0, 2], false]);
    expect(Supervisor.countChildren(supervisor)).toBe(0);
  });

  test('with onErrorContinue, and with asyncStreamSettled, failures stand among the results', async () => {
    const supervisor = await Task.Supervisor.start();
    const fns = [() => 1, () => Promise.reject(new Error('no')), () => 3];
    expect(await Task.Supervisor.asyncStream(supervisor, fns, { onErrorContinue: true })).toMatchObject([
      1,
      { name: 'TaskExecutionError', cause: { message: 'no' } },
      3,
    ]);
    expect(await Task.Supervisor.asyncStreamSettled(supervisor, fns)).toMatchObject([
      { status: 'ok', value: 1 },
      { status: 'error', error: { name: 'TaskExecutionError' } },
      { status: 'ok', value: 3 },
    ]);
  });

  test('a task that takes longer than the timeout is shut down and counts as failed', async () => {
    const supervisor = await Task.Supervisor.start();
    const { aborted, fns } = gated(1);
    const results = await Task.Supervisor.asyncStreamSettled(supervisor, [...fns, () => 2], { timeout: 5 });
    expect(results[0]).toMatchObject({ status: 'error', error: { name: 'TaskTimeoutError', timeoutMs: 5 } });
    expect([results[1], aborted]).toEqual([{ status: 'ok', value: 2 }, [0]]);
    await settled();
    expect(Supervisor.countChildren(supervisor)).toBe(0);
  });

  test('wrong arguments are named before any task starts', async () => {
    const supervisor = await Task.Supervisor.start();
    let runs = 0;
    const run = () => (runs += 1);
    await expect(Task.Supervisor.async(supervisor, untyped(1))).rejects.toMatchObject(INVALID_TYPE);
    await expect(Task.Supervisor.asyncStream(supervisor, untyped('fns'))).rejects.toMatchObject(INVALID_TYPE);
    await expect(Task.Supervisor.asyncStream(supervisor, [run, untyped(1)])).rejects.toMatchObject(
      INVALID_TYPE,
    );
    for (const concurrency of [0, -1, 1.5])
      await expect(Task.Supervisor.asyncStream(supervisor, [run], { concurrency })).rejects.toMatchObject({
        code: 'ERR_ACTOR_OUT_OF_RANGE',
      });
    await expect(
      Task.Supervisor.asyncStream(supervisor, [run], { ordered: untyped(1) }),
    ).rejects.toMatchObject(INVALID_TYPE);
    expect(runs).toBe(0);
  });
});

test('a program with a finished task ends by itself', async () => {
  const { code, signal } = await inChild(`const { Task } = require('./dist/actor');
    await Task.await(await Task.async(() => 1));
    process.disconnect();`);
  expect([code, signal]).toEqual([0, null]);
});
