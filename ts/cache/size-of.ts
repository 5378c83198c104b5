/**
 * How many bytes an entry takes in this process, estimated from what V8 allocates on 64 bits: its key, its value with all that hangs on
 * it, and the cache's own tables.
 *
 * - A string takes one byte a character or two, by its content. Buffers and typed arrays count the bytes that they show, also where they
 *   show a part of a larger memory.
 * - Objects, arrays, Maps and Sets are walked; what stands in the entry twice counts once. Getters are not called, and neither
 *   proxies nor private fields are looked into. Of a value with more than some 10,000 parts an even sample is looked at, and stands for
 *   the rest; what is nested deeper than 200 levels does not count.
 * - Names of properties belong to the shape that objects share and do not count, unless there are so many that an object is a dictionary.
 */
import { types } from 'node:util';

const WORD = 8;
/** Map, properties, elements: what each object begins with. */
const OBJECT = 3 * WORD;
/** A number that is no small integer, a bigint's head, a symbol and the like. */
const BOXED = 2 * WORD;
/** An object of a kind with hidden parts: a function, a promise, a date, ... */
const OPAQUE = 10 * WORD;
/** A buffer or typed array without its bytes: the view, its ArrayBuffer, and what the allocator keeps of them. */
const VIEW = 25 * WORD;
/** The entry in the tables of a `LocalStore`: key, value, slot and hash in the map at its usual load, order of use, times, size. */
const ENTRY = 16 * WORD;
/** A place in a Map or Set, at its usual load. */
const MAP_PLACE = 5 * WORD;
const SET_PLACE = 4 * WORD;
/** With more properties an object is a dictionary: hashed, and with names of its own. */
const MOST_IN_SHAPE = 128;
const DICTIONARY_PLACE = 13 * WORD;
/** Parts of a value that are looked at, roughly. */
const MOST_PARTS = 10_000;
/** At least so many parts for each child of a container, as far as there are; the other children are left to the sample. */
const SHARES = 16;
const LEAST_SAMPLE = 8;
const TURNS = 7;
/** Levels of a value that are looked at. */
const DEEPEST = 200;

const TWO_BYTES = /[^\0-\xff]/;

/** Bytes of an entry, overhead included. Never throws. */
export function sizeOf(value: unknown, key: unknown): number {
  return ENTRY + sizeOfValue(key) + sizeOfValue(value);
}

function sizeOfValue(value: unknown): number {
  const size = sizeOfPrimitive(value);
  return size ?? Math.round(new Walk().sizeOf(value, MOST_PARTS, 0));
}

/** `undefined` for objects and functions. */
function sizeOfPrimitive(value: unknown): number | undefined {
  switch (typeof value) {
    case 'string':
      return sizeOfString(value);
    case 'number':
      return (value | 0) === value && !Object.is(value, -0) ? 0 : BOXED;
    case 'bigint':
      return BOXED + words(value.toString(16).length / 2);
    case 'symbol':
      return BOXED + WORD;
    case 'object':
      return value === null ? 0 : undefined;
    case 'function':
      return undefined;
    default:
      return 0;
  }
}

function sizeOfString(text: string): number {
  return 2 * WORD + words(TWO_BYTES.test(text) ? text.length * 2 : text.length);
}

/** Bytes rounded up to words. */
function words(bytes: number): number {
  return Math.ceil(bytes / WORD) * WORD;
}

/** A walk through one value. */
class Walk {
  readonly #seen = new Set<object>();
  /** Which of the children a sample takes first: another one each time. */
  #turn = 0;

  /** Bytes of a part. @param budget how many parts of it may be looked at, roughly */
  sizeOf(part: unknown, budget: number, depth: number): number {
    const size = sizeOfPrimitive(part);
    if (size !== undefined) return size;
    if (this.#seen.has(part as object)) return 0;
    this.#seen.add(part as object);
    try {
      return this.#sizeOfObject(part as object, budget, depth);
    } catch {
      return OPAQUE; // a DataView of memory that is gone, for one
    }
  }

  #sizeOfObject(object: object, budget: number, depth: number): number {
    if (typeof object === 'function' || types.isProxy(object)) return OPAQUE;
    if (ArrayBuffer.isView(object) || types.isAnyArrayBuffer(object)) return VIEW + words(object.byteLength);
    if (Array.isArray(object)) return this.#sizeOfArray(object, budget, depth);
    if (types.isMap(object)) {
      const size = Reflect.get(Map.prototype, 'size', object);
      const keys = Map.prototype.keys.call(object) as Iterator<unknown>;
      const values = Map.prototype.values.call(object) as Iterator<unknown>;
      return (
        OBJECT +
        3 * WORD +
        size * MAP_PLACE +
        this.#sample(size, budget, depth, () => keys.next().value) +
        this.#sample(size, budget, depth, () => values.next().value)
      );
    }
    if (types.isSet(object)) {
      const size = Reflect.get(Set.prototype, 'size', object);
      const values = Set.prototype.values.call(object) as Iterator<unknown>;
      return (
        OBJECT + 3 * WORD + size * SET_PLACE + this.#sample(size, budget, depth, () => values.next().value)
      );
    }
    const hidden = types.isDate(object) || types.isNativeError(object) || types.isRegExp(object) ? OPAQUE : 0;
    return OBJECT + hidden + this.#sizeOfProperties(object, budget, depth);
  }

  #sizeOfArray(array: readonly unknown[], budget: number, depth: number): number {
    const own = OBJECT + 3 * WORD + array.length * WORD;
    // An array that begins and ends with numbers most likely holds nothing else, and then holds them unboxed.
    if (typeof ownValue(array, 0) === 'number' && typeof ownValue(array, array.length - 1) === 'number')
      return own;
    return own + this.#sample(array.length, budget, depth, (index) => ownValue(array, index));
  }

  #sizeOfProperties(object: object, budget: number, depth: number): number {
    const names = Object.getOwnPropertyNames(object);
    const { length } = names;
    const values = this.#sample(length, budget, depth, (index) => ownValue(object, names[index]!));
    if (length <= MOST_IN_SHAPE) return length * WORD + values;
    return length * DICTIONARY_PLACE + values + this.#sample(length, budget, depth, (index) => names[index]);
  }

  /** Bytes of `count` children: of all of them, or of an even sample times what it stands for. */
  #sample(count: number, budget: number, depth: number, childAt: (index: number) => unknown): number {
    if (count === 0 || budget <= 0 || depth >= DEEPEST) return 0;
    const taken = Math.min(count, Math.max(LEAST_SAMPLE, Math.floor(budget / SHARES)));
    const share = Math.floor((budget - 1) / taken);
    const first = (this.#turn = (this.#turn + 1) % TURNS) / TURNS;
    let sum = 0;
    for (let i = 0; i < taken; i++) {
      const child = childAt(Math.floor(((i + first) * count) / taken));
      sum += this.sizeOf(child, share, depth + 1);
    }
    return (sum * count) / taken;
  }
}

/** The value of an own property; nothing for one with a getter. */
function ownValue(object: object, name: string | number): unknown {
  return Object.getOwnPropertyDescriptor(object, name)?.value;
}
