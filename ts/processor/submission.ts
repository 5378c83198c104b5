/**
 * Submissions: tasks on their way to the engine, many in one crossing. The engine's `processor/batch.rs` draws the wire format.
 *
 * Tasks of one turn of the event loop are collected and cross together in a microtask.
 */
import { type Encoding, layoutOf, Layout, Writer, writeFrame } from '../bridge/frame';
import { Tag } from '../bridge/payload';
import { isOutOfMemory, NoizylabError } from '../errors';
import { serialize, type SharedBuffers } from '../bridge/structured';
import { asArray, isBare, isResizable, type MemoryInObject, memoryOf, optionsBeside } from './given-memory';
import type { TaskManner } from './options';

const HEADER = 64;
/** Numbers of users' operations begin here. */
const FIRST_HOSTED = 1 << 16;
/** Tasks in one segment: few enough that one worker does not sit on a large part of a submission. */
const SEGMENT = 8192;
/** A wire buffer of this size crosses before the turn ends. */
const FULL = 4 * 1024 * 1024;

/** What runs a task: a native operation (`hosted: false`) or a user's. */
export interface Target {
  readonly hosted: boolean;
  readonly number: number;
  /** Of native operations: `echo` gives back what it gets, and `sort` works in place. */
  readonly name?: string;
}

/** What all tasks of a segment have in common. */
export interface SegmentHead {
  target: Target;
  group: number;
  manner: TaskManner;
  /** The group may be cancelled. */
  cancellable?: boolean;
  /** Milliseconds. */
  timeout?: number | undefined;
  /** The only host that can run the tasks; their data went there over a port. */
  host?: number;
}

/** Hands a submission over: `length` bytes of `wire`, and the arrays that its tasks name; `undefined` in place of one that was detached. `written` are the places of those that their operations write. */
export type Submit = (
  wire: Buffer,
  length: number,
  arrays?: (NodeJS.TypedArray | undefined)[],
  written?: number[],
) => void;
/** Tells that tasks were not accepted. */
export type Refused = (group: number, index: number, count: number, error: Error) => void;

/** Collects segments. */
export class Submission {
  readonly #writer = new Writer();
  readonly #shared: Encoding;
  readonly #native: Encoding;
  /** For the operation that writes what it is given. */
  readonly #inPlace: Encoding;
  /** For the operation that hands back what it is given: nothing is lost, and memory comes back as it is. */
  readonly #echo: Encoding;
  #arrays: NodeJS.TypedArray[] = [];
  /** Their lengths when the tasks were added: an array that is detached before they cross has another one. */
  #lengths: number[] = [];
  /** The places of those that their operations write. */
  #written: number[] = [];
  /** Group, first index and count of each segment in the buffer. */
  #segments: [group: number, index: number, count: number][] = [];
  #scheduled = false;
  /** Single tasks that are encoded, to be written as one segment. */
  #open:
    | { head: SegmentHead; layout: number; index: number; values: (number | string)[]; size: number }
    | undefined;
  /** Tasks that were added and have not crossed. */
  pending = 0;

  constructor(
    private readonly submit: Submit,
    private readonly refused: Refused,
    shared: SharedBuffers,
  ) {
    this.#shared = { shared };
    this.#native = { loose: true, special: (value, writer) => this.#lend(value, writer, false) };
    this.#inPlace = { loose: true, special: (value, writer) => this.#lend(value, writer, true) };
    this.#echo = {
      shared,
      special: (value, writer) => (isBare(value) ? this.#lend(value, writer, false) : undefined),
    };
  }

  /** The layout that the data of each task takes, for `add`. Throws, naming `what[index]`, where data cannot leave the isolate. */
  layouts(what: string, values: readonly unknown[], target: (index: number) => Target): Uint8Array {
    const layouts = new Uint8Array(values.length);
    for (let i = 0; i < values.length; i++) {
      try {
        layouts[i] = this.#layout(values[i], target(i));
      } catch (error) {
        if (error instanceof Error) error.message = `${what}[${i}]: ${error.message}`;
        throw error;
      }
    }
    return layouts;
  }

