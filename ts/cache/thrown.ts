/**
 * What a computation throws, on its way to the isolates that wait for it. Only errors travel as such; anything else that can be thrown
 * travels in one.
 */
import { isError } from '../bridge/wire-error';
import { NoizylabError } from '../errors';

class Thrown extends NoizylabError {
  /** In a list, so that `undefined` arrives too. Stays behind where it cannot be cloned. */
  readonly thrown: [unknown];

  constructor(thrown: unknown) {
    super(
      'ERR_CACHE_THREW',
      'the computation threw something that is not an error and cannot leave its thread',
    );
    this.thrown = [thrown];
  }
}

/** An error that says what was thrown. */
export function toError(thrown: unknown): Error {
  return isError(thrown) ? thrown : new Thrown(thrown);
}

/** What was thrown, or where that could not come, the error that stands for it. */
export function fromError(error: Error): unknown {
  const { code, thrown } = error as Partial<Thrown>;
  return code === 'ERR_CACHE_THREW' && thrown !== undefined ? thrown[0] : error;
}
