/**
 * Values in a compact form, for many small ones in a row: plain data is written here, what else can be cloned in V8's own format.
 *
 * A value is a tag and what follows it. Short strings are remembered by both sides in a table of 256 places for as long as they talk, so that one that is
 * repeated (the name of a property, an id, a kind of message) takes two bytes and no time: all that a packer has written must be read, in that order. An object that stands in a value twice arrives as two, unless the value goes in
 * V8's format.
 */
import { align8 } from '../../bridge/allocate';
import { Writer } from '../../bridge/frame';
import { isPlain } from '../../bridge/payload';
import { deserialize, serialize } from '../../bridge/structured';

const Tag = {
  undefined: 0,
  null: 1,
  true: 2,
  false: 3,
  /** i32 */
  integer: 4,
  /** f64 */
  double: 5,
  empty: 6,
  /** u8: the place of a string that was remembered */
  known: 7,
  /** u8: a place to remember it at, u8: length, ASCII */
  short: 8,
  /** u32: length in bytes, UTF-8 */
  text: 9,
  /** u32: how many, values */
  array: 10,
  /** names and values by turns, up to `end` */
  object: 11,
  end: 12,
  /** u32: length, padding to a multiple of 8, V8's format */
  structured: 13,
  /** From here on: an integer of 0 to 127 */
  small: 128,
} as const;

/** Longer strings are not remembered. */
const LONGEST_SHORT = 40;
const PLACES = 256;
const MOST_DEPTH = 100;
/** A value with more parts goes in V8's format, which also knows what stands in it twice. */
const MOST_PARTS = 1_000_000;

const NOTHING = Buffer.alloc(0);

/** Where in the table a short string is remembered. */
function placeOf(text: string): number {
  const { length } = text;
  return (length * 7 + text.charCodeAt(0) * 31 + text.charCodeAt(length - 1) * 13) & (PLACES - 1);
}

/** Writes values one after another. */
export class Packer extends Writer {
  readonly #table: string[] = Array.from({ length: PLACES }, () => '');
  /** In which generation a place was filled; older ones do not count. */
  readonly #filled = new Uint32Array(PLACES);
  #generation = 1;
  #parts = 0;

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  /** @throws TypeError: the value holds something that cannot leave its isolate; nothing was written */
  value(value: unknown): void {
    const start = this.length;
    this.#parts = 0;
    try {
      if (this.#pack(value, 0)) return;
      this.undo(start);
      this.#structured(value);
    } catch (error) {
      this.undo(start);
      throw error;
    }
  }

  /** A string, in the same form as a value. */
  string(text: string): boolean {
    const { length } = text;
    if (length === 0) {
      this.byte(Tag.empty);
      return true;
    }
    if (length > LONGEST_SHORT) return this.#long(text);
    const place = placeOf(text);
    this.reserve(length + 3);
    const { bytes } = this;
    let at = this.length;
    if (this.#filled[place] === this.#generation && this.#table[place] === text) {
      bytes[at] = Tag.known;
      bytes[at + 1] = place;
      this.length = at + 2;
      return true;
    }
    bytes[at] = Tag.short;
    bytes[at + 1] = place;
    bytes[at + 2] = length;
    at += 3;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 127) return this.#long(text);
      bytes[at++] = unit;
    }
    this.length = at;
    this.#table[place] = text;
    this.#filled[place] = this.#generation;
    return true;
  }

  /** `false`: it needs V8's format. */
  #pack(value: unknown, depth: number): boolean {
    switch (typeof value) {
      case 'number':
        this.#number(value);
        return true;
      case 'string':
        return this.string(value);
      case 'boolean':
        this.byte(value ? Tag.true : Tag.false);
        return true;
      case 'undefined':
        this.byte(Tag.undefined);
        return true;
      case 'object':
        break;
      default:
        return false;
    }
    if (value === null) {
      this.byte(Tag.null);
      return true;
    }
    this.#parts += 1;
    if (depth === MOST_DEPTH || this.#parts > MOST_PARTS) return false;
    if (Array.isArray(value)) return this.#array(value, depth + 1);
    return isPlain(value) && this.#object(value as Record<string, unknown>, depth + 1);
  }

  #number(value: number): void {
    this.reserve(9);
    const { bytes, length } = this;
    const integer = value | 0;
    if (integer !== value || (value === 0 && 1 / value < 0)) {
      bytes[length] = Tag.double;
      this.length = bytes.writeDoubleLE(value, length + 1);
    } else if (integer >= 0 && integer < 128) {
      bytes[length] = Tag.small | integer;
      this.length = length + 1;
    } else {
      bytes[length] = Tag.integer;
      this.length = bytes.writeInt32LE(integer, length + 1);
    }
  }

  #array(values: readonly unknown[], depth: number): boolean {
    // A getter in it may change its length.
    const { length } = values;
    this.byte(Tag.array);
    this.uint32(length);
    for (let i = 0; i < length; i++) {
      const value = values[i];
      if (value === undefined && !(i in values)) return false;
      if (!this.#pack(value, depth)) return false;
    }
    return true;
  }

  #object(value: Record<string, unknown>, depth: number): boolean {
    this.byte(Tag.object);
    for (const name in value) {
      if (name === '__proto__' || !this.string(name) || !this.#pack(value[name], depth)) return false;
    }
    this.byte(Tag.end);
    return true;
  }

  #long(text: string): boolean {
    if (!text.isWellFormed()) return false;
    this.byte(Tag.text);
    const start = this.length;
    this.uint32(0);
    // The text may move the bytes: they are looked for after it.
    const length = this.text(text);
    this.bytes.writeUInt32LE(length, start);
    return true;
  }

  #structured(value: unknown): void {
    const bytes = serialize(value, undefined);
    this.byte(Tag.structured);
    this.uint32(bytes.length);
    this.align();
    this.raw(bytes);
  }

  /** Takes back what was written from `start` on, with what was remembered of it. */
  undo(start: number): void {
    this.length = start;
    this.#generation += 1;
  }
}

