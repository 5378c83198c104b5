/** `EventBus` of `actor`: patterns, order, listeners that fail, the end. */
import {
  EventBus,
  GenServer,
  Registry,
  type EventBusHandler,
  type EventBusRef,
  type LifecycleEvent,
} from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { untyped } from './fixtures/parallel';
import { toldBy } from './lib/child';
import { settled } from './lib/supervised';

afterEach(reset);

const INVALID_TYPE = { name: 'TypeError', code: 'ERR_ACTOR_INVALID_TYPE' };
const NOT_RUNNING = { name: 'ServerNotRunningError', code: 'ERR_ACTOR_SERVER_NOT_RUNNING' };

test('the documented example', async () => {
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);

  const bus = await EventBus.start();

  // Subscribe with wildcards
  await EventBus.subscribe(bus, 'user.*', (message, topic) => {
    log(`${topic}: ${JSON.stringify(message)}`);
  });

  // Publish events
  EventBus.publish(bus, 'user.created', { id: '123', name: 'Alice' });
  EventBus.publish(bus, 'user.updated', { id: '123', email: 'alice@example.com' });

  await EventBus.stop(bus);

  expect(lines).toEqual([
    'user.created: {"id":"123","name":"Alice"}',
    'user.updated: {"id":"123","email":"alice@example.com"}',
  ]);
});

describe('patterns', () => {
  test.each<[pattern: string, matching: string[], others: string[]]>([
    ['*', ['', 'a', 'a.b', 'a.b.c', '*', '.'], []],
    ['a.b', ['a.b'], ['a', 'a.b.c', 'a.c', 'A.b', 'a.b ']],
    [
      'user.*',
      ['user.a', 'user.a.b', 'user.', 'user.*', 'user.a.b.c.d'],
      ['user', 'users.a', 'a.user.b', ''],
    ],
    ['*.created', ['user.created', '.created'], ['created', 'a.b.created', 'user.created.now']],
    ['a.*.c', ['a.b.c', 'a..c', 'a.*.c'], ['a.c', 'a.b.b.c', 'a.b.c.d', 'b.b.c']],
    ['*.*', ['a.b', '.'], ['a', 'a.b.c']],
    ['a.*.*', ['a.b.c', 'a.*.c.d'], ['a.b', 'a.b.c.d']],
    ['*.b.*', ['a.b.c'], ['a.b', 'a.c.c', 'a.b.c.d']],
    ['#', ['#'], ['a', 'a.b', '']],
    ['a.#', ['a.#'], ['a.b', 'a']],
    ['**', ['**'], ['a', 'a.b']],
    ['a.**', ['a.**'], ['a.b', 'a.b.c']],
    ['user.cr*', ['user.cr*'], ['user.created']],
    ['', [''], ['a', '.']],
    ['a.', ['a.'], ['a', 'a.b']],
    ['.*', ['.a', '.a.b', '..'], ['a', '', 'a.b']],
  ])('%j', async (pattern, matching, others) => {
    const bus = await EventBus.start();
    const heard: string[] = [];
    await EventBus.subscribe(bus, pattern, (_message, topic) => heard.push(topic));
    for (const topic of [...matching, ...others]) await EventBus.publishSync(bus, topic);
    expect(heard).toEqual(matching);
  });

  test('many patterns at once match as each of them alone, in the order of subscription', async () => {
    const segments = ['a', 'b', '*'];
    const patterns = ['a.*', '*', 'a', 'b.*.a', '*.a'];
    for (const one of segments)
      for (const two of segments)
        patterns.push(`${one}.${two}`, ...segments.map((three) => `${one}.${two}.${three}`));
    const topics = ['', 'a', 'b', 'c'];
    for (const one of ['a', 'b', 'c'])
      for (const two of ['a', 'b', 'c'])
        topics.push(`${one}.${two}`, `${one}.${two}.a`, `${one}.${two}.c`, `${one}.${two}.b.a`);
    const expected: string[] = [];
    const alone = new Map<string, Set<string>>();
    for (const pattern of new Set(patterns)) {
      const heard = new Set<string>();
      const single = await EventBus.start();
      await EventBus.subscribe(single, pattern, (_message, topic) => heard.add(topic));
      for (const topic of topics) EventBus.publish(single, topic);
      await EventBus.stop(single);
      alone.set(pattern, heard);
    }
    const bus = await EventBus.start();
    const heard: string[] = [];
    for (const pattern of patterns)
      await EventBus.subscribe(bus, pattern, (_message, topic) => heard.push(`${topic} by ${pattern}`));
    for (const topic of topics) {
      await EventBus.publishSync(bus, topic);
      for (const pattern of patterns)
        if (alone.get(pattern)!.has(topic)) expected.push(`${topic} by ${pattern}`);
    }
    expect(heard).toEqual(expected);
    expect(expected.length).toBeGreaterThan(100);
  });
});

