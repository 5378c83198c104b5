/** `GenStateMachine`: transitions, actions, timeouts, postponed events, replies, faults, the end. */
import {
  CallTimeoutError,
  GenServer,
  GenStateMachine,
  InitializationError,
  Registry,
  ServerNotRunningError,
  type DeferredReply,
  type ExitReason,
  type LifecycleEvent,
  type StateMachineAction,
  type StateMachineBehavior,
  type StateTransitionResult,
  type TimeoutEvent,
} from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { untyped } from './fixtures/parallel';
import { failureOf, gate, settled } from './lib/supervised';

afterEach(() => {
  jest.useRealTimers();
  reset();
});

type S = 'one' | 'two';
interface Data {
  log: string[];
}
type Result = StateTransitionResult<S, Data>;
/** What the test machine does with an event: the event says so itself. */
type E = { name: string; then: (data: Data, from?: DeferredReply) => Result | Promise<Result> };

/** A machine whose events decide; it notes what it sees in its data. */
function machine(log: string[], actions?: readonly StateMachineAction[]): StateMachineBehavior<S, E, Data> {
  const state = (name: S) => ({
    handleEvent: (event: E | TimeoutEvent, data: Data, from?: DeferredReply): Result | Promise<Result> => {
      if ('timeoutType' in event) {
        log.push(
          `${name}: ${event.timeoutType} ${event.name ?? ''} ${String(event.event)}`.replaceAll('  ', ' '),
        );
        return { type: 'keep_state_and_data' };
      }
      log.push(`${name}: ${event.name}`);
      return event.then(data, from);
    },
    onEnter: (_data: Data, previous: S) => void log.push(`${name}: from ${previous}`),
    onExit: (_data: Data, next: S) => void log.push(`${name}: to ${next}`),
  });
  return {
    init: () => ({ state: 'one', data: { log }, ...(actions ? { actions } : {}) }),
    states: { one: state('one'), two: state('two') },
    terminate: (reason: ExitReason, at: S) => void log.push(`end in ${at}: ${JSON.stringify(reason)}`),
  };
}

const event = (name: string, then: E['then']): E => ({ name, then });
const keep = (name: string, ...actions: StateMachineAction[]): E =>
  event(name, () => ({ type: 'keep_state_and_data', actions }));
const go = (nextState: S, ...actions: StateMachineAction[]): E =>
  event(`go ${nextState}`, (data) => ({ type: 'transition', nextState, data, actions }));
const fail = (name: string): E =>
  event(name, () => {
    throw new Error(name);
  });

