/**
 * Values that JSON cannot carry, in V8's own format (that of `v8.serialize`, with typed arrays and shared memory handled here).
 *
 * A structured clone in all but two things: views keep their kind (a `Buffer` stays one) and bring only the bytes that they show;
 * a `SharedArrayBuffer` travels as a number, the buffer itself goes to the workers beside the bridge.
 */
import { types } from 'node:util';
import { Deserializer, Serializer } from 'node:v8';
import { NoizylabError, typeError } from '../errors';
import { isPlain } from './payload';

/** Kinds of typed array, by their number on the wire. */
export const ELEMENTS = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
] as const;

/** Knows the shared buffers that travel by number. */
export interface SharedBuffers {
  idOf(buffer: SharedArrayBuffer): number;
  byId(id: number): SharedArrayBuffer;
}

// Typed arrays are written by hand: V8 would write all of the memory under a view, and lose what kind of view it was.
const VIEWS = [...ELEMENTS, DataView, Buffer] as const;
const BUFFER_VIEW = VIEWS.length - 1;
const NOT_SHARED = 0;
/** Stands for a shared buffer itself, where the others stand for a view. */
const SHARED_BUFFER = VIEWS.length;

/** A view by its number among `VIEWS`; -1 for a kind that is not known here (Float16Array of a later Node). */
function viewKind(view: ArrayBufferView): number {
  if (Buffer.isBuffer(view)) return BUFFER_VIEW;
  const name = types.isDataView(view)
    ? 'DataView'
    : (view as { [Symbol.toStringTag]?: string })[Symbol.toStringTag];
  return VIEWS.findIndex((constructor) => constructor.name === name);
}

/** Thrown and caught here: a shared buffer stands in the value as itself, not under a view. */
const BARE_SHARED_BUFFER = new Error(
  'a SharedArrayBuffer stands where it cannot be shared: inside a Map, a Set or an error',
);

class StructuredSerializer extends Serializer {
  /** Views that stand for the shared buffers under them. */
  readonly marks = new WeakSet<ArrayBufferView>();

  constructor(private readonly shared: SharedBuffers | undefined) {
    super();
    // Absent from the typings, documented by Node for subclasses.
    const self = this as unknown as { _setTreatArrayBufferViewsAsHostObjects(on: boolean): void };
    // oxlint-disable-next-line no-underscore-dangle -- Node's name
    self._setTreatArrayBufferViewsAsHostObjects(true);
  }

  _getDataCloneError = Error;

  // Node's deserializer cannot take V8's own form of a shared buffer back (it has no way to name the buffer).
  _getSharedArrayBufferId(): never {
    throw BARE_SHARED_BUFFER;
  }

  _writeHostObject(view: ArrayBufferView): void {
    if (!ArrayBuffer.isView(view))
      throw new Error(`${Object.prototype.toString.call(view)} could not be cloned`);
    const kind = this.marks.has(view) ? SHARED_BUFFER : viewKind(view);
    if (kind < 0) throw new Error(`${Object.prototype.toString.call(view)} could not be cloned`);
    this.writeUint32(kind);
    this.writeUint32(view.byteLength);
    if (types.isSharedArrayBuffer(view.buffer)) {
      if (this.shared === undefined) throw new Error('a SharedArrayBuffer cannot stand inside this value');
      this.writeUint32(this.shared.idOf(view.buffer) + 1);
      this.writeUint32(view.byteOffset);
    } else {
      this.writeUint32(NOT_SHARED);
      this.writeRawBytes(view as Uint8Array);
    }
  }
}

class StructuredDeserializer extends Deserializer {
  constructor(
    bytes: Buffer,
    private readonly shared: SharedBuffers | undefined,
  ) {
    super(bytes);
  }

  _readHostObject(): ArrayBufferView | SharedArrayBuffer {
    const kind = this.readUint32();
    const length = this.readUint32();
    const sharedId = this.readUint32();
    const constructor = VIEWS[kind];
    if (constructor === undefined) {
      this.readUint32();
      return this.#shared().byId(sharedId - 1);
    }
    let memory: ArrayBufferLike;
    let offset = 0;
    if (sharedId === NOT_SHARED) {
      // A copy with memory of its own: aligned, and independent of the buffer that is overwritten next.
      memory = new Uint8Array(this.readRawBytes(length)).buffer;
    } else {
      memory = this.#shared().byId(sharedId - 1);
      offset = this.readUint32();
    }
    if (kind === BUFFER_VIEW) return Buffer.from(memory as ArrayBuffer, offset, length);
    const elements = 'BYTES_PER_ELEMENT' in constructor ? length / constructor.BYTES_PER_ELEMENT : length;
    return new (constructor as Uint8ArrayConstructor)(memory as ArrayBuffer, offset, elements);
  }

  #shared(): SharedBuffers {
    if (this.shared === undefined) throw new Error('a SharedArrayBuffer came where none can');
    return this.shared;
  }
}

/**
 * `value` in V8's format.
 * @throws TypeError `ERR_PROCESSOR_NOT_CLONEABLE`: it holds something that cannot leave its isolate; NoizylabError `ERR_CORE_OUT_OF_MEMORY`
 */
export function serialize(value: unknown, shared: SharedBuffers | undefined): Buffer {
  try {
    return write(new StructuredSerializer(shared), value);
  } catch (error) {
    if (error === BARE_SHARED_BUFFER) return serializeWithMarks(value, shared);
    throw notCloneable(error);
  }
}

function write(serializer: StructuredSerializer, value: unknown): Buffer {
  serializer.writeHeader();
  serializer.writeValue(value);
  return serializer.releaseBuffer();
}

function serializeWithMarks(value: unknown, shared: SharedBuffers | undefined): Buffer {
  const serializer = new StructuredSerializer(shared);
  try {
    return write(serializer, mark(value, serializer.marks, new Map()));
  } catch (error) {
    throw notCloneable(error);
  }
}

/** `value` with a marked view in the place of each shared buffer; plain objects and arrays on the way are copied. */
function mark(value: unknown, marks: WeakSet<ArrayBufferView>, copies: Map<object, unknown>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const known = copies.get(value);
  if (known !== undefined) return known;
  if (types.isSharedArrayBuffer(value)) {
    const view = new DataView(value, 0, 0);
    marks.add(view);
    copies.set(value, view);
    return view;
  }
  if (Array.isArray(value)) {
    const copy: unknown[] = [];
    copies.set(value, copy);
    for (const element of value) copy.push(mark(element, marks, copies));
    return copy;
  }
  if (!isPlain(value)) return value;
  const copy: Record<string, unknown> = {};
  copies.set(value, copy);
  for (const [key, one] of Object.entries(value)) copy[key] = mark(one, marks, copies);
  return copy;
}

function notCloneable(cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  // V8 says it in these words only.
  if (/out of memory|allocation failed/i.test(reason))
    return new NoizylabError('ERR_CORE_OUT_OF_MEMORY', `there is no memory to encode the value: ${reason}`, {
      cause,
    });
  return typeError('ERR_PROCESSOR_NOT_CLONEABLE', `the value cannot be sent to another thread: ${reason}`, {
    cause,
  });
}

/** The value that `serialize` was given. `bytes` is not kept. */
export function deserialize(bytes: Buffer, shared: SharedBuffers | undefined): unknown {
  const deserializer = new StructuredDeserializer(bytes, shared);
  deserializer.readHeader();
  return deserializer.readValue();
}
