/**
 * A frame: many values in one run of bytes. The engine's `bridge/frame.rs` draws its layouts and is its other end.
 */
import { align8, allocate, MOST_BYTES } from './allocate';
import type { FrameView } from './bridge';
import { AT_PORT, Failure, isJson, SAME, Tag } from './payload';
import { deserialize, ELEMENTS, serialize, type SharedBuffers } from './structured';
import { unreadable } from './unreadable';
import { decodeError, encodeError } from './wire-error';

/** How the bytes of a frame are laid out. */
export const Layout = { json: 0, numbers: 1, mixed: 2 } as const;

/** Strings from this length on travel raw: escaping them as JSON would cost more than an entry in the table. */
const LONG_TEXT = 128;
const SMALL = 64 * 1024;
/** More than the largest submission: its memory is used again. */
const LARGE = 8 * 1024 * 1024;

/** A buffer that grows as bytes are appended, with its memory used again and again. */
export class Writer {
  bytes = Buffer.allocUnsafeSlow(SMALL);
  length = 0;

  /**
   * Makes room for `more` bytes.
   * @throws NoizylabError `ERR_CORE_OUT_OF_MEMORY`
   */
  reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    const grown = allocate(Math.max(needed, Math.min(this.bytes.length * 2, MOST_BYTES)));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  /** Starts anew; memory that one large use needed is given back. */
  reset(): void {
    this.length = 0;
    if (this.bytes.length > LARGE) this.bytes = Buffer.allocUnsafeSlow(SMALL);
  }

  text(text: string): number {
    // A UTF-16 unit is at most three bytes of UTF-8; of a long text they are counted.
    this.reserve(text.length < SMALL ? text.length * 3 : Buffer.byteLength(text));
    const written = this.bytes.write(text, this.length, 'utf8');
    this.length += written;
    return written;
  }

  raw(bytes: Uint8Array): number {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
    return bytes.length;
  }

  double(value: number): void {
    this.reserve(8);
    this.length = this.bytes.writeDoubleLE(value, this.length);
  }

  uint32(value: number): void {
    this.reserve(4);
    this.length = this.bytes.writeUInt32LE(value, this.length);
  }

  /** Pads with zeros to a multiple of 8. */
  align(): void {
    const end = align8(this.length);
    this.reserve(8);
    this.bytes.fill(0, this.length, end);
    this.length = end;
  }
}

/** How values are to be encoded. */
export interface Encoding {
  /** Where shared buffers are known; absent for native operations. */
  shared?: SharedBuffers | undefined;
  /** Properties that are `undefined` may be lost: native operations know no `undefined`. */
  loose?: boolean;
  /** Encodes a value in a way of its own: returns its tag, or `undefined` for the usual way. */
  special?: ((value: unknown, writer: Writer) => number | undefined) | undefined;
}

/** The layout that fits one value; a run of values takes the layout that fits them all. */
export function layoutOf(value: unknown, { loose = false, special }: Encoding): number {
  if (typeof value === 'number') return Layout.numbers;
  if (typeof value === 'string') return value.length < LONG_TEXT ? Layout.json : Layout.mixed;
  if (special !== undefined && typeof value === 'object')
    return isJson(value, loose) ? Layout.json : Layout.mixed;
  return isJson(value, loose) ? Layout.json : Layout.mixed;
}

/** Appends a frame of `values`, all of which fit `layout`. The bytes end where `writer.length` stands after. */
export function writeFrame(
  writer: Writer,
  layout: number,
  values: readonly unknown[],
  encoding: Encoding,
): void {
  if (layout === Layout.numbers) {
    writer.reserve(values.length * 8);
    const { bytes } = writer;
    // Frames start at multiples of 8.
    const doubles = new Float64Array(bytes.buffer, writer.length, values.length);
    for (let i = 0; i < values.length; i++) doubles[i] = values[i] as number;
    writer.length += values.length * 8;
  } else if (layout === Layout.json) {
    writer.text(JSON.stringify(values));
  } else {
    writeMixed(writer, values, encoding);
  }
}

/** Appends a frame of results, any of which may be a `Failure`, and returns its layout. */
export function writeResults(writer: Writer, values: readonly unknown[], encoding: Encoding): number {
  let layout: number | undefined;
  for (const value of values) {
    const fits = value instanceof Failure ? Layout.mixed : layoutOf(value, encoding);
    if (layout !== undefined && fits !== layout) {
      layout =
        fits === Layout.mixed || layout === Layout.mixed || !values.every((one) => isJson(one, false))
          ? Layout.mixed
          : Layout.json;
      break;
    }
    layout = fits;
    if (layout === Layout.mixed) break;
  }
  layout ??= Layout.numbers;
  writeFrame(writer, layout, values, encoding);
  return layout;
}