describe('events', () => {
  test('a door: the state decides what an event means', async () => {
    type Door = 'open' | 'closed' | 'locked';
    const door = await GenStateMachine.start<Door, 'push' | 'lock' | 'unlock', { opened: number }>({
      init: () => ({ state: 'closed', data: { opened: 0 } }),
      states: {
        closed: {
          handleEvent: (given, data) => {
            if (given === 'push')
              return { type: 'transition', nextState: 'open', data: { opened: data.opened + 1 } };
            if (given === 'lock') return { type: 'transition', nextState: 'locked', data };
            return { type: 'keep_state_and_data' };
          },
        },
        open: {
          handleEvent: (given, data) =>
            given === 'push'
              ? { type: 'transition', nextState: 'closed', data }
              : { type: 'keep_state_and_data' },
        },
        locked: {
          handleEvent: (given, data) =>
            given === 'unlock'
              ? { type: 'transition', nextState: 'closed', data }
              : { type: 'keep_state_and_data' },
        },
      },
    });
    expect(await GenStateMachine.call(door, 'push')).toBe('open');
    expect(await GenStateMachine.call(door, 'lock')).toBe('open');
    GenStateMachine.cast(door, 'push');
    GenStateMachine.cast(door, 'lock');
    GenStateMachine.cast(door, 'push');
    expect(await GenStateMachine.getState(door)).toBe('locked');
    expect(await GenStateMachine.getData(door)).toEqual({ opened: 1 });
  });

  test('a transition leaves and enters, also to the same state', async () => {
    const log: string[] = [];
    const ref = await GenStateMachine.start(machine(log));
    await GenStateMachine.call(ref, go('two'));
    await GenStateMachine.call(ref, go('two'));
    expect(log).toEqual([
      'one: go two',
      'one: to two',
      'two: from one',
      'two: go two',
      'two: to two',
      'two: from two',
    ]);
  });

  test('keep_state replaces the data, keep_state_and_data nothing', async () => {
    const ref = await GenStateMachine.start(machine([]));
    const data = { log: ['new'] };
    expect(
      await GenStateMachine.call(
        ref,
        event('set', () => ({ type: 'keep_state', data })),
      ),
    ).toBe('one');
    await GenStateMachine.call(ref, keep('nothing'));
    expect(await GenStateMachine.getData(ref)).toBe(data);
  });

  test('handlers, onEnter and onExit may return promises; the next event waits', async () => {
    const log: string[] = [];
    const held = gate();
    const slow = machine(log);
    const ref = await GenStateMachine.start({
      ...slow,
      states: { ...slow.states, two: { ...slow.states.two, onEnter: () => held.promise } },
    });
    const going = GenStateMachine.call(
      ref,
      event('go', async (data) => ({ type: 'transition', nextState: 'two', data })),
    );
    const then = GenStateMachine.call(ref, keep('next'));
    await settled();
    expect(log).toEqual(['one: go', 'one: to two']);
    held.open();
    expect([await going, await then]).toEqual(['two', 'two']);
    expect(log.at(-1)).toBe('two: next');
  });

  test('events of next_event come before all that wait, in their order', async () => {
    const log: string[] = [];
    const ref = await GenStateMachine.start(machine(log));
    const next = (name: string): StateMachineAction => ({ type: 'next_event', event: keep(name) });
    const held = gate<Result>();
    const first = GenStateMachine.call(
      ref,
      event('first', () => held.promise),
    );
    const second = GenStateMachine.call(ref, keep('second'));
    held.open({ type: 'keep_state_and_data', actions: [next('inner 1'), next('inner 2')] });
    await Promise.all([first, second]);
    expect(log).toEqual(['one: first', 'one: inner 1', 'one: inner 2', 'one: second']);
  });

  test('a postponed event comes again when the state has changed, before all that wait, and not before', async () => {
    const log: string[] = [];
    const ref = await GenStateMachine.start(machine(log));
    let ready = false;
    const later = (name: string): E =>
      event(name, () => (ready ? { type: 'keep_state_and_data' } : { type: 'postpone' }));
    GenStateMachine.cast(ref, later('early 1'));
    GenStateMachine.cast(ref, later('early 2'));
    await GenStateMachine.call(ref, go('one'));
    ready = true;
    expect(log.filter((line) => line.includes('early'))).toEqual(['one: early 1', 'one: early 2']);
    log.length = 0;
    GenStateMachine.cast(ref, go('two'));
    GenStateMachine.cast(ref, keep('behind'));
    await GenStateMachine.getState(ref);
    expect(log).toEqual([
      'one: go two',
      'one: to two',
      'two: from one',
      'two: early 1',
      'two: early 2',
      'two: behind',
    ]);
  });

  test('first actions are done, and their events handled, before start resolves', async () => {
    const log: string[] = [];
    const ref = await GenStateMachine.start(machine(log, [{ type: 'next_event', event: go('two') }]), {
      name: 'machine',
    });
    expect(log).toEqual(['one: go two', 'one: to two', 'two: from one']);
    expect(ref).toEqual({ _type: 'StateMachineRef', id: Registry.whereis('machine')?.id });
  });
});

