/** `Registry`: processes by name, within one thread; names across threads are in `actor-threads`. */
import {
  AlreadyRegisteredError,
  GenServer,
  NotRegisteredError,
  Registry,
  ServerNotRunningError,
  Supervisor,
} from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { fail, gate, holdUntil, startDoer } from './fixtures/actor-servers';
import { rejection } from './lib/processors';

afterEach(reset);

const untyped = Registry as unknown as Record<keyof typeof Registry, (...args: unknown[]) => unknown>;

/** The error that `call` throws. */
function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error('it did not throw');
}

test('a name leads to the very reference that was registered', async () => {
  const ref = await startDoer();
  expect(Registry.register('one', ref)).toBeUndefined();
  expect(Registry.lookup('one')).toBe(ref);
  expect([Registry.whereis('one') === ref, Registry.isRegistered('one'), Registry.count()]).toEqual([
    true,
    true,
    1,
  ]);
});

test('a name that nobody has: lookup throws, whereis gives undefined, unregister does nothing', () => {
  const error = thrownBy(() => Registry.lookup('nobody'));
  expect(error).toBeInstanceOf(NotRegisteredError);
  expect(error).toMatchObject({
    name: 'NotRegisteredError',
    code: 'ERR_ACTOR_NOT_REGISTERED',
    message: "No process registered under name 'nobody'",
    processName: 'nobody',
  });
  expect([
    Registry.whereis('nobody'),
    Registry.isRegistered('nobody'),
    Registry.unregister('nobody'),
  ]).toEqual([undefined, false, undefined]);
});

test.each([undefined, null, 5, {}, ['one'], Symbol('one'), Object.create(null)])(
  'nobody has the name %p, which is no text',
  async (name) => {
    Registry.register('one', await startDoer());
    const error = thrownBy(() => untyped.lookup(name));
    expect(error).toBeInstanceOf(NotRegisteredError);
    expect(error).toMatchObject({ code: 'ERR_ACTOR_NOT_REGISTERED', processName: expect.any(String) });
    expect([untyped.whereis(name), untyped.isRegistered(name), untyped.unregister(name)]).toEqual([
      undefined,
      false,
      undefined,
    ]);
    expect(Registry.getNames()).toEqual(['one']);
  },
);

test('a name belongs to one process until it is given back', async () => {
  const [one, other] = [await startDoer(), await startDoer()];
  Registry.register('name', one);
  for (const ref of [one, other]) {
    const error = thrownBy(() => Registry.register('name', ref));
    expect(error).toBeInstanceOf(AlreadyRegisteredError);
    expect(error).toMatchObject({
      name: 'AlreadyRegisteredError',
      code: 'ERR_ACTOR_ALREADY_REGISTERED',
      message: "Name 'name' is already registered",
      registeredName: 'name',
    });
  }
  expect(Registry.lookup('name')).toBe(one);
  Registry.unregister('name');
  Registry.register('name', other);
  expect(Registry.lookup('name')).toBe(other);
  GenServer.kill(one);
  expect(Registry.lookup('name')).toBe(other);
});

test('names are listed in the order of their registration', async () => {
  const ref = await startDoer();
  for (const name of ['c', 'a', 'b']) Registry.register(name, ref);
  Registry.unregister('a');
  Registry.register('a', ref);
  expect([Registry.getNames(), Registry.count()]).toEqual([['c', 'b', 'a'], 3]);
  Registry.getNames().length = 0;
  expect(Registry.count()).toBe(3);
});

test('names are any text, told apart exactly', async () => {
  const ref = await startDoer();
  const names = ['__proto__', 'constructor', 'a', 'A', 'a ', '☃', 'é', 'e\u0301', 'x'.repeat(10_000)];
  for (const name of names) Registry.register(name, ref);
  expect(Registry.getNames()).toEqual(names);
  for (const name of names) Registry.unregister(name);
  expect(Registry.count()).toBe(0);
});

