/** `TimerService` of `actor`: times by `Date.now()`, repeats, storage, failures of that, the end. What it finds there is in `actor-timer-records`. */
import {
  GenServer,
  Registry,
  ServerNotRunningError,
  TimerService,
  type GenServerRef,
  type LifecycleEvent,
  type TimerEntry,
} from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { untyped } from './fixtures/parallel';
import { gate } from './lib/supervised';
import { NOW, pass, Storage, target } from './lib/timer-service';

beforeEach(() => {
  jest.useFakeTimers({ now: NOW, doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
});

afterEach(() => {
  reset();
  jest.useRealTimers();
});

describe('timers', () => {
  test('each fires once, at its time, in the order of the times', async () => {
    const service = await TimerService.start({ name: 'timers' });
    expect([Registry.whereis('timers'), TimerService.isRunning(service)]).toEqual([service, true]);
    const { ref, got } = await target();
    const late = await TimerService.schedule(service, ref, 'late', 500);
    await TimerService.schedule(service, ref, 'early', 100);
    await TimerService.schedule(service, ref, 'now', 0);
    expect(late).toMatch(/^dtimer_\d+_[0-9a-z]+$/);
    expect(await TimerService.get(service, late)).toEqual({
      id: late,
      fireAt: NOW + 500,
      targetRef: { id: ref.id },
      message: 'late',
    });
    await pass(99);
    expect(got).toEqual(['now 0']);
    await pass(401);
    expect(got).toEqual(['now 0', 'early 100', 'late 500']);
    expect([await TimerService.getAll(service), await TimerService.get(service, late)]).toEqual([
      [],
      undefined,
    ]);
    await pass(10_000);
    expect(got.length).toBe(3);
  });

  test('one of many is set with Node, for the earliest, and none where there is none', async () => {
    const service = await TimerService.start();
    const { ref, got } = await target();
    expect(jest.getTimerCount()).toBe(0);
    const ids = [];
    for (let n = 0; n < 1000; n++) ids.push(await TimerService.schedule(service, ref, `m${n}`, 10 + n));
    expect(jest.getTimerCount()).toBe(1);
    await pass(500);
    expect(got.length).toBe(491);
    for (const id of ids) await TimerService.cancel(service, id);
    expect([jest.getTimerCount(), await TimerService.getAll(service)]).toEqual([0, []]);
  });

  test('a cancelled one does not fire; cancel tells whether there was one', async () => {
    const service = await TimerService.start();
    const { ref, got } = await target();
    const id = await TimerService.schedule(service, ref, 'x', 100);
    expect([await TimerService.cancel(service, id), await TimerService.cancel(service, id)]).toEqual([
      true,
      false,
    ]);
    await pass(1000);
    expect(got).toEqual([]);
  });

  test('a repeating one fires without drift; what was missed is made good by one cast', async () => {
    const service = await TimerService.start();
    const { ref, got } = await target();
    const id = await TimerService.schedule(service, ref, 'tick', 50, { repeat: 100 });
    await pass(260);
    expect(got).toEqual(['tick 50', 'tick 150', 'tick 250']);
    // The program is busy: the clock goes on, and no timer has its turn.
    jest.setSystemTime(NOW + 777);
    await pass(100);
    expect(got.slice(3)).toEqual(['tick 867']);
    expect((await TimerService.get(service, id))!.fireAt).toBe(NOW + 950);
    expect(await TimerService.cancel(service, id)).toBe(true);
    await pass(1000);
    expect(got.length).toBe(4);
  });

  test('a target that is gone gets nothing, and a repeating timer for it ends', async () => {
    const service = await TimerService.start();
    const { ref, got } = await target();
    await TimerService.schedule(service, ref, 'tick', 100, { repeat: 100 });
    await GenServer.stop(ref);
    await pass(100);
    expect([got, await TimerService.getAll(service)]).toEqual([[], []]);
  });

  test('what the mailbox of its target refuses is an event of the service, and a repeating timer goes on', async () => {
    const errors: LifecycleEvent[] = [];
    GenServer.onLifecycleEvent((event) => event.type === 'error' && errors.push(event));
    const held = gate();
    const got: string[] = [];
    const ref = await GenServer.start(
      {
        init: () => null,
        handleCall: (_message: never, state) => [null, state] as const,
        handleCast: async (message: string, state) => {
          await held.promise;
          got.push(message);
          return state;
        },
      },
      { mailbox: { limit: 1 } },
    );
    const service = await TimerService.start();
    for (const [n, message] of ['first', 'waits', 'refused'].entries())
      await TimerService.schedule(service, ref, message, 10 + n);
    const id = await TimerService.schedule(service, ref, 'again', 20, { repeat: 100 });
    await pass(20);
    expect(errors).toMatchObject([
      { ref: service, error: { code: 'ERR_ACTOR_MAILBOX_FULL' }, message: { message: 'refused' } },
      { ref: service, error: { code: 'ERR_ACTOR_MAILBOX_FULL' }, message: { id, message: 'again' } },
    ]);
    held.open();
    await pass(100);
    expect([got, errors.length]).toEqual([['first', 'waits', 'again'], 2]);
  });

  test('a target by name is looked up when it fires', async () => {
    const service = await TimerService.start();
    const first = await target('clerk');
    await TimerService.schedule(service, 'clerk', 'tick', 100, { repeat: 100 });
    await pass(100);
    await GenServer.stop(first.ref);
    await pass(100);
    const second = await target('clerk');
    await pass(100);
    expect([first.got, second.got]).toEqual([['tick 100'], ['tick 300']]);
  });

  test('a time far beyond what a timer of Node can wait for is kept', async () => {
    const service = await TimerService.start();
    const { ref, got } = await target();
    const month = 30 * 24 * 3_600_000;
    await TimerService.schedule(service, ref, 'x', month);
    jest.setSystemTime(NOW + month - 1);
    await pass(0);
    expect(got).toEqual([]);
    await pass(60_000);
    expect(got.length).toBe(1);
  });

  test('a clock that is set forward is noticed within checkIntervalMs', async () => {
    const service = await TimerService.start({ checkIntervalMs: 10 });
    const { ref, got } = await target();
    await TimerService.schedule(service, ref, 'x', 3_600_000);
    jest.setSystemTime(NOW + 3_600_000);
    await pass(10);
    expect(got).toEqual(['x 3600010']);
  });
});

describe('storage', () => {
  test('a timer is in it before schedule resolves and until it has fired, and outlives the service', async () => {
    const adapter = new Storage();
    const first = await TimerService.start({ adapter });
    const { ref, got } = await target('clerk');
    const id = await TimerService.schedule(first, 'clerk', 'kept', 1000);
    await TimerService.schedule(first, ref, 'short', 10);
    const repeating = await TimerService.schedule(first, 'clerk', 'tick', 600, { repeat: 600 });
    expect(adapter.records.get(`durable_timer:${id}`)).toMatchObject({
      state: { id, fireAt: NOW + 1000, targetRef: { name: 'clerk' }, message: 'kept' },
      metadata: { schemaVersion: 1, persistedAt: NOW },
    });
    await pass(10);
    expect(adapter.records.size).toBe(2);
    await TimerService.stop(first);
    expect(jest.getTimerCount()).toBe(0);
    await pass(600);
    expect(got).toEqual(['short 10']);

    const second = await TimerService.start({ adapter });
    const entries: readonly TimerEntry[] = await TimerService.getAll(second);
    expect(entries.map((entry) => entry.id)).toContain(id);
    await pass(0);
    expect(got).toEqual(['short 10', 'tick 610']);
    await pass(390);
    expect(got).toEqual(['short 10', 'tick 610', 'kept 1000']);
    expect([...adapter.records.keys()]).toEqual([`durable_timer:${repeating}`]);
    expect(await TimerService.cancel(second, repeating)).toBe(true);
    expect(adapter.records.size).toBe(0);
  });

  test('where it fails, schedule rejects and there is no timer', async () => {
    const adapter = new Storage();
    const service = await TimerService.start({ adapter });
    const { ref, got } = await target();
    adapter.failing.add('save');
    await expect(TimerService.schedule(service, ref, 'x', 10)).rejects.toThrow('save failed');
    await pass(100);
    expect([got, await TimerService.getAll(service)]).toEqual([[], []]);
  });

  test('where it fails to forget, cancel rejects and the timer does not fire', async () => {
    const adapter = new Storage();
    const service = await TimerService.start({ adapter });
    const { ref, got } = await target();
    const id = await TimerService.schedule(service, ref, 'x', 10);
    adapter.failing.add('delete');
    await expect(TimerService.cancel(service, id)).rejects.toThrow('delete failed');
    await pass(100);
    expect(got).toEqual([]);
  });

  test('a failure that nobody waits for is an event of the service, never an unhandled rejection', async () => {
    const errors: LifecycleEvent[] = [];
    GenServer.onLifecycleEvent((event) => event.type === 'error' && errors.push(event));
    const adapter = new Storage();
    const service = await TimerService.start({ adapter });
    const { ref, got } = await target();
    await TimerService.schedule(service, ref, 'once', 10);
    await TimerService.schedule(service, ref, 'tick', 10, { repeat: 1000 });
    adapter.failing.add('delete').add('save');
    await pass(10);
    expect(got).toEqual(['once 10', 'tick 10']);
    const told = errors.map((event) => [event.ref.id, (event as { error?: Error }).error?.message].join(' '));
    expect(told.toSorted()).toEqual([`${service.id} delete failed`, `${service.id} save failed`]);
    expect(TimerService.isRunning(service)).toBe(true);
  });

  test('the stop waits for what the storage is doing', async () => {
    const adapter = new Storage();
    const service = await TimerService.start({ adapter });
    const { ref } = await target();
    const scheduling = TimerService.schedule(service, ref, 'x', 10);
    await TimerService.stop(service);
    expect([adapter.records.size, await scheduling]).toEqual([1, expect.stringMatching(/^dtimer_/)]);
  });
});

describe('life', () => {
  test('after the stop nothing fires and all is refused', async () => {
    const service = await TimerService.start();
    const { ref, got } = await target();
    await TimerService.schedule(service, ref, 'x', 10);
    await TimerService.stop(service);
    await TimerService.stop(service);
    await pass(100);
    expect([got, TimerService.isRunning(service), jest.getTimerCount()]).toEqual([[], false, 0]);
    await expect(TimerService.schedule(service, ref, 'x', 10)).rejects.toThrow(ServerNotRunningError);
    await expect(TimerService.cancel(service, 'x')).rejects.toThrow(ServerNotRunningError);
    await expect(TimerService.getAll(service)).rejects.toThrow(ServerNotRunningError);
  });

  test('wrong options and arguments are named', async () => {
    const type = { code: 'ERR_ACTOR_INVALID_TYPE' };
    const range = { code: 'ERR_ACTOR_OUT_OF_RANGE' };
    await expect(TimerService.start({ adapter: untyped({}) })).rejects.toMatchObject(type);
    await expect(TimerService.start({ checkIntervalMs: 0 })).rejects.toMatchObject(range);
    await expect(TimerService.start({ checkIntervalMs: untyped('1') })).rejects.toMatchObject(type);
    const service = await TimerService.start();
    const { ref } = await target();
    const schedule = (...args: unknown[]) =>
      TimerService.schedule(service, ...(args as [GenServerRef, unknown, number, { repeat?: number }]));
    await expect(schedule(undefined, 'x', 1)).rejects.toMatchObject(type);
    await expect(schedule({}, 'x', 1)).rejects.toMatchObject(type);
    await expect(schedule('', 'x', 1)).rejects.toMatchObject(range);
    await expect(schedule(ref, 'x')).rejects.toMatchObject(type);
    for (const wrong of [-1, Number.NaN, Infinity])
      await expect(schedule(ref, 'x', wrong)).rejects.toMatchObject(range);
    for (const repeat of [0, -1, Number.NaN])
      await expect(schedule(ref, 'x', 1, { repeat })).rejects.toMatchObject(range);
    expect(await TimerService.getAll(service)).toEqual([]);
  });
});
