// The one who knows what is to be done in `digest.mjs`: a GenServer that hands tasks to idle workers and collects what they answer. It is never
// told that a worker has died: the call to that one rejects, and the one that takes its place reports for work.

import { CallTimeoutError, GenServer, Registry } from '@noizylab/core/actor';

const MOST_ATTEMPTS = 3;
const TASK_MS = 1000;

/** What comes after the end of the dispatcher is of no interest any more. */
function tell(message) {
  const self = Registry.whereis('dispatcher');
  if (self !== undefined) GenServer.cast(self, message);
}

/** One task from its assignment to what comes of it; the mailbox does not wait for it. */
async function run(worker, task) {
  const { path, fault, attempts = 0 } = task;
  try {
    const message = { path, fault: attempts === 0 ? fault : undefined };
    const result = await GenServer.call(worker, message, { timeout: TASK_MS });
    tell({ type: 'done', worker, path, result });
  } catch (error) {
    // One that does not answer is of no use any more; its supervisor starts another.
    if (error instanceof CallTimeoutError) GenServer.kill(worker, { error });
    tell({ type: 'failed', task: { ...task, attempts: attempts + 1 }, error });
  }
}

/** A dispatcher for `tasks`, each `{ path, fault }`; a fault happens at the first attempt only. */
export function dispatcher(tasks) {
  /** Hands out what can be handed out, and answers who waits for the end of it all. */
  function goOn(state) {
    while (state.idle.length > 0 && state.queue.length > 0) void run(state.idle.pop(), state.queue.shift());
    if (state.results.size === tasks.length)
      for (const { resolve } of state.waiting.splice(0)) resolve(state);
    return state;
  }

  return {
    init: () => ({ queue: [...tasks], idle: [], results: new Map(), faults: [], waiting: [] }),

    handleCast(message, state) {
      switch (message.type) {
        case 'ready':
          state.idle.push(message.worker);
          break;
        case 'done':
          state.results.set(message.path, message.result);
          state.idle.push(message.worker);
          break;
        case 'failed': {
          const { task, error } = message;
          state.faults.push({ path: task.path, error });
          if (task.attempts < MOST_ATTEMPTS) state.queue.push(task);
          else state.results.set(task.path, { error: error.code ?? error.message });
        }
      }
      return goOn(state);
    },

    /** Answers when all is done. The reply is a promise, so other messages are handled meanwhile. */
    handleCall(_finished, state) {
      const finished = new Promise((resolve, reject) => state.waiting.push({ resolve, reject }));
      return [finished, goOn(state)];
    },

    terminate(_reason, state) {
      for (const { reject } of state.waiting) reject(new Error('interrupted'));
    },
  };
}