describe('delivery', () => {
  test('events come in the order of publishing, to listeners in the order of subscription, to the same one twice if it asked twice', async () => {
    const bus = await EventBus.start();
    const heard: string[] = [];
    const note =
      (who: string): EventBusHandler =>
      (message, topic) =>
        heard.push(`${who} ${topic} ${message as number}`);
    const twice = note('twice');
    await EventBus.subscribe(bus, 'a.*', note('wild'));
    await EventBus.subscribe(bus, 'a.b', twice);
    await EventBus.subscribe(bus, '*', note('all'));
    await EventBus.subscribe(bus, 'a.b', twice);
    EventBus.publish(bus, 'a.b', 1);
    EventBus.publish(bus, 'c', 2);
    await EventBus.publishSync(bus, 'a.b', 3);
    const each = (n: number) => ['wild', 'twice', 'all', 'twice'].map((who) => `${who} a.b ${n}`);
    expect(heard).toEqual([...each(1), 'all c 2', ...each(3)]);
  });

  test('the message is the very value', async () => {
    const bus = await EventBus.start();
    const message = { deep: new Map() };
    const heard: unknown[] = [];
    await EventBus.subscribe(bus, 'a', (given) => heard.push(given));
    await EventBus.publishSync(bus, 'a', message);
    await EventBus.publishSync(bus, 'a');
    expect(heard[0]).toBe(message);
    expect(heard[1]).toBeUndefined();
  });

  test('what a listener publishes and subscribes comes behind what waits', async () => {
    const bus = await EventBus.start();
    const heard: string[] = [];
    await EventBus.subscribe(bus, 'first', () => {
      EventBus.publish(bus, 'second');
      void EventBus.subscribe(bus, '*', (_message, topic) => heard.push(`late ${topic}`));
    });
    await EventBus.subscribe(bus, '*', (_message, topic) => heard.push(topic));
    // The bus has nothing to do then, so that the first event is delivered at once.
    await settled();
    EventBus.publish(bus, 'first');
    await EventBus.publishSync(bus, 'third');
    expect(heard).toEqual(['first', 'second', 'third', 'late third']);
  });

  test('listeners that return promises are not awaited', async () => {
    const bus = await EventBus.start();
    await EventBus.subscribe(bus, 'a', () => new Promise(() => {}));
    await EventBus.publishSync(bus, 'a');
    await EventBus.stop(bus);
    expect(EventBus.isRunning(bus)).toBe(false);
  });

  test('a listener that throws or rejects keeps no other from its event, and the bus reports it', async () => {
    const bus = await EventBus.start();
    const heard: unknown[] = [];
    const errors: LifecycleEvent[] = [];
    GenServer.onLifecycleEvent((event) => event.type === 'error' && errors.push(event));
    await EventBus.subscribe(bus, '*', () => {
      throw new Error('thrown');
    });
    // oxlint-disable-next-line prefer-promise-reject-errors -- what is no Error has to be told as well
    await EventBus.subscribe(bus, '*', () => Promise.reject('rejected'));
    await EventBus.subscribe(bus, '*', (message) => heard.push(message));
    await EventBus.publishSync(bus, 'a.b', 42);
    await settled();
    expect(heard).toEqual([42]);
    expect(errors).toMatchObject([
      { ref: bus, error: { message: 'thrown' }, message: { topic: 'a.b', message: 42 } },
      { ref: bus, error: { message: 'rejected' }, message: { topic: 'a.b', message: 42 } },
    ]);
    expect(EventBus.isRunning(bus)).toBe(true);
  });

  test('before the bus has started for its owner, that is told when it has', async () => {
    const heard: unknown[] = [];
    const errors: LifecycleEvent[] = [];
    GenServer.onLifecycleEvent((event) => {
      if (event.type === 'error') errors.push(event);
      if (event.type !== 'started') return;
      const early = event.ref as EventBusRef;
      void EventBus.subscribe(early, '*', () => {
        throw new Error('thrown');
      });
      void EventBus.subscribe(early, '*', (message) => heard.push(message));
      EventBus.publish(early, 'a', 42);
    });
    const bus = await EventBus.start();
    expect(heard).toEqual([42]);
    expect(errors).toMatchObject([{ ref: bus, error: { message: 'thrown' }, message: { topic: 'a' } }]);
  });

  test('where nobody listens for that it is one warning, never an unhandled rejection', async () => {
    expect(
      await toldBy(`const { EventBus } = require('./dist/actor');
        const warnings = [];
        process.removeAllListeners('warning');
        process.on('warning', ({ code }) => warnings.push(code));
        const bus = await EventBus.start();
        await EventBus.subscribe(bus, '*', async () => { throw new Error('rejected'); });
        for (let i = 0; i < 3; i++) await EventBus.publishSync(bus, 'a');
        await EventBus.stop(bus);
        setImmediate(async () => { await tell(warnings); process.disconnect(); });`),
    ).toEqual([['ERR_ACTOR_UNHANDLED_FAULT']]);
  });
});

