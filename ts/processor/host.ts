/**
 * The entry of a worker isolate: it takes chunks of tasks from the engine, runs users' operations on them, and gives the results
 * back. The engine's `processor/host.rs` draws the wire format.
 */
import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import { align8 } from '../bridge/allocate';
import { getBridge } from '../bridge/bridge';
import { readFrame, Writer, writeResults } from '../bridge/frame';
import { AT_PORT, Failure, Tag } from '../bridge/payload';
import { loadOperation } from './host-operations';
import { type FromHost, type HostData, portKey, type ToHost } from './messages';
import { SharedBufferCopies } from './shared-buffers';
import type { OperationContext, Transferable, UserOperation } from './types';

const { key, host, port, directory } = workerData as HostData;

/** Index of the control word that tells the engine which task of the chunk is being run. */
const PROGRESS = 0;
/** After so long the rest of a chunk goes back, so that other workers can share it. */
const LONGEST_CHUNK_MS = 4;
/** After so long timers and messages of the operations get their turn. */
const LONGEST_TURN_MS = 10;
const CHUNK_HEADER = 16;
const SEGMENT_HEADER = 32;

/** Moved values of tasks that came over the port. */
const values = new Map<string, unknown>();
const shared = new SharedBufferCopies(receive);
/** Those that were loaded, in that order. */
const operations = new Map<number, UserOperation>();
/** More are not kept: the one loaded first is loaded anew when it is needed again. */
const MOST_OPERATIONS = 512;
const writer = new Writer();
const buffer = Buffer.allocUnsafeSlow(256 * 1024);
let working = false;

/** A result that goes back over the port. */
class Transfer {
  constructor(
    readonly value: unknown,
    readonly transferList: readonly Transferable[],
  ) {}
}

const transfer: OperationContext['transfer'] = (value, transferList) => new Transfer(value, transferList);
/** One for each of the first attempt numbers: operations get the same object again and again. */
const contexts: OperationContext[] = [];
const MOST_CONTEXTS = 16;

/** Tasks of one segment of a chunk. */
interface Segment {
  operation: number;
  group: number;
  index: number;
  attempt: number;
  values: unknown[];
}

function receive(): void {
  for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port)) {
    take(got.message as ToHost);
  }
}

function take(message: ToHost): void {
  if (message.kind === 'share') shared.add(message.number, message.buffer);
  else if (message.kind === 'drop') shared.drop(message.number);
  else if (message.kind === 'forget') values.delete(message.key);
  else values.set(message.key, message.value);
}

function readChunk(bytes: Buffer): { number: number; segments: Segment[] } {
  const segments: Segment[] = [];
  let at = CHUNK_HEADER;
  for (let left = bytes.readUInt32LE(8); left > 0; left--) {
    const start = at + SEGMENT_HEADER;
    const end = start + bytes.readUInt32LE(at + 12);
    const group = bytes.readDoubleLE(at + 16);
    const index = bytes.readUInt32LE(at + 24);
    const frame = {
      layout: bytes.readUInt32LE(at + 8),
      count: bytes.readUInt32LE(at + 4),
      bytes,
      start,
      end,
    };
    const given: unknown[] = [];
    readFrame(frame, shared, (value) => given.push(value));
    segments.push({
      operation: bytes.readUInt32LE(at),
      group,
      index,
      attempt: bytes.readUInt32LE(at + 28),
      values: given,
    });
    at = align8(end);
  }
  return { number: bytes.readDoubleLE(0), segments };
}

function fromPort(group: number, index: number): unknown {
  const name = portKey(group, index);
  if (!values.has(name)) receive();
  const value = values.get(name);
  values.delete(name);
  return value;
}

function contextOf(attempt: number): OperationContext {
  const context = contexts[attempt] ?? Object.freeze({ attempt, transfer });
  if (attempt < MOST_CONTEXTS) contexts[attempt] = context;
  return context;
}

async function operationOf(number: number): Promise<UserOperation> {
  const definition = bridge.native.hostDefinition(key, number);
  if (definition === null) throw new Error(`operation ${number} is not defined`);
  const operation = await loadOperation(definition, directory);
  operations.set(number, operation);
  if (operations.size > MOST_OPERATIONS) operations.delete(operations.keys().next().value!);
  return operation;
}

