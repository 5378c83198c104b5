/**
 * Memory that a native operation is given: a view or a buffer, alone or as `data` or `values` of an object of options.
 */
import { types } from 'node:util';
import { isJson, isPlain } from '../bridge/payload';
import { NoizylabError } from '../errors';
import { describe } from '../options';

/** A view or a buffer. */
export type Memory = ArrayBufferView | ArrayBufferLike;

/** Memory in an object of options: `values` goes before `data`. */
export interface MemoryInObject {
  data?: unknown;
  values?: unknown;
}

/** The memory that a native operation is given: the data itself, or what stands in an object of options. */
export function memoryOf(data: unknown): Memory | undefined {
  if (isBare(data)) return data;
  if (typeof data !== 'object' || data === null || !isPlain(data)) return undefined;
  const { data: bytes, values } = data as MemoryInObject;
  const memory = values ?? bytes;
  return isBare(memory) ? memory : undefined;
}

/** @throws NoizylabError `ERR_PROCESSOR_INVALID_DATA`: JSON cannot carry them. */
export function optionsBeside(data: MemoryInObject): Record<string, unknown> {
  const options: Record<string, unknown> = { ...data };
  delete options[data.values === undefined || data.values === null ? 'data' : 'values'];
  if (isJson(options, true)) return options;
  throw new NoizylabError(
    'ERR_PROCESSOR_INVALID_DATA',
    `the options beside the memory must be values that JSON can carry; given: ${describe(options)}`,
  );
}

/** Whether a value is memory and nothing else. */
export function isBare(data: unknown): data is ArrayBufferView | ArrayBufferLike {
  return ArrayBuffer.isView(data) || types.isAnyArrayBuffer(data);
}

/** Whether memory may change its length in its place. */
export function isResizable(memory: ArrayBufferLike): boolean {
  const { resizable, growable } = memory as { resizable?: boolean; growable?: boolean };
  return resizable === true || growable === true;
}

/**
 * The typed array that shows all of a view or buffer; `undefined` for anything else. Resizable memory may move: it is copied. What was
 * transferred away counts as empty.
 */
export function asArray(value: unknown): NodeJS.TypedArray | undefined {
  if (types.isTypedArray(value)) return isResizable(value.buffer) ? value.slice() : value;
  if (ArrayBuffer.isView(value)) {
    if (isDetached(value.buffer)) return new Uint8Array(0);
    return asArray(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  }
  if (types.isAnyArrayBuffer(value))
    return isDetached(value) ? new Uint8Array(0) : asArray(new Uint8Array(value));
  return undefined;
}

/** Only a detached buffer refuses to be looked at. */
function isDetached(buffer: ArrayBufferLike): boolean {
  if (buffer.byteLength > 0 || types.isSharedArrayBuffer(buffer)) return false;
  try {
    return new Uint8Array(buffer).length > 0;
  } catch {
    return true;
  }
}
