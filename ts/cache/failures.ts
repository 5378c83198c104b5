/** Several things that failed together. */

/** Throws the one failure there is as it is, or all of them as an `AggregateError` with a code. */
export function throwAny(failures: readonly unknown[], code: string, what: string): void {
  if (failures.length === 0) return;
  if (failures.length === 1) throw failures[0];
  throw Object.assign(new AggregateError(failures, `${failures.length} ${what} failed`), { code });
}
