/**
 * Errors on the wire: what a user's operation threw arrives with its name, message, stack, code, cause, inner errors and own
 * properties. What of it cannot be read or cloned stays behind; the error itself always arrives.
 */
import { types } from 'node:util';
import { NoizylabError } from '../errors';
import { deserialize, serialize, type SharedBuffers } from './structured';
import { systemError } from './system-error';

/** Causes of causes are followed so far. */
const DEEPEST = 8;

/** What an error is on the wire. The engine's own have code and message only, and where the system refused something what it said. */
interface WireError {
  code?: string;
  message: string;
  /** The error of the operating system: its number on a Unix, else its name; `null` if that is not known. */
  system?: number | string | null;
  /** The file that it is about. */
  path?: string;
  name?: string;
  stack?: string;
  /** It is a `DOMException`: its code hangs on its name. */
  dom?: true;
  cause?: WireValue;
  /** Of an `AggregateError`. */
  errors?: WireValue[];
  /** Own properties. */
  own?: [name: string, value: WireValue][];
}

/** An error, or base64 of V8's format. */
type WireValue = { error: WireError } | { value: string };

const ERRORS = new Map<string, ErrorConstructor>(
  [TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError].map((constructor) => [
    constructor.name,
    constructor,
  ]),
);

/** Properties that travel by a way of their own. */
const ORDINARY = new Set(['name', 'message', 'stack', 'cause', 'errors']);

/** An error that the engine or a worker reports, as an error of this realm. */
export function decodeError(json: string, shared: SharedBuffers | undefined): Error {
  return fromWire(JSON.parse(json) as WireError, shared);
}

/** A thrown value as it goes over the wire. */
export function encodeError(thrown: unknown, shared: SharedBuffers | undefined): string {
  return JSON.stringify(toWire(thrown, shared, []));
}

function fromWire(wire: WireError, shared: SharedBuffers | undefined): Error {
  if (wire.name === undefined) {
    const cause = systemError(wire.system, wire.path);
    return new NoizylabError(wire.code ?? 'ERR_CORE_UNREADABLE', wire.message, cause && { cause });
  }
  const error = create(wire, shared);
  if (error.name !== wire.name) define(error, 'name', wire.name);
  define(error, 'stack', wire.stack);
  if (wire.cause !== undefined) define(error, 'cause', valueOf(wire.cause, shared));
  for (const [name, value] of wire.own ?? []) {
    Object.defineProperty(error, name, {
      value: valueOf(value, shared),
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }
  return error;
}

function create(
  { name = 'Error', message, dom, errors }: WireError,
  shared: SharedBuffers | undefined,
): Error {
  if (name === 'NoizylabError') return new NoizylabError('ERR_CORE_UNREADABLE', message);
  if (dom) return new DOMException(message, name);
  if (errors !== undefined)
    return new AggregateError(
      errors.map((one) => valueOf(one, shared)),
      message,
    );
  return new (ERRORS.get(name) ?? Error)(message);
}

function valueOf(wire: WireValue, shared: SharedBuffers | undefined): unknown {
  return 'error' in wire
    ? fromWire(wire.error, shared)
    : deserialize(Buffer.from(wire.value, 'base64'), shared);
}

function define(error: Error, name: string, value: unknown): void {
  Object.defineProperty(error, name, { value, configurable: true, enumerable: false, writable: true });
}

/** @param within the errors that this one is a cause or a part of */
function toWire(thrown: unknown, shared: SharedBuffers | undefined, within: readonly Error[]): WireError {
  if (!isError(thrown)) {
    const message = 'the operation threw something that is not an error; it is the cause';
    return toWire(new NoizylabError('ERR_PROCESSOR_TASK_THREW', message, { cause: thrown }), shared, within);
  }
  const wire: WireError = {
    name: text(thrown, 'name') ?? 'Error',
    message: text(thrown, 'message') ?? '',
    stack: text(thrown, 'stack') ?? '',
  };
  if (isDomException(thrown)) wire.dom = true;
  const path = [...within, thrown];
  const cause = toValue(read(thrown, 'cause'), shared, path);
  if (cause !== undefined) wire.cause = cause;
  const errors = read(thrown, 'errors');
  if (wire.name === 'AggregateError' && Array.isArray(errors)) {
    wire.errors = errors.map((one) => toValue(one, shared, path)).filter((one) => one !== undefined);
  }
  const own = Object.keys(thrown)
    .filter((name) => !ORDINARY.has(name))
    .map((name): [string, WireValue | undefined] => [name, toValue(read(thrown, name), shared, path)])
    .filter((pair): pair is [string, WireValue] => pair[1] !== undefined);
  if (own.length > 0) wire.own = own;
  return wire;
}

/** `undefined` where it cannot travel: it cannot be cloned, or is an error that leads back to itself or too far down. */
function toValue(
  value: unknown,
  shared: SharedBuffers | undefined,
  within: readonly Error[],
): WireValue | undefined {
  if (value === undefined) return undefined;
  if (isError(value)) {
    return within.includes(value) || within.length > DEEPEST
      ? undefined
      : { error: toWire(value, shared, within) };
  }
  const cloned = clone(value, shared);
  return cloned === undefined ? undefined : { value: cloned };
}

/** `undefined` where it cannot be cloned. */
function clone(value: unknown, shared: SharedBuffers | undefined): string | undefined {
  try {
    return serialize(value, shared).toString('base64');
  } catch {
    return undefined;
  }
}

/** A property of a value that may be hostile: a getter that throws reads as `undefined`. */
function read(error: Error, name: string): unknown {
  try {
    return (error as unknown as Record<string, unknown>)[name];
  } catch {
    return undefined;
  }
}

function text(error: Error, name: string): string | undefined {
  const value = read(error, name);
  return typeof value === 'string' ? value : undefined;
}

/** An error of any realm, or a `DOMException`. */
export function isError(value: unknown): value is Error {
  return types.isNativeError(value) || isDomException(value);
}

function isDomException(value: unknown): value is DOMException {
  return (
    typeof value === 'object' && value !== null && !types.isProxy(value) && value instanceof DOMException
  );
}
