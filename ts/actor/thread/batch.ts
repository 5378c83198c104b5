/**
 * What one thread has to tell another in one go: many messages in one run of bytes.
 *
 * It begins with the time at which it was sent (milliseconds of the machine's monotonic clock, f64). A message is a byte (an `Op` and bits) and its
 * fields in the order in which `Op` names them; one that is as in the message before is left out.
 */
import type { FrameView } from '../../bridge/bridge';
import { Failure } from '../../bridge/payload';
import { throwLater } from '../../bridge/throw-later';
import { isOutOfMemory, typeError } from '../../errors';
import { now } from '../clock';
import { toError } from '../errors';
import type { WireReason } from './faults';
import { Packer, type Unpacker } from './packer';

/** What a message is. */
export const Op = {
  /** target, ticket, timeout, value */
  call: 0,
  /** target, value */
  cast: 1,
  /** value: a link that the thread of one of its processes is to know */
  link: 2,
  /** target, ticket, reason */
  stop: 3,
  /** target, reason */
  kill: 4,
  /** target: the sender wants to be told of its end */
  watch: 5,
  /** target, reason: it has ended */
  ended: 6,
  /** ticket, value */
  reply: 7,
  /** ticket, reason: why there is no reply */
  failed: 8,
  /** ticket, value: start a server */
  start: 9,
  /** ticket: a worker is ready */
  ready: 10,
  /** value: a name and the process that has lost it */
  unregister: 11,
  /** value: a link that is to be forgotten */
  unlink: 12,
} as const;

/** A message that was read. Fields that its kind does not have are those of a message before it. */
export interface Message {
  op: number;
  target: string;
  ticket: number;
  /** Milliseconds from when it was sent; `Infinity`: no bound. */
  timeout: number;
  /** When its batch was sent, in milliseconds of the clock of the thread that reads it. */
  sentAt: number;
  value: unknown;
  reason: WireReason;
}

const OP = 15;
const SAME_TARGET = 16;
const SAME_TIMEOUT = 32;

/** The fields that a kind of message has. */
const TARGET = 1;
const TICKET = 2;
const TIMEOUT = 4;
const REASON = 8;
const VALUE = 16;

const FIELDS: readonly number[] = (() => {
  const fields: number[] = [];
  fields[Op.call] = TARGET | TICKET | TIMEOUT | VALUE;
  fields[Op.cast] = TARGET | VALUE;
  fields[Op.link] = VALUE;
  fields[Op.stop] = TARGET | TICKET | REASON;
  fields[Op.kill] = TARGET | REASON;
  fields[Op.watch] = TARGET;
  fields[Op.ended] = TARGET | REASON;
  fields[Op.reply] = TICKET | VALUE;
  fields[Op.failed] = TICKET | REASON;
  fields[Op.start] = TICKET | VALUE;
  fields[Op.ready] = TICKET;
  fields[Op.unregister] = VALUE;
  fields[Op.unlink] = VALUE;
  return fields;
})();

const HEADER = 8;

/** What `now` is behind the machine's monotonic clock, by which two threads can compare what they read. */
const behind = measureBehind();

function measureBehind(): number {
  let best = Infinity;
  let offset = 0;
  // The thread may be put aside between two looks at the clock.
  for (let look = 0; look < 20 && best > 0.01; look++) {
    const before = now();
    const clock = Number(process.hrtime.bigint()) / 1e6;
    const took = now() - before;
    if (took >= best) continue;
    best = took;
    offset = clock - before - took / 2;
  }
  return offset;
}

/** Collects messages for one thread. */
export class Batch {
  readonly #packer = new Packer();
  #lastTarget = '';
  #lastTimeout = NaN;
  #isPacking = false;
  /** Where the message begins that is being packed. */
  #unfinished = 0;

  constructor() {
    this.#packer.length = HEADER;
  }

  /** How many bytes it takes. */
  get size(): number {
    return this.#packer.length;
  }

  get isEmpty(): boolean {
    return this.#packer.length === HEADER;
  }

  /** A value is being read: a getter in it may lead back here, where nothing can be added until it is through. */
  get isPacking(): boolean {
    return this.#isPacking;
  }

  /** Takes out the message that is being packed: a getter in it has ended the program, and will not return. */
  drop(): void {
    this.#packer.undo(this.#unfinished);
    this.#forget();
    this.#isPacking = false;
  }

