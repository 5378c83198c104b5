/**
 * The requests of a client that are not answered yet.
 *
 * A request lives in a slot; slots are used again and again. Its number on the wire is the slot's place and how often it was used, so
 * that an answer that comes late never meets another request. A slot whose caller waits no more (aborted, timed out) is taken until its
 * answer comes: the broker counts it, too.
 */
import { NoizylabError } from '../errors';

/** Most requests that one client may have pending. */
export const MOST_PENDING = 65_536;

/** How often a slot is used before its numbers repeat: numbers stay below 2^31. */
const USES = 0x7fff;
const PLACE_BITS = 16;

/** Whether somebody waits. */
export const State = {
  /** Not in use. */
  free: 0,
  /** Somebody waits for the answer. */
  open: 1,
  /** Nobody waits for the answer that will come. */
  abandoned: 2,
  /** It was answered, and is not over: events come, or a computation runs. */
  lasting: 3,
} as const;

/** Takes what the broker says on a request that is not over with its first answer. */
export interface Listener {
  /** An event stands at `bytes[at..end]`, header included. */
  event(bytes: Buffer, at: number, end: number): void;
  /** No more will come. */
  ended(error: Error): void;
}

/** Reads the value of an answer. May throw: then the request has failed. */
export type ReadAnswer = (tag: number, bytes: Buffer, from: number, to: number, slot: Slot) => unknown;

// Numbers that may be fractions or large begin as such: where a field turns from whole numbers to others, V8 gives the class a new
// shape, and code that works on objects of the old one may be compiled and thrown away without end.

/** When the requests of one turn of the event loop were written. */
export class Turn {
  /** In milliseconds of `performance.now()`; NaN until the turn ends. */
  at = NaN;
  /** The shortest timeout of its requests, in milliseconds. */
  soonest = Infinity;
}

const NOTHING = Buffer.alloc(0);
const NO_TURN = new Turn();
const nothing = (): void => undefined;

/** One request. */
export class Slot {
  /** The number on the wire. */
  number: number;
  state: number = State.free;
  kind = 0;
  key = '';
  /** The frame: `bytes.subarray(start, end)`. */
  bytes: Buffer = NOTHING;
  start = 0;
  end = 0;
  resolve: (value: unknown) => void = nothing;
  reject: (error: unknown) => void = nothing;
  read: ReadAnswer = nothing;
  /** Where it stands in the order of all requests. */
  order = NaN;
  timeout = Infinity;
  turn = NO_TURN;
  /** It has been written to a connection. */
  sent = false;
  /** Sending it a second time does no harm. */
  repeatable = false;
  /** The process is kept alive for it. */
  held = false;
  /** Attempts that failed, and the earliest time of the next one. */
  attempts = 0;
  nextTry = -Infinity;
  listener: Listener | undefined;
  /** Takes an answer that comes when nobody waits any more. */
  late: ((tag: number, bytes: Buffer, from: number, to: number) => void) | undefined;
  /** Takes the callback off the caller's signal. */
  release: (() => void) | undefined;

  constructor(place: number) {
    this.number = place;
  }
}

/** All slots of a client. */
export class Pending {
  readonly slots: Slot[] = [];
  readonly #free: Slot[] = [];
  #order = 0;

  /** @throws NoizylabError `ERR_BROKER_TOO_MANY_PENDING` */
  take(): Slot {
    const slot = this.#free.pop() ?? this.#add();
    slot.state = State.open;
    slot.order = ++this.#order;
    return slot;
  }

  /** Gives a slot back. */
  free(slot: Slot): void {
    slot.state = State.free;
    const place = slot.number & (MOST_PENDING - 1);
    slot.number = ((((slot.number >> PLACE_BITS) + 1) & USES) << PLACE_BITS) | place;
    slot.bytes = NOTHING;
    slot.key = '';
    slot.resolve = nothing;
    slot.reject = nothing;
    slot.turn = NO_TURN;
    slot.sent = false;
    slot.attempts = 0;
    slot.nextTry = -Infinity;
    slot.listener = undefined;
    slot.late = undefined;
    this.#free.push(slot);
  }

  /** The slot of the request with this number, if it is in use. */
  find(number: number): Slot | undefined {
    const slot = this.slots[number & (MOST_PENDING - 1)];
    return slot !== undefined && slot.number === number && slot.state !== State.free ? slot : undefined;
  }

  #add(): Slot {
    const place = this.slots.length;
    if (place >= MOST_PENDING)
      throw new NoizylabError(
        'ERR_BROKER_TOO_MANY_PENDING',
        `${MOST_PENDING.toLocaleString('en')} requests of this client wait for their answers already`,
      );
    const slot = new Slot(place);
    this.slots.push(slot);
    return slot;
  }
}
