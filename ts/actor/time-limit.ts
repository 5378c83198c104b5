/** Promises that are awaited for a limited time. `setTimeout` is looked up with each call, so that fake timers work. */

/** What `promise` settles to, or after `ms` milliseconds, which may be `Infinity`, what `late` returns or throws. */
export function within<T, L>(promise: Promise<T>, ms: number, late: () => L): Promise<T | L> {
  if (ms === Infinity) return promise;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      try {
        resolve(late());
      } catch (error) {
        reject(error);
      }
    }, ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Resolves when `promise` is settled, either way, to true; or when `ms` have passed before that, to false. */
export function settledWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const settled = promise.then(
    () => true,
    () => true,
  );
  return within(settled, ms, () => false);
}
