/** The two sides of the comparisons within one thread, each a counter. */
import { GenServer } from '../../dist/actor/index.js';
import counter from './counter.mjs';
import { PromiseQueueActor } from './promise-queue.mjs';

export const OURS = 'GenServer';
export const BASELINE = 'promise queue in plain JavaScript (the original is not on npm)';

/** Starts a side by its name; gives its `call` and its `cast`. */
export async function startSide(name) {
  if (name === OURS) {
    const ref = await GenServer.start(counter);
    return {
      call: (message) => GenServer.call(ref, message),
      cast: (message) => GenServer.cast(ref, message),
    };
  }
  const actor = new PromiseQueueActor(counter);
  return { call: (message) => actor.call(message), cast: (message) => actor.cast(message) };
}