describe('subscriptions', () => {
  test('are counted, and their patterns named once in the order in which they came', async () => {
    const bus = await EventBus.start();
    const offs = [];
    for (const pattern of ['b', 'a.*', 'b', '*']) offs.push(await EventBus.subscribe(bus, pattern, () => {}));
    expect([await EventBus.getSubscriptionCount(bus), await EventBus.getTopics(bus)]).toEqual([
      4,
      ['b', 'a.*', '*'],
    ]);
    await offs[0]!();
    expect(await EventBus.getTopics(bus)).toEqual(['b', 'a.*', '*']);
    await offs[2]!();
    expect([await EventBus.getSubscriptionCount(bus), await EventBus.getTopics(bus)]).toEqual([
      2,
      ['a.*', '*'],
    ]);
  });

  test('end once, however often they are taken back, and one of several by the same function', async () => {
    const bus = await EventBus.start();
    let heard = 0;
    const handler = (): number => (heard += 1);
    const off = await EventBus.subscribe(bus, 'a.*', handler);
    await EventBus.subscribe(bus, 'a.*', handler);
    await off();
    await off();
    await EventBus.publishSync(bus, 'a.b');
    expect([heard, await EventBus.getSubscriptionCount(bus)]).toEqual([1, 1]);
    await EventBus.stop(bus);
    await off();
  });

  test('leave nothing behind: a pattern that is not subscribed to any more matches nothing', async () => {
    const bus = await EventBus.start();
    const heard: string[] = [];
    const on = (pattern: string) => EventBus.subscribe(bus, pattern, () => heard.push(pattern));
    const offs = [await on('a.*.c'), await on('a.*'), await on('a.*.c.d')];
    await offs[0]!();
    await EventBus.publishSync(bus, 'a.b.c');
    await offs[1]!();
    await EventBus.publishSync(bus, 'a.b.c.d');
    await offs[2]!();
    await EventBus.publishSync(bus, 'a.b.c.d');
    expect(heard).toEqual(['a.*', 'a.*.c.d']);
  });

  test('may be taken back while the bus is about to stop', async () => {
    const bus = await EventBus.start();
    const off = await EventBus.subscribe(bus, '*', () => {});
    EventBus.publish(bus, 'a');
    const stopped = EventBus.stop(bus);
    expect(await off()).toBeUndefined();
    await stopped;
  });
});

describe('life', () => {
  test('what was published before the stop is delivered; after it nothing is taken', async () => {
    const bus = await EventBus.start({ name: 'events' });
    expect(Registry.whereis('events')).toBe(bus);
    const heard: unknown[] = [];
    await EventBus.subscribe(bus, '*', (message) => heard.push(message));
    for (let n = 0; n < 1000; n++) EventBus.publish(bus, 'n', n);
    await EventBus.stop(bus);
    expect(heard).toEqual(Array.from({ length: 1000 }, (_, n) => n));
    expect([EventBus.isRunning(bus), Registry.isRegistered('events')]).toEqual([false, false]);
    expect(() => EventBus.publish(bus, 'n')).toThrow(expect.objectContaining(NOT_RUNNING));
    await expect(EventBus.publishSync(bus, 'n')).rejects.toMatchObject(NOT_RUNNING);
    await expect(EventBus.subscribe(bus, 'n', () => {})).rejects.toMatchObject(NOT_RUNNING);
    await EventBus.stop(bus);
  });

  test('wrong arguments are named', async () => {
    const bus = await EventBus.start();
    await expect(EventBus.subscribe(bus, untyped(7), () => {})).rejects.toMatchObject(INVALID_TYPE);
    await expect(EventBus.subscribe(bus, 'a', untyped('no'))).rejects.toMatchObject(INVALID_TYPE);
    await expect(EventBus.publishSync(bus, untyped(undefined))).rejects.toMatchObject(INVALID_TYPE);
    expect(() => EventBus.publish(bus, untyped(null))).toThrow(expect.objectContaining(INVALID_TYPE));
    await expect(EventBus.start(untyped('name'))).rejects.toMatchObject(INVALID_TYPE);
    await expect(EventBus.start({ name: untyped(1) })).rejects.toMatchObject(INVALID_TYPE);
    await EventBus.start({ name: 'taken' });
    await expect(EventBus.start({ name: 'taken' })).rejects.toMatchObject({ name: 'AlreadyRegisteredError' });
  });
});
