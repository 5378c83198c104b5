/** `GenStateMachine` where things go wrong: decisions that are none, replies that come too late, timeouts and faults during the start, an end meanwhile. */
import {
  GenServer,
  GenStateMachine,
  InitializationError,
  type DeferredReply,
  type LifecycleEvent,
  type StateMachineAction,
  type StateMachineRef,
  type TimeoutEvent,
} from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { untyped } from './fixtures/parallel';
import { toldBy } from './lib/child';
import { failureOf, gate, settled } from './lib/supervised';

afterEach(() => {
  jest.useRealTimers();
  reset();
});

type S = 'one' | 'two';
/** An event is the decision itself, or what makes it. */
type E = unknown;

/** A machine that does what its events say, and notes what else happens to it. */
function started(
  log: string[],
  actions: readonly StateMachineAction[] = [],
): Promise<StateMachineRef<S, E, number>> {
  const state = (name: S) => ({
    handleEvent: (event: unknown, _data: number, from?: DeferredReply) => {
      if ((event as Partial<TimeoutEvent>).timeoutType !== undefined) {
        log.push(`${name}: ${(event as TimeoutEvent).timeoutType}`);
        return { type: 'keep_state_and_data' } as const;
      }
      return untyped(
        typeof event === 'function' ? (event as (from?: DeferredReply) => unknown)(from) : event,
      );
    },
    onEnter: () => void log.push(`into ${name}`),
    onExit: () => void log.push(`out of ${name}`),
  });
  return GenStateMachine.start<S, E, number>({
    init: () => ({ state: 'one', data: 7, actions }),
    states: { one: state('one'), two: state('two') },
  });
}

const TYPE = { name: 'TypeError', code: 'ERR_ACTOR_INVALID_TYPE' };
const RANGE = { name: 'RangeError', code: 'ERR_ACTOR_OUT_OF_RANGE' };

const WRONG_ACTIONS: [string, unknown, object][] = [
  ['no array', 5, TYPE],
  ['null', null, TYPE],
  ['an action that is none', [null], TYPE],
  ['an unknown type', [{ type: 'hibernate', time: 5 }], RANGE],
  ['no type', [{ time: 5 }], RANGE],
  ['no time', [{ type: 'state_timeout' }], TYPE],
  ['a negative time', [{ type: 'event_timeout', time: -1 }], RANGE],
  ['a time that is none', [{ type: 'event_timeout', time: Number.NaN }], RANGE],
  ['a time as text', [{ type: 'generic_timeout', name: 'a', time: '5' }], TYPE],
  ['a generic timeout without a name', [{ type: 'generic_timeout', time: 5 }], TYPE],
  ['a reply to nobody', [{ type: 'reply', to: undefined, value: 1 }], TYPE],
  ['a reply to what is no caller', [{ type: 'reply', to: { id: 1 }, value: 1 }], TYPE],
];

describe('a wrong decision', () => {
  test.each(WRONG_ACTIONS)(
    'with actions that are %s counts for nothing, and its right actions are not done',
    async (_what, wrong, error) => {
      const log: string[] = [];
      const ref = await started(log);
      const first: StateMachineAction = { type: 'next_event', event: { type: 'keep_state', data: 9 } };
      const actions = Array.isArray(wrong) ? [first, ...(wrong as unknown[])] : wrong;
      for (const type of ['transition', 'keep_state', 'keep_state_and_data']) {
        const decision = { type, nextState: 'two', data: 8, actions };
        await expect(GenStateMachine.call(ref, decision)).rejects.toMatchObject(error);
      }
      expect([await GenStateMachine.getState(ref), await GenStateMachine.getData(ref), log]).toEqual([
        'one',
        7,
        [],
      ]);
    },
  );

  test.each(WRONG_ACTIONS)('at the start, with actions that are %s, starts nothing', async (_what, wrong) => {
    await expect(started([], untyped(wrong))).rejects.toThrow(InitializationError);
  });

  test.each([
    ['bye', RANGE],
    [null, TYPE],
    [5, TYPE],
    [{ error: 'text' }, TYPE],
  ])('to stop by the reason %p leaves the machine as it is', async (reason, error) => {
    const ref = await started([]);
    await expect(GenStateMachine.call(ref, { type: 'stop', reason, data: 8 })).rejects.toMatchObject(error);
    expect([GenStateMachine.isRunning(ref), await GenStateMachine.getData(ref)]).toEqual([true, 7]);
    expect(await GenStateMachine.call(ref, { type: 'transition', nextState: 'two', data: 8 })).toBe('two');
    await GenStateMachine.stop(ref);
  });
});

