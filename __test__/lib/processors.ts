/** Processors that end with the test that opened them. */
import { TrillionProcessor } from '../..';
import type { ProcessorOptions } from '../..';

const opened: TrillionProcessor[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((processor) => processor.shutdown({ force: true })));
});

/** A processor that is shut down after the test. */
export function open(options?: ProcessorOptions): TrillionProcessor {
  const processor = new TrillionProcessor(options);
  opened.push(processor);
  return processor;
}

/** Path of a module with operations. */
export function fixture(name: string): string {
  return require.resolve(`../fixtures/processor/${name}`);
}

/** What a promise rejects with. */
export async function rejection(promise: PromiseLike<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error & { code?: string };
  }
  throw new Error('it did not reject');
}

/** Runs the tasks and gives their outcomes in order. */
export async function outcomesOf(
  processor: TrillionProcessor,
  tasks: Parameters<TrillionProcessor['addTasks']>[0],
) {
  return processor.results(await processor.addTasks(tasks));
}

/** A task that holds a worker until it is stopped or `release` is called, and a promise that tells when it has begun. */
export function blocker(processor: TrillionProcessor, name = 'block') {
  const memory = new SharedArrayBuffer(8);
  const words = new Int32Array(memory);
  processor.define(name, (shared: SharedArrayBuffer) => {
    const flags = new Int32Array(shared);
    Atomics.store(flags, 0, 1);
    Atomics.notify(flags, 0);
    Atomics.wait(flags, 1, 0);
    return 'released';
  });
  const release = (): void => {
    Atomics.store(words, 1, 1);
    Atomics.notify(words, 1);
  };
  return { work: { operation: name, data: memory }, started: changed(words, 0), release };
}

/** Resolves when another thread has changed and notified a word that is 0. */
async function changed(words: Int32Array, index: number): Promise<void> {
  // Absent from the typings of this language level.
  const { waitAsync } = Atomics as unknown as {
    waitAsync(words: Int32Array, index: number, value: number): { value: unknown };
  };
  await waitAsync(words, index, 0).value;
}
