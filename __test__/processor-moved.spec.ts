/** Tasks whose data moves to one worker: they wait for it, are answered, and end as other tasks do. */
import type { OperationContext, Task, TrillionProcessor } from '..';
import { rest, untyped } from './fixtures/parallel';
import { blocker, open, outcomesOf, rejection } from './lib/processors';

/** A task that says how long its data is, which has moved. */
function moved(length: number, operation = 'length'): Task {
  const data = new ArrayBuffer(length);
  return { operation, data, transferList: [data] };
}

function opened(options?: Parameters<typeof open>[0]): TrillionProcessor {
  return open(options).define('length', (data: ArrayBuffer) => data.byteLength);
}

/** Holds the event loop. */
function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

// The data went to a worker that was being ended for having nothing to do, and the task failed with it.
test.each([1, 20])('no task fails because an idle worker ends after %i ms', async (idleTimeout) => {
  const processor = opened({ maxWorkers: 1, idleTimeout });
  for (let i = 1; i <= 8; i++) {
    await expect(processor.run(moved(i))).resolves.toBe(i);
    sleep(2 * idleTimeout);
  }
});

// One worker got all of them, however many there might have been.
test('many run on all workers', async () => {
  const processor = open({ maxWorkers: 2 });
  processor.define('meet', ({ shared }: { shared: SharedArrayBuffer }) => {
    const words = new Int32Array(shared);
    Atomics.add(words, 0, 1);
    Atomics.notify(words, 0);
    return Atomics.wait(words, 0, 1, 10_000) !== 'timed-out';
  });
  const shared = new SharedArrayBuffer(4);
  const meet = (): Task => {
    const bytes = new ArrayBuffer(1);
    return { operation: 'meet', data: { shared, bytes }, transferList: [bytes] };
  };
  await expect(Promise.all([processor.run(meet()), processor.run(meet())])).resolves.toEqual([true, true]);
  expect(processor.getStats().hosts).toBe(2);
});

test('never start more workers than there may be', async () => {
  const processor = opened({ maxWorkers: 2 });
  const mixed = Array.from({ length: 40 }, (_, i) =>
    processor.run(i % 2 === 0 ? moved(i) : { operation: 'length', data: new ArrayBuffer(i) }),
  );
  await expect(Promise.all(mixed)).resolves.toEqual(mixed.map((_, i) => i));
  expect(processor.getStats().hosts).toBeLessThanOrEqual(2);
});

// It ran all the same, with nobody left to stop it.
test('one that is aborted before there is a worker never runs, and keeps its data', async () => {
  const processor = opened({ maxWorkers: 1 });
  const { work } = blocker(processor);
  const bytes = new ArrayBuffer(8);
  const controller = new AbortController();
  const task = { ...work, data: { memory: work.data, bytes }, transferList: [bytes] };
  const aborted = rejection(processor.run(task, { signal: controller.signal }));
  controller.abort(new Error('not wanted'));
  await expect(aborted).resolves.toMatchObject({ message: 'not wanted' });
  await expect(processor.run(moved(3))).resolves.toBe(3);
  expect(bytes.byteLength).toBe(8);
});

test('the start of a worker counts towards the timeout', async () => {
  const processor = opened({ maxWorkers: 1 });
  const task = moved(8);
  await expect(processor.run(task, { timeout: 1 })).rejects.toMatchObject({ code: 'ERR_PROCESSOR_TIMEOUT' });
  expect((task.data as ArrayBuffer).byteLength).toBe(8);
});

// They were refused, for they had not reached the engine.
test.each(['a first', 'a running'])('shutdown finishes those that wait for %s worker', async (which) => {
  const processor = opened({ maxWorkers: 1 });
  if (which === 'a running') await processor.run(moved(1));
  const one = processor.run(moved(5));
  const added = processor.addTasks([moved(6), { data: 'between' }, moved(7)]);
  await Promise.all([processor.shutdown(), expect(one).resolves.toBe(5)]);
  await expect(processor.results(await added)).resolves.toMatchObject([
    { result: 6 },
    { result: 'between' },
    { result: 7 },
  ]);
});

test.each([{ force: true }, { timeout: 0 }, { timeout: 1 }])(
  'shutdown with %p does not wait for a worker',
  async (options) => {
    const processor = opened({ maxWorkers: 1 });
    const one = rejection(processor.run(moved(5)));
    await processor.shutdown(options);
    await expect(one).resolves.toMatchObject({ code: 'ERR_PROCESSOR_SHUT_DOWN' });
  },
);

test('shutdown can be hurried while a worker starts', async () => {
  const processor = opened({ maxWorkers: 1 });
  const one = rejection(processor.run(moved(5)));
  const patient = processor.shutdown();
  await processor.shutdown({ force: true });
  await patient;
  await expect(one).resolves.toMatchObject({ code: 'ERR_PROCESSOR_SHUT_DOWN' });
});

test('those that wait for a worker take places of the queue', async () => {
  const rejecting = opened({ maxWorkers: 1, taskQueueSize: 3, overflow: 'reject' });
  const ends = await Promise.allSettled(Array.from({ length: 10 }, () => rejecting.run(moved(1))));
  expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);

  const waiting = opened({ maxWorkers: 1, taskQueueSize: 3 });
  const all = Array.from({ length: 10 }, (_, i) => waiting.run(moved(i)));
  await rest();
  expect(waiting.getStats().queueLength).toBeLessThanOrEqual(3);
  await expect(Promise.all(all)).resolves.toEqual(all.map((_, i) => i));
});

test('one that cannot be moved fails alone', async () => {
  const processor = opened({ maxWorkers: 1 });
  const outcomes = await outcomesOf(processor, [
    moved(1),
    { operation: 'length', data: {}, transferList: untyped([{}]) },
    moved(3),
  ]);
  expect(outcomes).toMatchObject([
    { result: 1 },
    { error: { code: 'ERR_PROCESSOR_NOT_CLONEABLE' } },
    { result: 3 },
  ]);
});

// The result was `undefined`: the port had been closed with the worker, before anybody had read it.
test('what moves back arrives, also when its worker ends right after', async () => {
  const processor = open({ maxWorkers: 1 });
  processor.define('last', (_: unknown, { transfer }: OperationContext) => {
    setImmediate(() => process.exit());
    return transfer(new Uint8Array([7]), []);
  });
  for (let i = 0; i < 25; i++) {
    const end = await processor.run({ operation: 'last' }).catch(({ code }: NodeJS.ErrnoException) => code);
    expect([Uint8Array.of(7), 'ERR_PROCESSOR_WORKER_DIED']).toContainEqual(end);
  }
});