function writeMixed(writer: Writer, values: readonly unknown[], encoding: Encoding): void {
  const table = writer.length;
  writer.reserve(values.length * 8);
  writer.bytes.fill(0, table, table + values.length * 8);
  writer.length += values.length * 8;
  for (let i = 0; i < values.length; i++) {
    writer.align();
    const start = writer.length;
    const tag = writeValue(writer, values[i], encoding);
    writer.bytes[table + i * 8] = tag;
    writer.bytes.writeUInt32LE(writer.length - start, table + i * 8 + 4);
  }
}

/** Appends one value and returns its tag. */
export function writeValue(writer: Writer, value: unknown, encoding: Encoding): number {
  const special = encoding.special?.(value, writer);
  if (special !== undefined) return special;
  if (value === undefined) return Tag.undefined;
  if (typeof value === 'number') {
    writer.double(value);
    return Tag.number;
  }
  if (typeof value === 'string' && value.isWellFormed()) {
    writer.text(value);
    return Tag.text;
  }
  if (value instanceof Failure) {
    writer.text(encodeError(value.error, encoding.shared));
    return Tag.error;
  }
  if (isJson(value, encoding.loose ?? false)) {
    writer.text(JSON.stringify(value));
    return Tag.json;
  }
  writer.raw(serialize(value, encoding.shared));
  return Tag.v8;
}

/**
 * Decodes a frame: `take(value, index)` for each value in order. Values may be `Failure`, `SAME` or `AT_PORT`; one that cannot be read
 * is a `Failure` too.
 */
export function readFrame(
  frame: FrameView,
  shared: SharedBuffers | undefined,
  take: (value: unknown, index: number) => void,
): void {
  const { layout, count, bytes, start, end } = frame;
  if (layout === Layout.numbers) {
    const doubles = new Float64Array(bytes.buffer, bytes.byteOffset + start, count);
    for (let i = 0; i < count; i++) take(doubles[i], i);
  } else if (layout === Layout.json) {
    const values = parseAll(bytes, start, end);
    for (let i = 0; i < count; i++) take(values instanceof Failure ? values : values[i], i);
  } else {
    let at = start + count * 8;
    for (let i = 0; i < count; i++) {
      const entry = start + i * 8;
      const to = at + bytes.readUInt32LE(entry + 4);
      take(readOrFail(bytes[entry]!, bytes, at, to, shared), i);
      at = align8(to);
    }
  }
}

function readOrFail(
  tag: number,
  bytes: Buffer,
  from: number,
  to: number,
  shared: SharedBuffers | undefined,
): unknown {
  try {
    return readValue(tag, bytes, from, to, shared);
  } catch (cause) {
    return new Failure(unreadable(cause, to - from));
  }
}

/** The values of a JSON array; a `Failure` for all of them where it cannot be read. */
function parseAll(bytes: Buffer, start: number, end: number): unknown[] | Failure {
  try {
    return JSON.parse(bytes.toString('utf8', start, end)) as unknown[];
  } catch (cause) {
    return new Failure(unreadable(cause, end - start));
  }
}

/** Decodes the value of a tag that stands at `from..to`. Throws where it cannot be read. */
export function readValue(
  tag: number,
  bytes: Buffer,
  from: number,
  to: number,
  shared: SharedBuffers | undefined,
): unknown {
  switch (tag) {
    case Tag.undefined:
      return undefined;
    case Tag.number:
      return bytes.readDoubleLE(from);
    case Tag.json:
      return JSON.parse(bytes.toString('utf8', from, to));
    case Tag.text:
      return bytes.toString('utf8', from, to);
    case Tag.bytes:
      return Buffer.from(bytes.subarray(from, to));
    case Tag.v8:
      return deserialize(bytes.subarray(from, to), shared);
    case Tag.error:
      return new Failure(decodeError(bytes.toString('utf8', from, to), shared));
    case Tag.port:
      return AT_PORT;
    case Tag.same:
      return SAME;
    case Tag.typed: {
      const constructor = ELEMENTS[bytes[from]!]!;
      const memory = new Uint8Array(bytes.subarray(from + 8, to)).buffer;
      return new constructor(memory);
    }
    default:
      throw new RangeError(`a value of unknown tag ${tag}`);
  }
}
