/**
 * Which handler runs now. A server with nothing to do handles a message inside of the `call` or `cast` that sends it, so handlers run within one another; the
 * innermost is the current one. What a handler does after its first `await` runs within none, and so do listeners of lifecycle events, whichever handler has caused the event.
 */

/** A server whose handler runs. */
export interface Handling {
  readonly id: string;
  /**
   * A promise that the current handler must not await, for it is settled only when that handler has ended: awaited there it rejects with `DeadlockError`.
   *
   * @param advice what to do instead
   * @param refused is given that error
   */
  guard<T>(promise: Promise<T>, advice: string, refused?: (error: Error) => void): Promise<T>;
}

/** So deep may servers handle messages inside of one another's handlers. */
const MAX_DEPTH = 64;

let current: Handling | undefined;
let depth = 0;

/** A handler begins, or with `undefined` code that belongs to none; returns whose handler it runs in, for `leave`. */
export function enter(server: Handling | undefined): Handling | undefined {
  const before = current;
  current = server;
  depth += 1;
  return before;
}

/** What was entered last has returned or thrown. */
export function leave(before: Handling | undefined): void {
  depth -= 1;
  current = before;
}

/** Whose handler runs now, synchronously. */
export function currentServer(): Handling | undefined {
  return current;
}

/** How many handlers, and what else was entered, run within one another now. */
export function nesting(): number {
  return depth;
}

/** Whether one more handler may run within those that do; a message that would go deeper is queued. */
export function mayNest(): boolean {
  return depth < MAX_DEPTH;
}
