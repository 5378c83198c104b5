/**
 * The payload codec: how one value stands in a run of bytes. The engine's `payload.rs` is its other end.
 *
 * JSON values travel as JSON text, numbers as doubles, long strings and buffers raw, and what JSON cannot carry (Maps, Dates,
 * typed arrays, `undefined` inside objects, cycles, ...) in V8's own format. A `SharedArrayBuffer` travels as a number; the
 * buffer itself goes to the workers beside the bridge.
 */
import { types } from 'node:util';

/** How the bytes of a value are to be read; the numbers stand in the engine's `payload.rs`. */
export const Tag = {
  undefined: 0,
  number: 1,
  json: 2,
  text: 3,
  bytes: 4,
  v8: 5,
  error: 6,
  port: 7,
  same: 8,
  borrowed: 9,
  typed: 10,
} as const;

/** A result that is a failure. */
export class Failure {
  constructor(readonly error: Error) {}
}

/** A result that is the very object that was given. */
export const SAME = Symbol('same');
/** A result that waits at a message port. */
export const AT_PORT = Symbol('at port');

const MOST_DEPTH = 100;
/** A value with more parts travels in V8's format, which also knows what stands in it twice. */
const MOST_PARTS = 1_000_000;

/** Parts of the value in question that were looked at. */
let parts = 0;

/**
 * Whether JSON carries `value` as a structured clone would, but for two things: an object that stands in it twice arrives as two, and
 * named properties of arrays are lost.
 * @param loose properties that are `undefined` are allowed, and lost
 */
export function isJson(value: unknown, loose: boolean): boolean {
  if (typeof value !== 'object') return isJsonPart(value, loose, 0);
  parts = 0;
  return isJsonPart(value, loose, 0);
}

function isJsonPart(value: unknown, loose: boolean, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return value - value === 0 && (value !== 0 || 1 / value > 0);
    case 'undefined':
      return loose && depth > 0;
    case 'object':
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth > MOST_DEPTH || ++parts > MOST_PARTS) return false;
  if ((value as { toJSON?: unknown }).toJSON !== undefined) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const element: unknown = value[i];
      if (element === undefined || !isJsonPart(element, loose, depth + 1)) return false;
    }
    return true;
  }
  if (!isPlain(value)) return false;
  for (const key in value) {
    if (!isJsonPart((value as Record<string, unknown>)[key], loose, depth + 1)) return false;
  }
  return true;
}

/** An object literal or an object without a prototype, of any realm. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  return (
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype as object, 'isPrototypeOf') &&
    !types.isProxy(value)
  );
}
