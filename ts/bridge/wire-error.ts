/**
 * Errors on the wire: what a user's operation threw arrives with its name, message, stack, code, cause and own properties.
 */
import { types } from 'node:util';
import { NoizylabError } from '../errors';
import { deserialize, serialize, type SharedBuffers } from './structured';

/** What an error is on the wire. */
interface WireError {
  code?: string;
  message: string;
  name?: string;
  stack?: string;
  /** Base64 of V8's format: the cause, and own properties. */
  more?: string;
}

/** An error that the engine or a worker reports, as an error of this realm. */
export function decodeError(json: string, shared: SharedBuffers | undefined): Error {
  const wire = JSON.parse(json) as WireError;
  if (wire.name === undefined) return new NoizylabError(wire.code ?? 'ERR_CORE_UNREADABLE', wire.message);
  const error = new (ERRORS.get(wire.name) ?? Error)(wire.message);
  const hidden = (value: unknown) => ({ value, configurable: true, writable: true, enumerable: false });
  if (error.name !== wire.name) Object.defineProperty(error, 'name', hidden(wire.name));
  Object.defineProperty(error, 'stack', hidden(wire.stack));
  if (wire.more !== undefined) {
    const { cause, own } = deserialize(Buffer.from(wire.more, 'base64'), shared) as {
      cause?: unknown;
      own: object;
    };
    if (cause !== undefined) Object.defineProperty(error, 'cause', hidden(cause));
    Object.assign(error, own);
  }
  return error;
}

const ERRORS = new Map<string, ErrorConstructor>(
  [TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError].map((constructor) => [
    constructor.name,
    constructor,
  ]),
);

/** A thrown value as it goes over the wire. Whatever cannot be cloned of it stays behind. */
export function encodeError(thrown: unknown, shared: SharedBuffers | undefined): string {
  if (!types.isNativeError(thrown)) {
    return encodeError(
      new NoizylabError(
        'ERR_PROCESSOR_TASK_THREW',
        'the operation threw something that is not an error; it is the cause',
        {
          cause: thrown,
        },
      ),
      shared,
    );
  }
  const wire: WireError = {
    name: String(thrown.name),
    message: String(thrown.message),
    stack: String(thrown.stack),
  };
  const cause: unknown = thrown.cause;
  const own = Object.fromEntries(Object.entries(thrown).filter(([key]) => key !== 'name' && key !== 'stack'));
  if (cause !== undefined || Object.keys(own).length > 0) {
    const clone = (value: unknown): Buffer | undefined => {
      try {
        return serialize(value, shared);
      } catch {
        return undefined;
      }
    };
    const cloneable = Object.fromEntries(
      Object.entries(own).filter(([, value]) => clone(value) !== undefined),
    );
    const more = clone({ cause, own: cloneable }) ?? clone({ own: cloneable });
    if (more !== undefined) wire.more = more.toString('base64');
  }
  return JSON.stringify(wire);
}