test("a decision to stop without a reason ends the machine as 'normal'", async () => {
  const ends: LifecycleEvent[] = [];
  GenServer.onLifecycleEvent((event) => event.type === 'terminated' && ends.push(event));
  const ref = await started([]);
  GenStateMachine.cast(ref, { type: 'stop', data: 8 });
  await settled();
  expect(ends).toMatchObject([{ ref: { id: ref.id }, reason: 'normal' }]);
});

describe('a call for a reply while its handler is under way', () => {
  const MACHINE = `const { GenServer, GenStateMachine } = require('./dist/actor');
    let open, ask;
    const held = new Promise((resolve) => { open = resolve; });
    const asked = new Promise((resolve) => { ask = resolve; });
    const handleEvent = async (_event, _data, from) => {
      ask();
      await held;
      return { type: 'keep_state_and_data', actions: [{ type: 'reply', to: from, value: 1 }] };
    };
    const ref = await GenStateMachine.start({ init: () => ({ state: 'a', data: 0 }), states: { a: { handleEvent } } });
    const failure = (promise) => promise.catch((error) => error.name);`;

  test('fails its caller alone where it times out', async () => {
    expect(
      await toldBy(`${MACHINE}
        await tell(await failure(GenStateMachine.callWithReply(ref, 'ask', 1)));
        open();
        await tell(await GenStateMachine.getState(ref));
        process.disconnect();`),
    ).toEqual(['CallTimeoutError', 'a']);
  });

  test('fails its caller alone where the machine is killed', async () => {
    expect(
      await toldBy(`${MACHINE}
        const pending = failure(GenStateMachine.callWithReply(ref, 'ask', Infinity));
        await asked;
        GenServer.kill(ref);
        await new Promise((resolve) => setImmediate(resolve));
        open();
        await tell(await pending);
        process.disconnect();`),
    ).toEqual(['ServerNotRunningError']);
  });
});

describe('a timeout of a first action that is over before the start', () => {
  const timeout: StateMachineAction = { type: 'state_timeout', time: 5 };

  /** Starts a machine whose first event takes longer than the timeout; `decision` ends that. */
  async function slow(log: string[], decision: unknown): Promise<StateMachineRef<S, E, number>> {
    jest.useFakeTimers();
    const held = gate<unknown>();
    const starting = started(log, [timeout, { type: 'next_event', event: () => held.promise }]);
    await jest.advanceTimersByTimeAsync(5);
    expect(log).toEqual([]);
    held.open(decision);
    return starting;
  }

  test('comes when the machine has started', async () => {
    const log: string[] = [];
    const ref = await slow(log, { type: 'keep_state_and_data' });
    await GenStateMachine.getState(ref);
    expect(log).toEqual(['one: state_timeout']);
  });

  test('does not come where its state was left meanwhile', async () => {
    const log: string[] = [];
    const ref = await slow(log, { type: 'transition', nextState: 'two', data: 8 });
    await GenStateMachine.getState(ref);
    expect(log).toEqual(['out of one', 'into two']);
  });

  test('does not come where the machine has decided to stop', async () => {
    const log: string[] = [];
    const ref = await slow(log, { type: 'stop', data: 8 });
    expect([GenStateMachine.isRunning(ref), log, jest.getTimerCount()]).toEqual([false, [], 0]);
  });
});

describe('a call for a reply whose time is over', () => {
  /** An event that is postponed in the state `one` and answered in `two`, where it first waits for `held`. */
  const asking = (log: string[], name: string, held?: Promise<unknown>) => {
    let again = false;
    return async (from?: DeferredReply): Promise<unknown> => {
      log.push(name);
      if (!again) {
        again = true;
        return { type: 'postpone' };
      }
      await held;
      return { type: 'keep_state_and_data', actions: [{ type: 'reply', to: from, value: name }] };
    };
  };
  const toTwo = { type: 'transition', nextState: 'two', data: 8 };
  const failure = { name: 'CallTimeoutError' };

  test('while it is postponed is not handled any more; one that still waits is', async () => {
    const log: string[] = [];
    const ref = await started(log);
    const waits = GenStateMachine.callWithReply(ref, asking(log, 'waits'), Infinity);
    const late = GenStateMachine.callWithReply(ref, asking(log, 'late'), 5);
    await expect(late).rejects.toMatchObject(failure);
    await GenStateMachine.call(ref, toTwo);
    expect(await waits).toBe('waits');
    expect(log).toEqual(['waits', 'late', 'out of one', 'into two', 'waits']);
  });

  test('while it waits to come again is not handled any more', async () => {
    const log: string[] = [];
    const ref = await started(log);
    const held = gate();
    const slow = GenStateMachine.callWithReply(ref, asking(log, 'slow', held.promise), Infinity);
    const late = GenStateMachine.callWithReply(ref, asking(log, 'late'), 20);
    await GenStateMachine.getState(ref);
    GenStateMachine.cast(ref, toTwo);
    await expect(late).rejects.toMatchObject(failure);
    held.open();
    expect(await slow).toBe('slow');
    await GenStateMachine.getState(ref);
    expect(log).toEqual(['slow', 'late', 'out of one', 'into two', 'slow']);
  });

  test('when it is to be postponed is not kept', async () => {
    const log: string[] = [];
    const ref = await started(log);
    const held = gate<unknown>();
    const ask = (): Promise<unknown> => {
      log.push('asked');
      return held.promise;
    };
    await expect(GenStateMachine.callWithReply(ref, ask, 5)).rejects.toMatchObject(failure);
    held.open({ type: 'postpone' });
    await GenStateMachine.call(ref, toTwo);
    expect(log).toEqual(['asked', 'out of one', 'into two']);
  });
});

