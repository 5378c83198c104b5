// A worker of `digest.mjs`: a GenServer that runs on a thread of its own and reads one file at a time.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

const NEWLINE = 10;

/** What a task can have done to it, so that there is something to recover from. */
const FAULTS = {
  throw() {
    throw new Error('this handler was made to throw');
  },
  exit() {
    process.exit(1); // ends this thread, not the program
  },
  hang() {
    for (;;);
  },
};

async function measure(path) {
  const bytes = await readFile(path);
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return { size: bytes.length, lines, sha256: createHash('sha256').update(bytes).digest('hex') };
}

export default {
  init: () => ({ done: 0 }),

  async handleCall({ path, fault }, state) {
    FAULTS[fault]?.();
    try {
      return [await measure(path), { done: state.done + 1 }];
    } catch (error) {
      // A file that cannot be read is a result like any other; the worker is as good as before.
      return [{ error: error.code }, state];
    }
  },

  handleCast: (_none, state) => state,
};
