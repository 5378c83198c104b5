/**
 * Frames by a function call: the broker lives in this process, in whichever thread. An answer is there when the call returns, or comes
 * through the bridge where it has to be waited for. After 8 ms of answers without a turn of the event loop they wait for one.
 */
import { setImmediate } from 'node:timers';
import { getBridge, RecordKind, type Bridge, type Channel, type FrameView } from '../bridge/bridge';
import { allocate } from '../bridge/allocate';
import { crossing, type Native } from '../bridge/native';
import { Slice } from '../bridge/slice';
import type { Connection, Host } from './connection';
import { BrokerError, connectionLost } from './errors';
import { Answer, FrameWriter, HEADER, Kind } from './frames';
import { agreedLimits, helloRequest } from './hello';
import type { Slot } from './pending';
import type { Limits } from './socket-connection';
import { Tag } from './values';

const slice = new Slice();

/** A connection without a socket. */
export class LocalConnection implements Connection, Channel {
  readonly maxValueSize: number;
  readonly maxRequestSize: number;
  readonly done = true;
  readonly #bridge: Bridge;
  readonly #native: typeof Native;
  readonly #handle: number;
  readonly #host: Host;
  #held = false;
  #gone = false;

  private constructor(bridge: Bridge, handle: number, host: Host) {
    this.#bridge = bridge;
    this.#native = bridge.native;
    this.#handle = handle;
    this.#host = host;
    const { maxValueSize, maxRequestSize } = this.#limits();
    this.maxValueSize = maxValueSize;
    this.maxRequestSize = maxRequestSize;
    bridge.open(handle, this);
  }

  /**
   * A connection to the broker of this process that listens at `pipe`; `undefined`: there is none, or the package has no native part here.
   * @throws BrokerError `ERR_BROKER_AUTH_FAILED`, `ERR_BROKER_DRAINING`
   */
  static open(pipe: string, secret: string | null, host: Host): LocalConnection | undefined {
    const bridge = bridgeOrNone();
    if (bridge === undefined) return undefined;
    const handle = attach(bridge, pipe, secret);
    return handle === 0 ? undefined : new LocalConnection(bridge, handle, host);
  }

  send(bytes: Buffer, start: number, end: number, slot: Slot | undefined): boolean {
    if (this.#gone) return false;
    if (slot !== undefined) slot.sent = true;
    const frame = start === 0 ? bytes : Buffer.from(bytes.subarray(start, end));
    const length = this.#native.brokerExchange(this.#handle, frame, end - start);
    if (length > 0) this.#deliver(frame, length);
    else if (length < 0) this.#fetch(-length, bytes.readUInt32LE(start + 4));
    else if (length !== 0) {
      if (slot !== undefined) slot.sent = false;
      this.#end();
      return false;
    }
    return true;
  }

  flush(): void {
    // Each frame has arrived when `send` returns.
  }

  hold(on: boolean): void {
    if (on === this.#held) return;
    this.#held = on;
    if (on) this.#bridge.retain(this);
    else this.#bridge.release(this);
  }

  close(): void {
    this.hold(false);
    this.#bridge.close(this.#handle);
    if (!this.#gone) this.#native.brokerDetach(this.#handle);
    this.#gone = true;
  }

  record(kind: number, _group: number, _index: number, _count: number, frame: FrameView): void {
    if (kind === RecordKind.brokerFrame) this.#answers(frame.bytes, frame.start, frame.end);
    else if (kind === RecordKind.brokerGone) this.#end();
  }

  /** The broker has stopped. */
  #end(): void {
    if (!this.#gone) {
      this.close();
      this.#host.lost(this, connectionLost());
    }
  }

  /** Takes answers that did not fit, to the request of that number. */
  #fetch(length: number, request: number): void {
    let bytes: Buffer;
    try {
      bytes = allocate(length);
    } catch {
      const refused = refusalFrame(request, 'out_of_memory');
      this.#answers(refused, 0, refused.length);
      return;
    }
    this.#deliver(bytes, this.#native.brokerAnswer(this.#handle, bytes));
  }

  /** Hands answers on that have come within the call: now, or where they have kept the event loop from turning, in its next turn. */
  #deliver(bytes: Buffer, length: number): void {
    if (!slice.step()) {
      this.#answers(bytes, 0, length);
      return;
    }
    // The memory belongs to the next request.
    const kept = Buffer.from(bytes.subarray(0, length));
    setImmediate(() => this.#answers(kept, 0, length));
  }

  #answers(bytes: Buffer, start: number, end: number): void {
    for (let at = start; at < end;) {
      const next = at + HEADER + bytes.readUInt32LE(at);
      this.#host.answer(bytes, at, next);
      at = next;
    }
  }

  #limits(): Limits {
    const writer = new FrameWriter();
    writer.begin(0, Kind.line, Tag.json, '');
    writer.text(helloRequest());
    writer.complete();
    const length = this.#native.brokerExchange(this.#handle, writer.bytes, writer.end);
    const answer = length > HEADER ? writer.bytes.toString('utf8', HEADER, length) : '{}';
    return agreedLimits(JSON.parse(answer) as object) ?? { maxValueSize: Infinity, maxRequestSize: Infinity };
  }
}

/** Whether a broker of this process listens there. */
export function isOfThisProcess(pipe: string): boolean {
  const bridge = bridgeOrNone();
  if (bridge === undefined) return false;
  try {
    const handle = attach(bridge, pipe, null);
    if (handle !== 0) bridge.native.brokerDetach(handle);
    return handle !== 0;
  } catch (error) {
    // There is one: it wants a secret, or is about to stop.
    return error instanceof BrokerError;
  }
}

function bridgeOrNone(): Bridge | undefined {
  try {
    return getBridge();
  } catch {
    return undefined;
  }
}

/** @throws BrokerError `ERR_BROKER_AUTH_FAILED`, `ERR_BROKER_DRAINING` */
function attach(bridge: Bridge, pipe: string, secret: string | null): number {
  try {
    return crossing(() => bridge.native.brokerAttach(bridge.load, pipe, secret ?? ''));
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 'ERR_BROKER_AUTH_FAILED') throw new BrokerError('auth_failed');
    if (code === 'ERR_BROKER_DRAINING') throw new BrokerError('draining');
    throw error;
  }
}

/** A refusal as the broker writes it. */
function refusalFrame(request: number, word: string): Buffer {
  const frame = Buffer.alloc(HEADER + word.length);
  frame.writeUInt32LE(word.length, 0);
  frame.writeUInt32LE(request, 4);
  frame[8] = Answer.error;
  frame[9] = Tag.text;
  frame.write(word, HEADER, 'latin1');
  return frame;
}