describe('the time of a request that has waited in the mailbox', () => {
  /** The event that holds a machine up, and the request behind it, which is postponed when it has its turn. */
  async function waiting(): Promise<{ goOn: () => Promise<void>; settles: () => string }> {
    const ref = await started([]);
    const held = gate<unknown>();
    GenStateMachine.cast(ref, () => held.promise);
    const request = GenStateMachine.callWithReply(ref, { type: 'postpone' }, 5000);
    let outcome = 'pending';
    request.catch((error: Error) => (outcome = error.message));
    const goOn = async (): Promise<void> => {
      held.open({ type: 'keep_state_and_data' });
      await GenStateMachine.getState(ref);
    };
    return { goOn, settles: () => outcome };
  }

  test('counts from the call on', async () => {
    jest.useFakeTimers();
    const { goOn, settles } = await waiting();
    await jest.advanceTimersByTimeAsync(3000);
    await goOn();
    await jest.advanceTimersByTimeAsync(1999);
    expect(settles()).toBe('pending');
    await jest.advanceTimersByTimeAsync(1);
    expect(settles()).toContain('timed out after 5000ms');
  });

  test('is not over because the clock of the machine was set', async () => {
    const { goOn, settles } = await waiting();
    const clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 3_600_000);
    await goOn();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(settles()).toBe('pending');
    clock.mockRestore();
  });

  test('also one that comes before start has resolved tells of the machine when it is over', async () => {
    let request: Promise<unknown> | undefined;
    const off = GenServer.onLifecycleEvent((event) => {
      if (event.type !== 'started') return;
      const ref = event.ref as StateMachineRef<S, E, number>;
      request = failureOf(GenStateMachine.callWithReply(ref, { type: 'postpone' }, 1));
    });
    const ref = await started([]);
    off();
    expect(await request).toMatchObject({ name: 'CallTimeoutError', serverId: ref.id });
  });
});

describe('a machine that is given up while a handler is under way', () => {
  const more = (log: string[]) => ({
    type: 'keep_state_and_data',
    actions: [
      { type: 'generic_timeout', name: 'later', time: 60_000 },
      { type: 'next_event', event: () => log.push('handled') },
    ],
  });

  test('because its start took too long handles nothing more and sets no timeout', async () => {
    jest.useFakeTimers();
    const log: string[] = [];
    const held = gate<unknown>();
    const starting = started(log, [{ type: 'next_event', event: () => held.promise }]);
    const failure = failureOf(starting);
    await jest.advanceTimersByTimeAsync(5000);
    expect(await failure).toBeInstanceOf(InitializationError);
    held.open(more(log));
    await settled();
    expect([log, jest.getTimerCount()]).toEqual([[], 0]);
  });

  test('because it is killed handles nothing more and sets no timeout', async () => {
    jest.useFakeTimers();
    const log: string[] = [];
    const held = gate<unknown>();
    const ref = await started(log);
    const called = GenStateMachine.call(ref, () => held.promise, Infinity);
    GenServer.kill(ref);
    held.open(more(log));
    expect([await called, log, jest.getTimerCount()]).toEqual(['one', [], 0]);
  });
});

test('the fault of an event that follows another before start has resolved is told when it has', async () => {
  const errors: LifecycleEvent[] = [];
  GenServer.onLifecycleEvent((event) => {
    if (event.type === 'error') errors.push(event);
    if (event.type !== 'started') return;
    const fails = (): never => {
      throw new Error('too early');
    };
    const actions = [{ type: 'next_event', event: fails }];
    GenServer.cast(event.ref, { type: 'event', event: { type: 'keep_state_and_data', actions } });
  });
  const ref = await started([]);
  expect(errors).toMatchObject([{ ref: { id: ref.id }, error: { message: 'too early' } }]);
});