/** Runs a chunk as far as its time allows and gives it back. */
async function run(progress: Float64Array | undefined, bytes: Buffer): Promise<void> {
  const { number, segments } = readChunk(bytes);
  const until = performance.now() + LONGEST_CHUNK_MS;
  const results: unknown[][] = [];
  let done = 0;
  let late = false;
  for (const segment of segments) {
    const out: unknown[] = [];
    results.push(out);
    if (late) continue;
    const given = segment.values;
    const context = contextOf(segment.attempt);
    let operation = operations.get(segment.operation);
    for (let i = 0; i < given.length; i++) {
      if (done > 0 && ((i & (i - 1)) === 0 || (i & 255) === 255) && performance.now() > until) {
        late = true;
        break;
      }
      if (progress === undefined) bridge.native.hostProgress(bridge.load, done);
      else progress[PROGRESS] = done;
      try {
        operation ??= await operationOf(segment.operation);
        // What came over the port is taken when its task runs: the rest of a chunk may go back.
        const data = given[i] === AT_PORT ? fromPort(segment.group, segment.index + i) : given[i];
        const result = operation(data, context);
        out.push(isThenable(result) ? await result : result);
      } catch (error) {
        out.push(new Failure(error as Error));
      }
      done++;
    }
  }
  give(number, done, segments, results);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  );
}

function give(number: number, done: number, segments: Segment[], results: unknown[][]): void {
  writer.reset();
  writer.double(number);
  writer.uint32(segments.length);
  writer.uint32(done);
  segments.forEach((segment, position) => {
    const header = writer.length;
    writer.reserve(SEGMENT_HEADER);
    writer.length += SEGMENT_HEADER;
    const out = results[position]!;
    const start = writer.length;
    const layout = writeSegment(segment, out, start);
    const { bytes } = writer;
    bytes.writeUInt32LE(segment.operation, header);
    bytes.writeUInt32LE(out.length, header + 4);
    bytes.writeUInt32LE(layout, header + 8);
    bytes.writeUInt32LE(writer.length - start, header + 12);
    bytes.writeDoubleLE(segment.group, header + 16);
    bytes.writeUInt32LE(segment.index, header + 24);
    bytes.writeUInt32LE(
      out.reduce((sum: number, value) => sum + Number(value instanceof Failure), 0),
      header + 28,
    );
    writer.align();
  });
  bridge.native.hostFinish(key, host, writer.bytes, writer.length);
}

/** A result that was sent over the port has a tag of its own. */
function special(value: unknown): number | undefined {
  return value === AT_PORT ? Tag.port : undefined;
}

/** Writes the results of a segment. One that cannot be encoded becomes a failure of its task alone. */
function writeSegment(segment: Segment, out: unknown[], start: number): number {
  for (let i = 0; i < out.length; i++) {
    const value = out[i];
    if (value instanceof Transfer) out[i] = sendBack(segment.group, segment.index + i, value);
  }
  try {
    return writeResults(writer, out, { shared, special });
  } catch {
    writer.length = start;
    for (let i = 0; i < out.length; i++) out[i] = encodable(out[i]);
  }
  try {
    return writeResults(writer, out, { shared, special });
  } catch (error) {
    // There is room for each, but not for all.
    writer.length = start;
    for (let i = 0; i < out.length; i++) out[i] = new Failure(error as Error);
    return writeResults(writer, out, { shared });
  }
}

/** The value, or the failure to encode it. */
function encodable(value: unknown): unknown {
  if (value === AT_PORT || value instanceof Failure) return value;
  const trial = writer.length;
  try {
    writeResults(writer, [value], { shared });
    return value;
  } catch (error) {
    return new Failure(error as Error);
  } finally {
    writer.length = trial;
  }
}

function sendBack(group: number, index: number, { value, transferList }: Transfer): unknown {
  const message: FromHost = { kind: 'data', key: portKey(group, index), value };
  try {
    port.postMessage(message, transferList as Transferable[]);
    return AT_PORT;
  } catch (error) {
    return new Failure(error as Error);
  }
}

/** Takes and runs chunks until there are none. */
async function work(progress: Float64Array | undefined): Promise<void> {
  if (working) return;
  working = true;
  let turn = performance.now();
  try {
    for (;;) {
      const taken = bridge.native.hostTake(key, host, buffer);
      if (taken === null) return;
      const own = typeof taken !== 'number';
      await run(
        progress,
        own ? Buffer.from(taken.buffer, taken.byteOffset, taken.length) : buffer.subarray(0, taken),
      );
      if (performance.now() - turn > LONGEST_TURN_MS) {
        await new Promise((resolve) => setImmediate(resolve));
        turn = performance.now();
      }
    }
  } finally {
    working = false;
  }
}

const bridge = getBridge();
if (!bridge.native.hostAttach(bridge.load, key, host)) {
  port.close();
} else {
  // Where V8 refuses foreign memory, the engine is told with a call before each task.
  const words = bridge.native.hostWords(bridge.load);
  const progress = words && new Float64Array(words);
  const channel = { record: () => void work(progress) };
  bridge.open(0, channel);
  // A host waits for work as long as it lives: without this the channel would be collected.
  bridge.retain(channel);
  port.on('message', take);
  const ready: FromHost = { kind: 'ready' };
  port.postMessage(ready);
  void work(progress);
}
