/** Compression where it pays: values that are larger than the broker takes as they are. */
import { HEADER, Kind } from './frames';
import { pack, Tag } from './values';

/**
 * The frame with its values that are longer than `limit` compressed; `undefined`: there is nothing to compress, or compressing makes it no shorter.
 */
export function packed(frame: Buffer, limit: number): Buffer | undefined {
  const body = HEADER + frame.readUInt16LE(10);
  switch (frame[8]) {
    case Kind.set:
      return packLast(frame, body + 8, limit);
    case Kind.land:
      return packLast(frame, body + 13, limit);
    case Kind.cas:
      return packExpected(frame, body + 8, limit);
    case Kind.mset:
      return packMany(frame, body + 8, limit);
    default:
      return undefined;
  }
}

/** The value is what stands from `at` to the end of the frame. */
function packLast(frame: Buffer, at: number, limit: number): Buffer | undefined {
  const shorter = packValue(frame[9]!, frame.subarray(at), limit);
  if (shorter === undefined) return undefined;
  const packedFrame = joined([frame.subarray(0, at), shorter]);
  packedFrame[9] = Tag.gzip;
  return packedFrame;
}

/** What is expected stands at `at`, the value behind it: the expected one was compressed in the same way when it was stored. */
function packExpected(frame: Buffer, at: number, limit: number): Buffer | undefined {
  const value = at + 5 + frame.readUInt32LE(at + 1);
  const expected = packValue(frame[at]!, frame.subarray(at + 5, value), limit);
  const now = packLast(frame, value, limit) ?? (expected && frame);
  if (now === undefined || expected === undefined) return now;
  const head = Buffer.alloc(5);
  head[0] = Tag.gzip;
  head.writeUInt32LE(expected.length, 1);
  return joined([now.subarray(0, at), head, expected, now.subarray(value)]);
}

/** The count of the values stands at `at`, then they. */
function packMany(frame: Buffer, at: number, limit: number): Buffer | undefined {
  const parts: Uint8Array[] = [frame.subarray(0, at + 4)];
  let isShorter = false;
  let next = at + 4;
  for (let count = frame.readUInt32LE(at); count > 0; count--) {
    const value = next + 7 + frame.readUInt16LE(next);
    const end = value + frame.readUInt32LE(next + 3);
    const shorter = packValue(frame[next + 2]!, frame.subarray(value, end), limit);
    if (shorter === undefined) {
      parts.push(frame.subarray(next, end));
    } else {
      const head = Buffer.from(frame.subarray(next, value));
      head[2] = Tag.gzip;
      head.writeUInt32LE(shorter.length, 3);
      parts.push(head, shorter);
      isShorter = true;
    }
    next = end;
  }
  return isShorter ? joined(parts) : undefined;
}

function packValue(tag: number, value: Buffer, limit: number): Buffer | undefined {
  if (value.length <= limit) return undefined;
  const shorter = pack(tag, value);
  return shorter !== undefined && shorter.length < value.length ? shorter : undefined;
}

function joined(parts: readonly Uint8Array[]): Buffer {
  const frame = Buffer.concat(parts);
  frame.writeUInt32LE(frame.length - HEADER, 0);
  return frame;
}
