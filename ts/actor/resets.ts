/**
 * What `reset()` of the testing entry undoes: each file that keeps state of its own adds how to clear it.
 */
const steps: (() => void)[] = [];
let resets = 0;
let resetting = false;

/** Adds a step to `reset()`; steps run after all processes were ended, in the order of their adding. */
export function onReset(step: () => void): void {
  steps.push(step);
}

/** Ends all processes, by `endAll`, and runs all steps. */
export function runReset(endAll: () => void): void {
  resetting = true;
  try {
    endAll();
  } finally {
    resetting = false;
  }
  resets += 1;
  for (const step of steps) step();
}

/** Whether the processes that end now do so because of a reset. */
export function isResetting(): boolean {
  return resetting;
}

/** How many resets there were: what spans one must not go on. */
export function resetCount(): number {
  return resets;
}
