/**
 * The messages that wait for one server: first in, first out, O(1) to add, to take, to withdraw and to drop the oldest. A list of chunks, so that what was handled can
 * be collected. What is withdrawn or dropped stays as a mark until it is reached, or until the marks outnumber the messages.
 */

/** What stands before a message: one of these, or the call that awaits its reply. */
export const CAST = 1;
export const INFO = 2;
export const STOP = 3;

/** A call in the mailbox. */
export interface WaitingCall {
  /** It was withdrawn. */
  withdrawn: boolean;
}

/** `CAST`, `INFO`, `STOP` or a call. */
export type Envelope<Call extends WaitingCall> = number | Call;

const DROPPED = 0;
/** Elements of a chunk: two for each message. */
const CHUNK_LENGTH = 2048;
/** So many marks are left alone. */
const FEW_MARKS = 64;

interface Chunk {
  readonly items: unknown[];
  next: Chunk | undefined;
}

/** A mailbox of messages and `Call`s. */
export class Mailbox<Call extends WaitingCall> {
  /** How many messages wait, of all kinds. */
  length = 0;
  /** How many of them are neither calls nor casts. */
  private others = 0;
  private marks = 0;
  private head: Chunk = { items: [], next: undefined };
  private tail = this.head;
  private at = 0;
  private taken: unknown;
  /** Where the last call or cast was dropped, so many messages behind the head: before that is no other. `undefined`: at the head. */
  private dropped: Chunk | undefined;
  private droppedAt = 0;
  private behind = 0;

  /** How many calls and casts wait. */
  get load(): number {
    return this.length - this.others;
  }

  push(envelope: Envelope<Call>, message: unknown): void {
    let { tail } = this;
    if (tail.items.length === CHUNK_LENGTH) {
      tail.next = { items: [], next: undefined };
      tail = tail.next;
      this.tail = tail;
    }
    tail.items.push(envelope, message);
    this.length += 1;
    if (isOther(envelope)) this.others += 1;
  }

  /** Takes out the oldest message and returns its envelope, or `undefined` where none is left. */
  shift(): Envelope<Call> | undefined {
    if (this.length === 0) return undefined;
    this.skipMarks();
    const { items } = this.head;
    const envelope = items[this.at] as Envelope<Call>;
    this.taken = items[this.at + 1];
    items[this.at] = DROPPED;
    items[this.at + 1] = undefined;
    this.advance();
    this.length -= 1;
    if (isOther(envelope)) this.others -= 1;
    return envelope;
  }

  /** The message of the envelope that `shift` returned last; once. */
  takeMessage(): unknown {
    const message = this.taken;
    this.taken = undefined;
    return message;
  }

  /** Takes out a call that waits here. */
  withdraw(call: Call): void {
    call.withdrawn = true;
    this.marked();
  }

  /** Drops the call or cast that has waited longest and returns its envelope; `undefined` where there is none. */
  dropOldest(): Envelope<Call> | undefined {
    if (this.load === 0) return undefined;
    this.skipMarks();
    let chunk = this.dropped ?? this.head;
    let at = this.dropped === undefined ? this.at : this.droppedAt;
    for (;;) {
      if (at === chunk.items.length) {
        chunk = chunk.next!;
        at = 0;
      }
      const { items } = chunk;
      const envelope = items[at] as Envelope<Call>;
      if (!isMark(envelope) && !isOther(envelope)) {
        this.dropped = chunk;
        this.droppedAt = at;
        items[at] = DROPPED;
        items[at + 1] = undefined;
        this.marked();
        return envelope;
      }
      at += 2;
      this.behind += 1;
    }
  }

  /** Moves the head past marks: what is dropped one after another must not be looked at again and again. */
  private skipMarks(): void {
    while (this.marks > 0 && isMark(this.head.items[this.at] as Envelope<Call>)) {
      this.marks -= 1;
      this.advance();
    }
  }

  private advance(): void {
    this.at += 2;
    if (this.behind > 0) this.behind -= 1;
    else this.dropped = undefined;
    if (this.at === this.head.items.length) this.dropHead();
  }

  private dropHead(): void {
    if (this.head.next === undefined) this.head.items.length = 0;
    else this.head = this.head.next;
    this.at = 0;
  }

  private marked(): void {
    this.length -= 1;
    this.marks += 1;
    if (this.marks > FEW_MARKS && this.marks > this.length) this.removeMarks();
  }

  private removeMarks(): void {
    const { length, others } = this;
    let chunk: Chunk | undefined = this.head;
    let at = this.at;
    this.head = { items: [], next: undefined };
    this.tail = this.head;
    this.at = 0;
    this.behind = 0;
    this.dropped = undefined;
    this.marks = 0;
    for (; chunk !== undefined; chunk = chunk.next) {
      const { items } = chunk;
      for (; at < items.length; at += 2) {
        const envelope = items[at] as Envelope<Call>;
        if (!isMark(envelope)) this.push(envelope, items[at + 1]);
      }
      at = 0;
    }
    this.length = length;
    this.others = others;
  }
}

function isOther(envelope: Envelope<WaitingCall>): boolean {
  return envelope === INFO || envelope === STOP;
}

function isMark(envelope: Envelope<WaitingCall>): boolean {
  return typeof envelope === 'number' ? envelope === DROPPED : envelope.withdrawn;
}
