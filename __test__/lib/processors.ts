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