/** Reads what a `Packer` has written. */
export class Unpacker {
  at = 0;
  readonly #table: string[] = [];
  #bytes: Buffer = NOTHING;

  /** Goes on in `bytes` at `at`, a run that begins at a multiple of 8. */
  read(bytes: Buffer, at: number): void {
    this.#bytes = bytes;
    this.at = at;
  }

  byte(): number {
    return this.#bytes[this.at++]!;
  }

  uint32(): number {
    this.at += 4;
    return this.#bytes.readUInt32LE(this.at - 4);
  }

  double(): number {
    this.at += 8;
    return this.#bytes.readDoubleLE(this.at - 8);
  }

  /** The next value. Throws where one in V8's format cannot be read, and stands behind it then. */
  value(): unknown {
    const tag = this.byte();
    if (tag >= Tag.small) return tag - Tag.small;
    switch (tag) {
      case Tag.undefined:
        return undefined;
      case Tag.null:
        return null;
      case Tag.true:
        return true;
      case Tag.false:
        return false;
      case Tag.integer:
        return this.uint32() | 0;
      case Tag.double:
        return this.double();
      case Tag.array:
        return this.#array();
      case Tag.object:
        return this.#object();
      case Tag.structured:
        return this.#structured();
      default:
        return this.#string(tag);
    }
  }

  #string(tag: number): string {
    if (tag === Tag.known) return this.#table[this.byte()]!;
    if (tag === Tag.empty) return '';
    if (tag === Tag.short) {
      const place = this.byte();
      const length = this.byte();
      this.at += length;
      const text = this.#bytes.toString('latin1', this.at - length, this.at);
      this.#table[place] = text;
      return text;
    }
    const length = this.uint32();
    this.at += length;
    return this.#bytes.toString('utf8', this.at - length, this.at);
  }

  #array(): unknown[] {
    const length = this.uint32();
    const values: unknown[] = [];
    for (let i = 0; i < length; i++) values.push(this.value());
    return values;
  }

  #object(): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    for (let tag = this.byte(); tag !== Tag.end; tag = this.byte()) object[this.#string(tag)] = this.value();
    return object;
  }

  #structured(): unknown {
    const length = this.uint32();
    const start = align8(this.at);
    this.at = start + length;
    return deserialize(this.#bytes.subarray(start, this.at), undefined);
  }
}