describe('timeouts', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  const timeout = (
    type: 'state_timeout' | 'event_timeout',
    time: number,
    what = 'x',
  ): StateMachineAction => ({ type, time, event: what });
  const generic = (name: string, time: number): StateMachineAction => ({
    type: 'generic_timeout',
    name,
    time,
    event: 'g',
  });

  async function started(...actions: StateMachineAction[]) {
    const log: string[] = [];
    const ref = await GenStateMachine.start(machine(log, actions));
    const pass = async (ms: number): Promise<string[]> => {
      await jest.advanceTimersByTimeAsync(ms);
      return log.splice(0).filter((line) => line.includes('timeout'));
    };
    return { ref, pass };
  }

  test('a state timeout fires unless the state is left before, also for itself', async () => {
    const { ref, pass } = await started(timeout('state_timeout', 100));
    await GenStateMachine.call(ref, keep('other'));
    expect(await pass(99)).toEqual([]);
    expect(await pass(1)).toEqual(['one: state_timeout x']);
    await GenStateMachine.call(ref, keep('set', timeout('state_timeout', 100)));
    await GenStateMachine.call(ref, go('one'));
    expect(await pass(1000)).toEqual([]);
    await GenStateMachine.call(ref, go('two', timeout('state_timeout', 100, 'y')));
    expect(await pass(100)).toEqual(['two: state_timeout y']);
  });

  test('an event timeout fires unless another event is sent before', async () => {
    const { ref, pass } = await started(timeout('event_timeout', 100));
    expect(await pass(100)).toEqual(['one: event_timeout x']);
    await GenStateMachine.call(ref, keep('set', timeout('event_timeout', 100)));
    await pass(99);
    GenStateMachine.cast(ref, keep('other'));
    expect(await pass(1000)).toEqual([]);
  });

  test('generic timeouts go on by their names, through states and events', async () => {
    const { ref, pass } = await started(generic('a', 100), generic('b', 200));
    await GenStateMachine.call(ref, go('two'));
    await pass(50);
    await GenStateMachine.call(ref, keep('again', generic('a', 100)));
    expect(await pass(99)).toEqual([]);
    expect(await pass(51)).toEqual(['two: generic_timeout a g', 'two: generic_timeout b g']);
  });

  test('Infinity cancels, and the end leaves no timer', async () => {
    const { ref, pass } = await started(
      timeout('state_timeout', 10),
      timeout('event_timeout', 10),
      generic('a', 10),
    );
    await GenStateMachine.call(
      ref,
      keep('cancel', timeout('state_timeout', Infinity), generic('a', Infinity)),
    );
    expect(await pass(10)).toEqual([]);
    await GenStateMachine.call(ref, keep('set', timeout('state_timeout', 10), generic('a', 10)));
    await GenStateMachine.stop(ref);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('a timeout that has fired while a handler was under way does not count after the state was left', async () => {
    const { ref, pass } = await started(timeout('state_timeout', 10));
    const held = gate<Result>();
    const going = GenStateMachine.call(
      ref,
      event('slow', () => held.promise),
    );
    await pass(10);
    held.open({ type: 'transition', nextState: 'two', data: { log: [] } });
    await going;
    expect(await pass(0)).toEqual([]);
  });

  test('a start that fails leaves none', async () => {
    const actions: StateMachineAction[] = [generic('a', 10), { type: 'next_event', event: fail('broken') }];
    await expect(GenStateMachine.start(machine([], actions))).rejects.toThrow(InitializationError);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('replies', () => {
  test('callWithReply resolves with what the action reply gives, now or later', async () => {
    const ref = await GenStateMachine.start(machine([]));
    const now = event('now', (_data, to) => ({
      type: 'keep_state_and_data',
      actions: [{ type: 'reply', to: to!, value: 1 }],
    }));
    expect(await GenStateMachine.callWithReply(ref, now)).toBe(1);
    let kept: DeferredReply | undefined;
    const later: Promise<string> = GenStateMachine.callWithReply(
      ref,
      event('later', (_data, to) => {
        kept = to;
        return { type: 'keep_state_and_data' };
      }),
    );
    expect(await GenStateMachine.call(ref, keep('other'))).toBe('one');
    const answer: StateMachineAction = { type: 'reply', to: kept!, value: 'late' };
    await GenStateMachine.call(ref, keep('answer', answer, { ...answer, value: 'twice' }));
    expect(await later).toBe('late');
  });

  test('an event of call and cast has nobody to reply to', async () => {
    const ref = await GenStateMachine.start(machine([]));
    const seen: unknown[] = [];
    const look = event('look', (_data, from) => {
      seen.push(from);
      return { type: 'keep_state_and_data' };
    });
    GenStateMachine.cast(ref, look);
    await GenStateMachine.call(ref, look);
    expect(seen).toEqual([undefined, undefined]);
  });

  test('a reply to a postponed event can be given when it comes again', async () => {
    const ref = await GenStateMachine.start(machine([]));
    let ready = false;
    const asked = GenStateMachine.callWithReply(
      ref,
      event('ask', (_data, to) =>
        ready
          ? { type: 'keep_state_and_data', actions: [{ type: 'reply', to: to!, value: 7 }] }
          : { type: 'postpone' },
      ),
    );
    ready = true;
    GenStateMachine.cast(ref, go('two'));
    expect(await asked).toBe(7);
  });

  test('one that is never given ends by its timeout, or with the machine', async () => {
    jest.useFakeTimers();
    const ref = await GenStateMachine.start(machine([]));
    const late = GenStateMachine.callWithReply(ref, keep('a'), 100).catch((error: unknown) => error);
    const ended = GenStateMachine.callWithReply(ref, keep('b'), Infinity).catch((error: unknown) => error);
    await jest.advanceTimersByTimeAsync(100);
    expect(await late).toBeInstanceOf(CallTimeoutError);
    expect(await late).toMatchObject({ serverId: ref.id, timeoutMs: 100 });
    await GenStateMachine.stop(ref);
    expect(await ended).toBeInstanceOf(ServerNotRunningError);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('faults', () => {
  test('a handler that throws fails its caller; state and data stay and the machine goes on', async () => {
    const log: string[] = [];
    const ref = await GenStateMachine.start(machine(log));
    await expect(GenStateMachine.call(ref, fail('broken'))).rejects.toThrow('broken');
    await expect(GenStateMachine.callWithReply(ref, fail('broken too'))).rejects.toThrow('broken too');
    await expect(GenStateMachine.call(ref, go(untyped('three')))).rejects.toMatchObject({
      code: 'ERR_ACTOR_OUT_OF_RANGE',
    });
    await expect(
      GenStateMachine.call(
        ref,
        event('nothing', () => untyped(undefined)),
      ),
    ).rejects.toMatchObject({
      code: 'ERR_ACTOR_INVALID_TYPE',
    });
    await expect(
      GenStateMachine.call(
        ref,
        event('what', () => untyped({ type: 'dance' })),
      ),
    ).rejects.toMatchObject({
      code: 'ERR_ACTOR_OUT_OF_RANGE',
    });
    expect([await GenStateMachine.getState(ref), GenStateMachine.isRunning(ref)]).toEqual(['one', true]);
  });

  test('an onEnter that throws leaves the machine where it was', async () => {
    const base = machine([]);
    const ref = await GenStateMachine.start({
      ...base,
      states: {
        ...base.states,
        two: { ...base.states.two, onEnter: () => Promise.reject(new Error('no entry')) },
      },
    });
    await expect(GenStateMachine.call(ref, go('two'))).rejects.toThrow('no entry');
    expect(await GenStateMachine.getState(ref)).toBe('one');
  });

  test('that of an event without a caller is reported, and the events behind it are handled', async () => {
    const log: string[] = [];
    const errors: LifecycleEvent[] = [];
    GenServer.onLifecycleEvent((given) => given.type === 'error' && errors.push(given));
    const ref = await GenStateMachine.start(machine(log));
    const broken = fail('broken inside');
    GenStateMachine.cast(ref, fail('broken'));
    const actions = [broken, keep('after')].map((inner): StateMachineAction => ({
      type: 'next_event',
      event: inner,
    }));
    expect(await GenStateMachine.call(ref, keep('outer', ...actions))).toBe('one');
    expect(errors).toMatchObject([
      { ref: { id: ref.id }, error: { message: 'broken' } },
      { ref: { id: ref.id }, error: { message: 'broken inside' }, message: broken },
    ]);
    expect(log.at(-1)).toBe('one: after');
  });

  test('an init that fails, or names a state that is not there, starts nothing', async () => {
    const base = machine([]);
    for (const init of [
      () => Promise.reject(new Error('no')),
      () => ({ state: untyped('none'), data: { log: [] } }),
      () => untyped(null),
    ])
      await expect(GenStateMachine.start({ ...base, init })).rejects.toThrow(InitializationError);
  });

  test('a behaviour that is none is named', async () => {
    const base = machine([]);
    for (const wrong of [
      null,
      {},
      { ...base, init: 1 },
      { ...base, states: undefined },
      { ...base, states: { one: {} } },
    ])
      await expect(GenStateMachine.start(untyped(wrong))).rejects.toMatchObject({
        code: 'ERR_ACTOR_INVALID_TYPE',
      });
  });
});

describe('the end', () => {
  test('a decision to stop ends the machine at once, with its reason and data; what waits is refused', async () => {
    const log: string[] = [];
    const ref = await GenStateMachine.start(machine(log));
    const ends: LifecycleEvent[] = [];
    GenServer.onLifecycleEvent((given) => given.type === 'terminated' && ends.push(given));
    const held = gate<Result>();
    const stopping = GenStateMachine.call(
      ref,
      event('stop', () => held.promise),
    );
    const pending = GenStateMachine.callWithReply(ref, keep('never handled'));
    const refused = failureOf(pending);
    held.open({ type: 'stop', reason: 'shutdown', data: { log } });
    expect(await stopping).toBe('one');
    expect(await refused).toBeInstanceOf(ServerNotRunningError);
    expect(log).toEqual(['one: stop', 'end in one: "shutdown"']);
    expect(ends).toMatchObject([{ ref: { id: ref.id }, reason: 'shutdown' }]);
    expect(GenStateMachine.isRunning(ref)).toBe(false);
  });

  test('a cast can stop it, and so can a first action', async () => {
    const stop = event('stop', (data) => ({ type: 'stop', reason: 'normal', data }));
    const ref = await GenStateMachine.start(machine([]));
    GenStateMachine.cast(ref, stop);
    await settled();
    expect(GenStateMachine.isRunning(ref)).toBe(false);
    const brief = await GenStateMachine.start(machine([], [{ type: 'next_event', event: stop }]));
    expect(GenStateMachine.isRunning(brief)).toBe(false);
  });

  test('stop comes behind all that was sent; after it all is refused', async () => {
    const log: string[] = [];
    const ref = await GenStateMachine.start(machine(log));
    GenStateMachine.cast(ref, go('two'));
    await GenStateMachine.stop(ref);
    expect(log.at(-1)).toBe('end in two: "normal"');
    await expect(GenStateMachine.call(ref, keep('x'))).rejects.toThrow(ServerNotRunningError);
    await expect(GenStateMachine.getState(ref)).rejects.toThrow(ServerNotRunningError);
    expect(() => GenStateMachine.cast(ref, keep('x'))).toThrow(ServerNotRunningError);
    await GenStateMachine.stop(ref);
  });
});
