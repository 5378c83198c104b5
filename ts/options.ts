/**
 * One way to read options. An explicit `undefined` means the default; `0`, `''` and `false` are values;
 * a wrong kind throws a `TypeError` (`ERR_<SYSTEM>_INVALID_TYPE`), a value outside the allowed ones a `RangeError`
 * (`ERR_<SYSTEM>_OUT_OF_RANGE`). Either names the option, what was given and what is allowed.
 */
import { inspect } from 'node:util';
import { rangeError, typeError } from './errors';

/** A short, safe picture of a value for an error message. */
export function describe(value: unknown): string {
  try {
    if (typeof value === 'function') return `a function${value.name ? ` '${value.name}'` : ''}`;
    const text = inspect(value, { depth: 0, maxArrayLength: 3, maxStringLength: 60, breakLength: Infinity });
    return text.length > 120 ? `${text.slice(0, 117)}...` : text;
  } catch {
    return `a value of type ${typeof value} that cannot be inspected`;
  }
}

/** Bounds of a number option, both inclusive unless said. */
export interface NumberBounds {
  min?: number;
  max?: number;
  /** `min` itself is not allowed. */
  aboveMin?: boolean;
  /** `Infinity` is allowed besides the range. */
  orInfinity?: boolean;
}

/** Reads and checks the options of one system; made once per system, e.g. `new OptionReader('PARALLEL')`. */
export class OptionReader {
  constructor(private readonly system: string) {}

  /** A whole number of `bounds`, or `fallback` where the value is `undefined`. */
  integer(name: string, value: unknown, fallback: number, bounds: NumberBounds = {}): number {
    const number = this.number(name, value, fallback, bounds);
    if (Number.isInteger(number) || (bounds.orInfinity && number === Infinity)) return number;
    throw this.range(name, value, `a whole number${boundsText(bounds)}`);
  }

  /** A number of `bounds`, or `fallback` where the value is `undefined`. */
  number(name: string, value: unknown, fallback: number, bounds: NumberBounds = {}): number {
    if (value === undefined) return fallback;
    const allowed = `a number${boundsText(bounds)}`;
    if (typeof value !== 'number') throw this.type(name, value, allowed);
    if (bounds.orInfinity && value === Infinity) return value;
    const low = bounds.min ?? -Number.MAX_VALUE;
    const aboveLow = bounds.aboveMin ? value > low : value >= low;
    if (aboveLow && value <= (bounds.max ?? Number.MAX_VALUE)) return value;
    throw this.range(name, value, allowed);
  }

  /** `true` or `false`, or `fallback` where the value is `undefined`. */
  boolean(name: string, value: unknown, fallback: boolean): boolean {
    if (value === undefined) return fallback;
    if (typeof value === 'boolean') return value;
    throw this.type(name, value, 'true or false');
  }

  /** One of the strings in `allowed`, or `fallback` where the value is `undefined`. */
  oneOf<T extends string>(name: string, value: unknown, fallback: T, allowed: readonly T[]): T {
    if (value === undefined) return fallback;
    const text = allowed.map((item) => `'${item}'`).join(' or ');
    if (typeof value !== 'string') throw this.type(name, value, text);
    const found = allowed.find((item) => item === value);
    if (found === undefined) throw this.range(name, value, text);
    return found;
  }

  /** A string that is not empty. */
  text(name: string, value: unknown): string {
    if (typeof value !== 'string') throw this.type(name, value, 'a string that is not empty');
    if (value === '') throw this.range(name, value, 'a string that is not empty');
    return value;
  }

  /** A function. */
  callback(name: string, value: unknown): void {
    if (typeof value !== 'function') throw this.type(name, value, 'a function');
  }

  /** An array (of any realm). */
  array(name: string, value: unknown): void {
    if (!Array.isArray(value)) throw this.type(name, value, 'an array');
  }

  /** An iterable or async iterable (of any realm). */
  iterable(name: string, value: unknown): void {
    const given = value as Partial<AsyncIterable<unknown> & Iterable<unknown>> | null | undefined;
    if (typeof given?.[Symbol.asyncIterator] === 'function' || typeof given?.[Symbol.iterator] === 'function')
      return;
    throw this.type(name, value, 'an iterable or async iterable');
  }

  /** An `AbortSignal` (of any realm), or `undefined`. */
  signal(name: string, value: unknown): AbortSignal | undefined {
    if (value === undefined) return undefined;
    if (isAbortSignal(value)) return value;
    throw this.type(name, value, 'an AbortSignal');
  }

  /** The options object itself; `undefined` counts as an empty one. */
  object<T extends object>(name: string, value: T | undefined): Partial<T> {
    if (value === undefined) return {};
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
    throw this.type(name, value, 'an object');
  }

  /** The error for a value of the wrong kind. */
  type(name: string, value: unknown, allowed: string): TypeError {
    return typeError(
      `ERR_${this.system}_INVALID_TYPE`,
      `${name} must be ${allowed}; given: ${describe(value)}`,
    );
  }

  /** The error for a value of the right kind that is not allowed. */
  range(name: string, value: unknown, allowed: string): RangeError {
    return rangeError(
      `ERR_${this.system}_OUT_OF_RANGE`,
      `${name} must be ${allowed}; given: ${describe(value)}`,
    );
  }
}

function isAbortSignal(value: unknown): value is AbortSignal {
  return (
    typeof value === 'object' &&
    value !== null &&
    'aborted' in value &&
    typeof (value as AbortSignal).addEventListener === 'function'
  );
}

function boundsText({ min, max, aboveMin, orInfinity }: NumberBounds): string {
  const low = min === undefined ? '' : aboveMin ? ` above ${min}` : ` of at least ${min}`;
  const high = max === undefined ? '' : `${low ? ' and' : ''} of at most ${max}`;
  return `${low}${high}${orInfinity ? ', or Infinity' : ''}`;
}