  #layout(value: unknown, target: Target): number {
    checkInPlace(target, value);
    const encoding = this.#encodingFor(target);
    const layout = layoutOf(value, encoding);
    if (layout !== Layout.mixed || typeof value === 'string' || value === undefined || isBare(value))
      return layout;
    // What may turn out not to be fit to cross is tried now: better than when half of the tasks have crossed.
    if (encoding !== this.#shared && encoding !== this.#echo && memoryOf(value) !== undefined)
      optionsBeside(value as MemoryInObject);
    else serialize(value, encoding.shared);
    return layout;
  }

  /** Adds the tasks `values[from..to]`, numbered from `from`, as segments of one layout each. */
  add(head: SegmentHead, values: readonly unknown[], layouts: Uint8Array, from: number, to: number): void {
    const encoding = this.#encodingFor(head.target);
    let start = from;
    while (start < to) {
      const layout = layouts[start]!;
      let end = start + 1;
      const most = Math.min(to, start + SEGMENT);
      while (end < most && layouts[end] === layout) end++;
      const part = start === 0 && end === values.length ? values : values.slice(start, end);
      this.#writeInParts(head, layout, start, part, encoding);
      start = end;
    }
  }

  /** Adds one task. Successive ones of one group that are alike become one segment. */
  addOne(head: SegmentHead, index: number, value: unknown): void {
    checkInPlace(head.target, value);
    const encoding = this.#encodingFor(head.target);
    const layout = layoutOf(value, encoding);
    if (layout === Layout.mixed || head.cancellable === true || head.timeout !== undefined) {
      this.#write(head, layout, index, [value], encoding);
      return;
    }
    const open = this.#open;
    // What is encoded now cannot be changed by the caller before the turn ends.
    const encoded = layout === Layout.numbers ? (value as number) : JSON.stringify(value);
    if (
      open !== undefined &&
      open.layout === layout &&
      open.head.group === head.group &&
      open.head.target === head.target &&
      open.head.manner === head.manner &&
      open.index + open.values.length === index &&
      open.values.length < SEGMENT
    ) {
      open.values.push(encoded);
      open.size += sizeOf(encoded);
    } else {
      this.#close();
      this.#open = { head, layout, index, values: [encoded], size: sizeOf(encoded) };
    }
    this.pending++;
    if (this.#open!.size >= FULL) this.flush();
    else this.#schedule();
  }

  /** Adds one task whose data goes to its host by another way. */
  addAtPort(head: SegmentHead, index: number): void {
    this.#write(head, Layout.mixed, index, [undefined], { special: () => Tag.port });
  }

  /** Hands over what was collected. */
  flush(): void {
    this.#scheduled = false;
    this.#close();
    const { bytes, length } = this.#writer;
    if (length === 0) return;
    const lengths = this.#lengths;
    const arrays = this.#arrays.map((array, at) => (array.byteLength === lengths[at] ? array : undefined));
    const written = this.#written;
    const segments = this.#segments;
    this.#arrays = [];
    this.#lengths = [];
    this.#written = [];
    this.#segments = [];
    this.pending = 0;
    try {
      if (arrays.length > 0) this.submit(bytes, length, arrays, written);
      else this.submit(bytes, length);
    } catch (error) {
      // Refused as a whole: the processor was shut down meanwhile.
      for (const [group, index, count] of segments) this.refused(group, index, count, error as Error);
    } finally {
      this.#writer.reset();
    }
  }

  #encodingFor({ hosted, name }: Target): Encoding {
    if (hosted) return this.#shared;
    if (name === 'sort') return this.#inPlace;
    return name === 'echo' ? this.#echo : this.#native;
  }