describe('the names of a process are free when it has ended, all of them', () => {
  test.each<[string, (ref: Awaited<ReturnType<typeof startDoer>>) => unknown]>([
    ['stopped', (ref) => GenServer.stop(ref)],
    ['killed', (ref) => GenServer.kill(ref)],
    ['crashed', (ref) => GenServer.cast(ref, fail(new Error('bad')))],
  ])('%s', async (_, end) => {
    const ref = await startDoer({ name: 'first', onError: 'crash' });
    const other = await startDoer({ name: 'other' });
    for (const name of ['second', 'third', 'fourth']) Registry.register(name, ref);
    Registry.unregister('third');
    await end(ref);
    expect(Registry.getNames()).toEqual(['other']);
    for (const name of ['first', 'second', 'third', 'fourth']) Registry.register(name, other);
    expect(Registry.count()).toBe(5);
  });

  test("before 'terminated' is told, so that a listener can give them away", async () => {
    const [ref, heir] = [await startDoer({ name: 'name' }), await startDoer()];
    GenServer.onLifecycleEvent((event) => {
      if (event.type === 'terminated' && event.ref === ref) Registry.register('name', heir);
    });
    await GenServer.stop(ref);
    expect(Registry.lookup('name')).toBe(heir);
  });

  test('also where the reference was made by hand, and of supervisors', async () => {
    const ref = await startDoer();
    const supervisor = await Supervisor.start();
    Registry.register('by hand', { id: ref.id });
    Registry.register('supervisor', supervisor);
    expect(Registry.whereis('supervisor')).toBe(supervisor);
    await GenServer.stop(ref);
    await Supervisor.stop(supervisor);
    expect(Registry.getNames()).toEqual([]);
  });
});

test('who has ended, is about to end or never was gets no name', async () => {
  const closing = gate();
  const [dead, ending] = [await startDoer(), await startDoer({}, () => closing.opened)];
  await GenServer.stop(dead);
  const stopped = GenServer.stop(ending);
  for (const ref of [dead, ending, { id: 'genserver_0_none' }]) {
    const error = thrownBy(() => Registry.register('name', ref));
    expect(error).toBeInstanceOf(ServerNotRunningError);
    expect(error).toMatchObject({ serverId: ref.id });
  }
  expect([Registry.isRegistered('name'), Registry.count()]).toEqual([false, 0]);
  closing.open();
  await stopped;
});

test('a process that stops keeps its name until it is down', async () => {
  const ref = await startDoer({ name: 'name' });
  const hold = gate();
  GenServer.cast(ref, holdUntil(hold));
  const stopped = GenServer.stop(ref);
  expect(Registry.lookup('name')).toBe(ref);
  hold.open();
  await stopped;
  expect(Registry.isRegistered('name')).toBe(false);
});

test('a start under a name in use rejects and does not run init', async () => {
  await startDoer({ name: 'taken' });
  const init = jest.fn(() => 0);
  const behavior = {
    init,
    handleCall: (_: 'get', state: number) => [state, state] as const,
    handleCast: (_: 'set', state: number) => state,
  };
  expect(await rejection(GenServer.start(behavior, { name: 'taken' }))).toBeInstanceOf(
    AlreadyRegisteredError,
  );
  expect(init).not.toHaveBeenCalled();
});

test.each([undefined, null, 5, {}, ['a']])('%p is no name', async (name) => {
  const ref = await startDoer();
  expect(() => untyped.register(name, ref)).toThrow(
    expect.objectContaining({ code: 'ERR_ACTOR_INVALID_TYPE' }),
  );
  expect(Registry.count()).toBe(0);
});

test.each([undefined, null, 5, {}])('%p is no reference', (ref) => {
  expect(() => untyped.register('name', ref)).toThrow(
    expect.objectContaining({ code: 'ERR_ACTOR_INVALID_TYPE' }),
  );
});

test('ten thousand names of as many processes come and go', async () => {
  const refs = await Promise.all(
    Array.from({ length: 10_000 }, (_, i) => startDoer({ name: `server ${i}` })),
  );
  expect([Registry.count(), Registry.lookup('server 9999') === refs[9999]]).toEqual([10_000, true]);
  await Promise.all(refs.map((ref) => GenServer.stop(ref)));
  expect([Registry.count(), Registry.getNames()]).toEqual([0, []]);
});