  /** @throws TypeError `ERR_ACTOR_NOT_CLONEABLE`, NoizylabError `ERR_CORE_OUT_OF_MEMORY`: the message cannot leave its thread; nothing was added */
  call(target: string, ticket: number, timeout: number, value: unknown): void {
    const start = this.#packer.length;
    const same = timeout === this.#lastTimeout ? SAME_TIMEOUT : 0;
    this.#target(Op.call | same, target);
    this.#packer.uint32(ticket);
    if (same === 0) this.#packer.double(timeout);
    this.#lastTimeout = timeout;
    this.#value(value, start);
  }

  cast(target: string, value: unknown): void {
    const start = this.#packer.length;
    this.#target(Op.cast, target);
    this.#value(value, start);
  }

  /** `Op.reply` or `Op.start`. */
  answer(op: number, ticket: number, value: unknown): void {
    const start = this.#packer.length;
    this.#ticket(op, ticket);
    this.#value(value, start);
  }

  stop(target: string, ticket: number, reason: WireReason): void {
    this.#target(Op.stop, target);
    this.#packer.uint32(ticket);
    this.#packer.value(reason);
  }

  /** `Op.kill` or `Op.ended`. */
  end(op: number, target: string, reason: WireReason): void {
    this.#target(op, target);
    this.#packer.value(reason);
  }

  watch(target: string): void {
    this.#target(Op.watch, target);
  }

  failed(ticket: number, fault: string): void {
    this.#ticket(Op.failed, ticket);
    this.#packer.value(fault);
  }

  ready(ticket: number): void {
    this.#ticket(Op.ready, ticket);
  }

  /** `Op.unregister`, `Op.link` or `Op.unlink`. */
  tell(op: number, value: unknown): void {
    this.#packer.byte(op);
    this.#packer.value(value);
  }

  /** Hands all that was collected to `post`, and begins anew; where that says that it was not sent, all stays. Returns what `post` does. */
  send(post: (bytes: Buffer, length: number) => boolean): boolean {
    const packer = this.#packer;
    packer.bytes.writeDoubleLE(now() + behind, 0);
    let sent = true;
    try {
      sent = post(packer.bytes, packer.length);
    } finally {
      if (sent) {
        packer.reset();
        packer.length = HEADER;
        this.#forget();
      }
    }
    return sent;
  }

  #target(op: number, target: string): void {
    if (target === this.#lastTarget) {
      this.#packer.byte(op | SAME_TARGET);
    } else {
      this.#packer.byte(op);
      this.#packer.value(target);
      this.#lastTarget = target;
    }
  }

  #ticket(op: number, ticket: number): void {
    this.#packer.byte(op);
    this.#packer.uint32(ticket);
  }

  #value(value: unknown, start: number): void {
    this.#isPacking = true;
    this.#unfinished = start;
    try {
      this.#packer.value(value);
    } catch (cause) {
      this.#packer.length = start;
      this.#forget();
      if (isOutOfMemory(cause)) throw cause;
      const { message, cause: deeper = cause } = toError(cause);
      throw typeError('ERR_ACTOR_NOT_CLONEABLE', message, { cause: deeper });
    } finally {
      this.#isPacking = false;
    }
  }

  #forget(): void {
    this.#lastTarget = '';
    this.#lastTimeout = NaN;
  }
}

/**
 * Calls `take` for each message of a batch, in order, always with the same object. A value that cannot be read comes as a `Failure`; what `take` throws is thrown
 * later, so that all messages are taken.
 * @param unpacker that of the thread that has sent it
 */
export function readBatch(
  unpacker: Unpacker,
  { bytes, start, end }: FrameView,
  take: (message: Message) => void,
): void {
  const sentAt = bytes.readDoubleLE(start) - behind;
  unpacker.read(bytes, start + HEADER);
  const message: Message = {
    op: 0,
    target: '',
    ticket: 0,
    timeout: 0,
    sentAt,
    value: undefined,
    reason: 0,
  };
  while (unpacker.at < end) {
    const bits = unpacker.byte();
    message.op = bits & OP;
    const fields = FIELDS[message.op]!;
    if ((fields & TARGET) !== 0 && (bits & SAME_TARGET) === 0) message.target = unpacker.value() as string;
    if ((fields & TICKET) !== 0) message.ticket = unpacker.uint32();
    if ((fields & TIMEOUT) !== 0 && (bits & SAME_TIMEOUT) === 0) message.timeout = unpacker.double();
    if ((fields & REASON) !== 0) message.reason = unpacker.value() as WireReason;
    if ((fields & VALUE) !== 0) message.value = readValue(unpacker);
    try {
      take(message);
    } catch (error) {
      throwLater(error);
    }
  }
}

function readValue(unpacker: Unpacker): unknown {
  try {
    return unpacker.value();
  } catch (error) {
    return new Failure(error as Error);
  }
}
