/** A shared cache can be taken out of the process, whoever has it open; its name, its memory and those that wait are free then. */
import { LRUCache } from '../dist/cache';
import { toldBy } from './lib/child';

function shared(name: string, maxSize?: number): LRUCache<string> {
  return new LRUCache({ name, shared: true, ...(maxSize === undefined ? {} : { maxSize }) });
}

test('entries are gone from open handles, also those that were decoded; writes are refused', () => {
  const [one, other] = [shared('destroyed'), shared('destroyed')];
  one.set('a', 1);
  expect([one.get('a'), one.get('a'), other.get('a')]).toEqual([1, 1, 1]);
  expect(LRUCache.destroy('destroyed')).toBe(true);
  expect(LRUCache.destroy('destroyed')).toBe(false);
  for (const cache of [one, other]) {
    expect([cache.get('a'), cache.has('a'), cache.delete('a'), cache.size, cache.bytes]).toEqual([
      undefined,
      false,
      false,
      0,
      0,
    ]);
    expect([...cache.keys()]).toEqual([]);
    expect(() => cache.set('a', 2)).toThrow(
      expect.objectContaining({ name: 'NoizylabError', code: 'ERR_CACHE_DESTROYED' }),
    );
    cache.clear();
  }
});

test('a new cache has the name, and bounds of its own; the old handle stays apart', () => {
  const old = shared('renewed', 10);
  old.set('a', 1);
  LRUCache.destroy('renewed');
  const renewed = shared('renewed', 20);
  renewed.set('a', 2);
  expect([old.get('a'), renewed.get('a'), renewed.maxSize]).toEqual([undefined, 2, 20]);
  old.clear();
  expect(renewed.get('a')).toBe(2);
});

test('a computation that is under way answers all that wait for it, and is not kept; a later one is not kept either', async () => {
  const [one, other] = [shared('computing'), shared('computing')];
  let finish!: (value: string) => void;
  const first = one.getOrSet('a', () => new Promise<string>((resolve) => (finish = resolve)));
  const second = other.getOrSet('a', () => 'never called');
  LRUCache.destroy('computing');
  finish('computed');
  await expect(Promise.all([first, second])).resolves.toEqual(['computed', 'computed']);
  await expect(one.getOrSet('a', () => 'again')).resolves.toBe('again');
  expect([one.get('a'), one.size]).toEqual([undefined, 0]);
});

// Threads that end were looked for in the caches that have a name: who waited for one of them in a destroyed cache waited for ever.
test('the end of the thread that computes passes the computation on, also after the cache was destroyed', async () => {
  const told = await toldBy(`
    const { once } = require('node:events');
    const { Worker } = require('node:worker_threads');
    const cache = new core.LRUCache({ name: 'orphaned', shared: true });
    const worker = new Worker(\`
      const { parentPort, workerData } = require('node:worker_threads');
      const core = require(workerData);
      const cache = new core.LRUCache({ name: 'orphaned', shared: true });
      cache.getOrSet('a', () => { parentPort.postMessage('computing'); return new Promise(() => setInterval(() => {}, 1e6)); });
    \`, { eval: true, workerData: ${JSON.stringify(require.resolve('..'))} });
    await once(worker, 'message');
    const waiting = cache.getOrSet('a', () => 'taken over');
    core.LRUCache.destroy('orphaned');
    await worker.terminate();
    await tell(await waiting);
  `);
  expect(told).toEqual(['taken over']);
});

test('a name is checked', () => {
  expect(() => LRUCache.destroy(1 as never)).toThrow(
    expect.objectContaining({ code: 'ERR_CACHE_INVALID_TYPE' }),
  );
  expect(LRUCache.destroy('was never opened')).toBe(false);
});
