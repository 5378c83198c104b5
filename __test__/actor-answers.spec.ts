/** Calls from other threads whose handlers do odd things: each is answered as it is within one thread, and the server and its thread go on. */
import { join } from 'node:path';
import { GenServer } from '../dist/actor';
import { reset } from '../dist/actor/testing';
import { rejection } from './lib/processors';

afterEach(reset);

const startOdd = () =>
  GenServer.start<string, string, never, string>(
    { module: join(__dirname, 'fixtures', 'actor-odd.cjs') },
    { thread: { preload: false } },
  );

test.each([
  ['throws', { name: 'Error', message: '[Object: null prototype] {}' }],
  ['rejects', { name: 'Error', message: '[Object: null prototype] {}' }],
  ['gives no state', { name: 'TypeError', code: 'ERR_ACTOR_INVALID_TYPE' }],
  ['gives no state later', { name: 'TypeError', code: 'ERR_ACTOR_INVALID_TYPE' }],
  ['gives a reply that cannot be asked', { message: 'no then' }],
  ['gives a promise that cannot be asked', { message: 'no constructor' }],
])('a handler that %s fails that call alone', async (what, error) => {
  const ref = await startOdd();
  expect(await rejection(GenServer.call(ref, what))).toMatchObject(error);
  const both = [GenServer.call(ref, 'state'), rejection(GenServer.call(ref, what))] as const;
  expect(await both[0]).toBe('as it was');
  expect(await both[1]).toMatchObject(error);
  expect(await GenServer.call(ref, 'state')).toBe('as it was');
});

test('a promise as the reply that rejects after the timeout does not end the thread', async () => {
  const ref = await startOdd();
  expect(await rejection(GenServer.call(ref, 'rejects too late', { timeout: 20 }))).toMatchObject({
    name: 'CallTimeoutError',
  });
  expect(await GenServer.call(ref, 'state')).toBe('as it was');
  expect(await GenServer.call(ref, 'state')).toBe('as it was');
  expect(GenServer.isRunning(ref)).toBe(true);
});