  /** Writes the segment of single tasks. */
  #close(): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    const { head, layout, index, values } = open;
    try {
      this.#segment(head, layout, index, values.length, (writer) => {
        if (layout === Layout.numbers) writeFrame(writer, layout, values, this.#native);
        else writer.text(`[${values.join(',')}]`);
      });
    } catch (error) {
      // There is no memory for them.
      this.refused(head.group, index, values.length, error as Error);
    }
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // A promise's microtask: a test suite may have replaced `queueMicrotask`.
    void Promise.resolve().then(() => this.flush());
  }

  /** As `#write`; values that are too much for one text or one length are cut in halves. */
  #writeInParts(
    head: SegmentHead,
    layout: number,
    index: number,
    values: readonly unknown[],
    encoding: Encoding,
  ): void {
    try {
      this.#write(head, layout, index, values, encoding);
    } catch (error) {
      const isTooMuch = isOutOfMemory(error) || (error as Error).name === 'RangeError';
      if (values.length === 1 || !isTooMuch) throw error;
      const half = values.length >> 1;
      this.#writeInParts(head, layout, index, values.slice(0, half), encoding);
      this.#writeInParts(head, layout, index + half, values.slice(half), encoding);
    }
  }

  #write(
    head: SegmentHead,
    layout: number,
    index: number,
    values: readonly unknown[],
    encoding: Encoding,
  ): void {
    // What came before goes before.
    this.#close();
    this.#segment(head, layout, index, values.length, (writer) =>
      writeFrame(writer, layout, values, encoding),
    );
    this.pending += values.length;
    if (this.#writer.length >= FULL) this.flush();
    else this.#schedule();
  }

  #segment(
    head: SegmentHead,
    layout: number,
    index: number,
    count: number,
    write: (writer: Writer) => void,
  ): void {
    const writer = this.#writer;
    const { length: before } = writer;
    const borrowed = this.#arrays.length;
    try {
      writer.reserve(HEADER);
      writer.bytes.fill(0, before, before + HEADER);
      writer.length += HEADER;
      const start = writer.length;
      write(writer);
      const end = writer.length;
      writer.align();
      writeHeader(writer.bytes, before, head, layout, index, count, end - start);
      writer.bytes.writeUInt32LE(borrowed, before + 52);
      writer.bytes.writeUInt32LE(this.#arrays.length - borrowed, before + 56);
      this.#segments.push([head.group, index, count]);
    } catch (error) {
      // Nothing of a segment that cannot be encoded crosses.
      writer.length = before;
      this.#arrays.length = borrowed;
      this.#lengths.length = borrowed;
      this.#written = this.#written.filter((place) => place < borrowed);
      throw error;
    }
  }

  /**
   * Memory that a native operation takes as it is: a view or a buffer, alone or as `data` or `values` of an object of options.
   * Written as its number among the arrays of the submission, followed by the options as JSON.
   */
  #lend(value: unknown, writer: Writer, written: boolean): number | undefined {
    if (typeof value !== 'object' || value === null) return undefined;
    const alone = asArray(value);
    const array = alone ?? asArray(memoryOf(value));
    if (array === undefined) return undefined;
    const place = this.#arrays.push(array) - 1;
    this.#lengths.push(array.byteLength);
    if (written) this.#written.push(place);
    writer.uint32(place);
    if (alone === undefined) writer.text(JSON.stringify(optionsBeside(value)));
    return Tag.borrowed;
  }
}

/** Bytes that an encoded value takes, at least. */
function sizeOf(encoded: number | string): number {
  return typeof encoded === 'string' ? encoded.length : 8;
}

/** What an operation hands back when it says "the same": for one over memory in an object of options, the memory. */
export function handedBack({ hosted, name }: Target, data: unknown): unknown {
  return hosted || name === 'echo' ? data : (memoryOf(data) ?? data);
}

/** @throws NoizylabError `ERR_PROCESSOR_INVALID_DATA`: an operation that works in place cannot be given memory that may move. */
function checkInPlace({ name }: Target, data: unknown): void {
  const given = name === 'sort' ? memoryOf(data) : undefined;
  if (given === undefined || !isResizable(ArrayBuffer.isView(given) ? given.buffer : given)) return;
  throw new NoizylabError(
    'ERR_PROCESSOR_INVALID_DATA',
    "operation 'sort' works in place and takes no view of a resizable buffer, whose memory may move; give it view.slice()",
  );
}

function writeHeader(
  bytes: Buffer,
  at: number,
  head: SegmentHead,
  layout: number,
  index: number,
  count: number,
  length: number,
): void {
  bytes.writeUInt32LE(head.target.hosted ? FIRST_HOSTED + head.target.number : head.target.number, at);
  bytes.writeUInt32LE(layout, at + 4);
  bytes.writeUInt32LE(count, at + 8);
  bytes.writeUInt32LE(length, at + 12);
  bytes.writeDoubleLE(head.group, at + 16);
  bytes.writeUInt32LE(index, at + 24);
  bytes.writeInt32LE(head.manner.priority, at + 28);
  bytes.writeUInt32LE(head.manner.retries, at + 32);
  bytes.writeUInt32LE(head.host ?? 0, at + 36);
  bytes.writeDoubleLE(head.timeout ?? 0, at + 40);
  bytes.writeUInt32LE(head.cancellable === true ? 1 : 0, at + 48);
}
