/**
 * Lines over a socket: the first protocol, which an original broker speaks.
 *
 * Its responses have no numbers, and come in the order of the requests but for `set`, which is answered late: a `set` travels alone.
 * An original broker measures all that it has not read yet against its longest request: little is on its way at a time, and a long line travels alone, too.
 */
import { isError } from '../bridge/wire-error';
import { NoizylabError } from '../errors';
import { LinkedQueue } from '../parallel/linked-queue';
import type { ClientConfig } from './client-options';
import type { Connection, Host } from './connection';
import { connectionLost, refusal } from './errors';
import { toLines, type LineRequest, type Response } from './line-requests';
import type { Slot } from './pending';
import type { PipeSocket } from './pipe-socket';
import { signedLine } from './signed-line';

const LINE_END = 10;
/** Most bytes of requests on their way, but for a single longer one. */
const WINDOW = 4096;

/** A request whose lines are sent or wait to be. */
interface Call {
  readonly slot: Slot;
  readonly number: number;
  readonly request: LineRequest;
  readonly responses: Response[];
}

interface Line {
  readonly call: Call;
  readonly bytes: Buffer;
}

/** A connection that has not agreed on frames. */
export class LineConnection implements Connection {
  readonly maxValueSize = Infinity;
  readonly maxRequestSize = Infinity;
  readonly done = false;
  readonly #socket: PipeSocket;
  readonly #host: Host;
  readonly #config: ClientConfig;
  readonly #queue = new LinkedQueue<Line>();
  readonly #sent = new LinkedQueue<Line>();
  #bytesSent = 0;
  #parts: Buffer[] = [];
  #length = 0;

  constructor(socket: PipeSocket, host: Host, config: ClientConfig) {
    this.#socket = socket;
    this.#host = host;
    this.#config = config;
    socket.receive = (bytes, length) => this.#receive(bytes.subarray(0, length));
    socket.ended = (error) => host.lost(this, error ?? connectionLost());
  }

  send(bytes: Buffer, start: number, end: number, slot: Slot | undefined): boolean {
    // Nobody waits for the answer: it calls a request off, which is none that this broker knows.
    if (slot === undefined) return true;
    let request: LineRequest;
    try {
      request = toLines(bytes, start, end, this.#config);
    } catch (error) {
      this.#host.refuse(slot, error);
      return true;
    }
    if (request.lines.length === 0) {
      this.#host.succeed(slot, request.result([]));
      return true;
    }
    const call = { slot, number: slot.number, request, responses: [] };
    for (const json of request.lines)
      this.#queue.push({ call, bytes: Buffer.from(`${signedLine(json, this.#config.secret)}\n`) });
    return true;
  }

  flush(): void {
    const lines: Buffer[] = [];
    for (let line = this.#queue.first; line !== undefined; line = this.#queue.first) {
      const { call, bytes } = line;
      // Its caller does not wait any more, and nothing of it has been sent.
      const isDropped = call.slot.number !== call.number;
      if (!isDropped) {
        if (!this.#fits(line)) break;
        call.slot.sent = true;
        this.#sent.push(line);
        this.#bytesSent += bytes.length;
        lines.push(bytes);
      }
      this.#queue.shift();
    }
    if (lines.length > 0) this.#socket.write(Buffer.concat(lines));
  }

  hold(on: boolean): void {
    this.#socket.hold(on);
  }

  close(): void {
    this.#socket.close();
  }

  #fits({ call, bytes }: Line): boolean {
    const before = this.#sent.first;
    if (before === undefined) return true;
    if (call.request.sets || before.call.request.sets || this.#host.oneAtATime) return false;
    return this.#bytesSent + bytes.length <= WINDOW;
  }

  #receive(bytes: Buffer): void {
    let at = 0;
    for (let end = bytes.indexOf(LINE_END); end >= 0; end = bytes.indexOf(LINE_END, at)) {
      this.#parts.push(bytes.subarray(at, end));
      const line = Buffer.concat(this.#parts).toString();
      this.#parts = [];
      this.#length = 0;
      this.#respond(line);
      at = end + 1;
    }
    this.#length += bytes.length - at;
    if (this.#length > this.#config.maxResponseSize)
      throw new NoizylabError(
        'ERR_BROKER_RESPONSE_TOO_LARGE',
        `the broker sends more than ${this.#config.maxResponseSize} bytes at once; that is what the option maxResponseSize allows`,
      );
    if (at < bytes.length) this.#parts.push(Buffer.from(bytes.subarray(at)));
    this.flush();
  }

  #respond(text: string): void {
    const line = this.#sent.shift();
    if (line === undefined) return;
    this.#bytesSent -= line.bytes.length;
    const { slot, number, request, responses } = line.call;
    if (slot.number !== number) return;
    try {
      const response = parse(text);
      if (response.error === 'too_large' && !request.sets && this.#sent.first !== undefined) {
        // It was said of all that was on its way, and the broker closes: each for itself may go.
        this.#host.oneAtATime = true;
        this.#socket.fail(connectionLost(refusal('too_large')));
        return;
      }
      responses.push(response);
      if (responses.length === request.lines.length) this.#host.succeed(slot, request.result(responses));
    } catch (error) {
      this.#host.refuse(slot, error);
    }
  }
}

function parse(text: string): Response {
  let response: unknown;
  try {
    response = JSON.parse(text);
  } catch (cause) {
    const reason = isError(cause) ? cause.message : String(cause);
    throw new NoizylabError('ERR_BROKER_INVALID_RESPONSE', `Invalid response: ${reason}`, { cause });
  }
  return typeof response === 'object' && response !== null ? (response as Response) : {};
}
