/**
 * Waiting that an `AbortSignal` can end.
 *
 * However many waits hang on one signal, it carries a single listener of ours, taken off with the last of them: thousands of
 * queued calls may share a signal without a listener warning and without a linear search at each removal.
 */

const waits = new WeakMap<AbortSignal, Set<() => void>>();

const nothing = (): void => undefined;

/**
 * Calls `callback` once when `signal` fires, at once if it has fired before.
 * @returns a function that takes the callback off again; calling it twice is harmless.
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return nothing;
  if (signal.aborted) {
    callback();
    return nothing;
  }
  const callbacks = waits.get(signal) ?? listen(signal);
  callbacks.add(callback);
  return () => {
    if (callbacks.delete(callback) && callbacks.size === 0) unlisten(signal);
  };
}

/** Settles as `work` does, or rejects with `signal.reason` as soon as `signal` fires, after a call of `aborted`. */
export function abortable<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  aborted: () => void = nothing,
): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const release = onAbort(signal, () => {
      aborted();
      reject(signal.reason);
    });
    // The listener goes before the promise settles: who awaits it finds the signal as it was.
    work.then(
      (value) => {
        release();
        resolve(value);
      },
      (error: unknown) => {
        release();
        reject(error);
      },
    );
  });
}

/** Resolves after `ms` milliseconds. The timer goes with the wait, whichever way that ends. */
export function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const wait = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return abortable(wait, signal, () => clearTimeout(timer));
}

function listen(signal: AbortSignal): Set<() => void> {
  const callbacks = new Set<() => void>();
  waits.set(signal, callbacks);
  signal.addEventListener('abort', fire, { once: true });
  return callbacks;
}

function unlisten(signal: AbortSignal): void {
  waits.delete(signal);
  signal.removeEventListener('abort', fire);
}

function fire(this: AbortSignal): void {
  const callbacks = waits.get(this);
  waits.delete(this);
  for (const callback of callbacks ?? []) callback();
}
