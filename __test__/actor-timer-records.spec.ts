/** What `TimerService` finds in its storage at the start: timers, records that are none, the same one twice. */
import { GenServer, InitializationError, TimerService, type LifecycleEvent } from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { NOW, pass, Storage, target } from './lib/timer-service';

beforeEach(() => {
  jest.useFakeTimers({ now: NOW, doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
});

afterEach(() => {
  reset();
  jest.useRealTimers();
});

test('one that cannot be listed starts nothing; a record that cannot be read is told and keeps no other', async () => {
  const adapter = new Storage();
  adapter.failing.add('listKeys');
  await expect(TimerService.start({ adapter })).rejects.toThrow(InitializationError);
  adapter.failing.clear();
  const { got } = await target('clerk');
  const metadata = { persistedAt: NOW, serverId: 'timer-service', schemaVersion: 1 };
  adapter.records.set('durable_timer:broken', { state: { id: 7 }, metadata });
  const state = {
    id: 'dtimer_1_x',
    fireAt: NOW - 5,
    targetRef: { id: '', name: 'clerk' },
    message: 'overdue',
  };
  adapter.records.set('durable_timer:dtimer_1_x', { state, metadata });
  adapter.records.set('something:else', { state: 1, metadata });
  const errors: LifecycleEvent[] = [];
  GenServer.onLifecycleEvent((event) => event.type === 'error' && errors.push(event));
  const service = await TimerService.start({ adapter });
  await pass(0);
  expect(got).toEqual(['overdue 0']);
  expect(errors).toMatchObject([{ ref: service, message: { key: 'durable_timer:broken' } }]);
  expect([...adapter.records.keys()]).toEqual(['durable_timer:broken', 'something:else']);
});

/** Stores a record as another program, or a table of a database, may have it. */
function store(adapter: Storage, id: string, fields: object): void {
  const state = { id, fireAt: NOW - 250, targetRef: { id: '', name: 'clerk' }, message: id, ...fields };
  const metadata = { persistedAt: NOW, serverId: 'timer-service', schemaVersion: 1 };
  adapter.records.set(`durable_timer:${id}`, { state, metadata });
}

test('a record that repeats fires on; null in it is what is not there', async () => {
  const adapter = new Storage();
  const { ref, got } = await target('clerk');
  store(adapter, 'often', { repeat: 100 });
  store(adapter, 'once', { repeat: null });
  store(adapter, 'nameless', { targetRef: { id: ref.id, name: null }, repeat: undefined });
  const service = await TimerService.start({ adapter });
  await pass(0);
  expect(got.toSorted()).toEqual(['nameless 0', 'often 0', 'once 0']);
  expect(await TimerService.getAll(service)).toEqual([
    {
      id: 'often',
      fireAt: NOW + 50,
      targetRef: { id: '', name: 'clerk' },
      message: 'often',
      repeat: 100,
    },
  ]);
  await pass(50);
  expect(got.slice(3)).toEqual(['often 50']);
  expect([...adapter.records.keys()]).toEqual(['durable_timer:often']);
});

test.each([
  { repeat: 0 },
  { repeat: 0.5 },
  { repeat: -5 },
  { repeat: '100' },
  { repeat: Number.NaN },
  { repeat: Infinity },
  { repeat: true },
  { fireAt: String(NOW) },
  { fireAt: null },
  { targetRef: null },
  { targetRef: { name: 'clerk' } },
  { targetRef: { id: '', name: 5 } },
  { id: null },
  { id: 'another' },
])('a record with %p is told as broken and does not fire', async (fields) => {
  const errors: LifecycleEvent[] = [];
  GenServer.onLifecycleEvent((event) => event.type === 'error' && errors.push(event));
  const adapter = new Storage();
  const { got } = await target('clerk');
  store(adapter, 'broken', fields);
  const service = await TimerService.start({ adapter });
  await pass(1000);
  expect([got, await TimerService.getAll(service), adapter.records.size]).toEqual([[], [], 1]);
  expect(errors).toMatchObject([{ ref: service, message: { key: 'durable_timer:broken' } }]);
});

test('two records of one timer are one timer, and the other is told as broken', async () => {
  const errors: LifecycleEvent[] = [];
  GenServer.onLifecycleEvent((event) => event.type === 'error' && errors.push(event));
  const adapter = new Storage();
  const { got } = await target('clerk');
  store(adapter, 'copy', { id: 'first', message: 'again' });
  store(adapter, 'first', {});
  store(adapter, 'second', {});
  const service = await TimerService.start({ adapter });
  await pass(0);
  expect(got.toSorted()).toEqual(['first 0', 'second 0']);
  expect(errors).toMatchObject([{ ref: service, message: { key: 'durable_timer:copy' } }]);
  expect([...adapter.records.keys()]).toEqual(['durable_timer:copy']);
});

test('a key that is listed twice is one timer', async () => {
  const adapter = new Storage();
  const { got } = await target('clerk');
  store(adapter, 'once', {});
  adapter.listKeys = async () => ['durable_timer:once', 'durable_timer:once'];
  const errors: LifecycleEvent[] = [];
  GenServer.onLifecycleEvent((event) => event.type === 'error' && errors.push(event));
  await TimerService.start({ adapter });
  await pass(0);
  expect([got, errors]).toEqual([['once 0'], []]);
});
