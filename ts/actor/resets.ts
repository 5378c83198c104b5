/**
 * What `reset()` of the testing entry undoes: each file that keeps state of its own adds how to clear it.
 */
const steps: (() => void)[] = [];
let resets = 0;

/** Adds a step to `reset()`; steps run after all processes were ended, in the order of their adding. */
export function onReset(step: () => void): void {
  steps.push(step);
}

/** Ends all processes, by `endAll`, and runs all steps. */
export function runReset(endAll: () => void): void {
  endAll();
  resets += 1;
  for (const step of steps) step();
}

/** How many resets there were: what spans one must not go on. */
export function resetCount(): number {
  return resets;
}
