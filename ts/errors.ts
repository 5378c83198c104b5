/**
 * The error classes of the package. Every error that it throws or rejects with carries a `code`
 * of the form `ERR_<SYSTEM>_<WHAT>`; `docs/errors.md` lists them all.
 */

/** An error of this package. Match on `code`, never on the text of `message`. */
export class NoizylabError extends Error {
  override name = 'NoizylabError';
  /** `ERR_<SYSTEM>_<WHAT>`, see `docs/errors.md`. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The system, or the engine of JavaScript, has no memory for so many bytes. */
export function outOfMemory(bytes: number, cause?: unknown): NoizylabError {
  return new NoizylabError('ERR_CORE_OUT_OF_MEMORY', `there is no memory for ${bytes} bytes`, {
    ...(cause !== undefined && { cause }),
  });
}

/** Whether an error is of `ERR_CORE_OUT_OF_MEMORY`. */
export function isOutOfMemory(error: unknown): boolean {
  return (error as { code?: unknown } | null | undefined)?.code === 'ERR_CORE_OUT_OF_MEMORY';
}

/** What an argument error carries besides its message. */
export interface ArgumentError {
  /** `ERR_<SYSTEM>_INVALID_TYPE`, `ERR_<SYSTEM>_OUT_OF_RANGE` or a system's own code. */
  readonly code: string;
}

/** A `TypeError` with a code: the value is of the wrong kind. */
export function typeError(code: string, message: string, options?: ErrorOptions): TypeError & ArgumentError {
  return Object.assign(new TypeError(message, options), { code });
}

/** A `RangeError` with a code: the kind is right, the value is not allowed. */
export function rangeError(
  code: string,
  message: string,
  options?: ErrorOptions,
): RangeError & ArgumentError {
  return Object.assign(new RangeError(message, options), { code });
}
