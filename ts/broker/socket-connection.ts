/** Frames over a socket: one write per turn of the event loop, in records where there is a secret. */
import { Assembler } from './assembler';
import type { Connection, Host } from './connection';
import { connectionLost } from './errors';
import { FrameWriter, HEADER, Kind, UNANSWERED } from './frames';
import type { Slot } from './pending';
import type { PipeSocket } from './pipe-socket';
import { RECORD_HEADER, type Records } from './records';
import { Tag } from './values';

const NOTHING = Buffer.alloc(0);
/** The number of the request by which a broker proves itself; no slot has it. */
const PROOF = UNANSWERED - 1;

/** What the broker's hello says. */
export interface Limits {
  readonly maxValueSize: number;
  readonly maxRequestSize: number;
}

/** A connection that has agreed on frames. */
export class SocketConnection implements Connection {
  readonly maxValueSize: number;
  readonly maxRequestSize: number;
  readonly done = false;
  readonly #socket: PipeSocket;
  readonly #host: Host;
  readonly #records: Records | undefined;
  // What is to be written: a run of frames in one chunk.
  #bytes: Buffer = NOTHING;
  #start = 0;
  #end = 0;
  #proven: (() => void) | undefined;

  /**
   * @param records where frames travel in records
   * @param mostBytes longest answer
   */
  constructor(
    socket: PipeSocket,
    host: Host,
    limits: Limits,
    records: Records | undefined,
    mostBytes: number,
  ) {
    this.#socket = socket;
    this.#host = host;
    this.#records = records;
    this.maxValueSize = limits.maxValueSize;
    this.maxRequestSize = limits.maxRequestSize;
    const take = (bytes: Buffer, at: number, end: number): boolean => {
      this.#take(bytes, at, end);
      return true;
    };
    const assembler =
      records === undefined
        ? new Assembler(HEADER, mostBytes, take)
        : new Assembler(RECORD_HEADER, mostBytes, (bytes, at, end) => this.#open(records, bytes, at, end));
    socket.receive = (bytes, length) => assembler.push(bytes, length);
    socket.ended = (error) => host.lost(this, error ?? connectionLost());
  }

  /** Has the broker answer something before anything else is sent: in a record, this proves that it knows the secret. */
  prove(proven: () => void): void {
    const writer = new FrameWriter();
    writer.begin(PROOF, Kind.ping, Tag.none, '');
    writer.complete();
    this.#proven = proven;
    this.send(writer.bytes, writer.start, writer.end);
    this.flush();
  }

  send(bytes: Buffer, start: number, end: number, slot?: Slot): boolean {
    if (slot !== undefined) slot.sent = true;
    if (bytes !== this.#bytes || start !== this.#end) {
      this.flush();
      this.#bytes = bytes;
      this.#start = start;
    }
    this.#end = end;
    return true;
  }

  flush(): void {
    if (this.#start === this.#end) return;
    const frames = this.#bytes.subarray(this.#start, this.#end);
    this.#start = this.#end;
    if (this.#records === undefined) this.#socket.write(frames);
    else this.#socket.writeAll([this.#records.seal(frames), frames]);
  }

  hold(on: boolean): void {
    this.#socket.hold(on);
  }

  close(): void {
    this.flush();
    this.#socket.close();
  }

  #open(records: Records, bytes: Buffer, at: number, end: number): boolean {
    records.open(bytes, at, end);
    for (let from = at + RECORD_HEADER; end - from >= HEADER;) {
      const to = from + HEADER + bytes.readUInt32LE(from);
      if (to > end) break;
      this.#take(bytes, from, to);
      from = to;
    }
    return true;
  }

  #take(bytes: Buffer, at: number, end: number): void {
    if (this.#proven === undefined) {
      this.#host.answer(bytes, at, end);
    } else if (bytes.readUInt32LE(at + 4) === PROOF) {
      const proven = this.#proven;
      this.#proven = undefined;
      proven();
    }
  }
}
