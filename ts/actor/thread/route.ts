/**
 * The way from this thread to one other: what is said in one turn goes together, at the turn's end or as soon as it is much.
 */
import { clearTimeout, setTimeout } from 'node:timers';
import { typeError } from '../../errors';
import { microtask } from '../clock';
import { Batch, Op } from './batch';
import { Unpacker } from './packer';
import { encodeFault, type WireReason } from './faults';
import { TurnDeadline } from './turn-deadline';

/** So many bytes do not wait for the end of the turn: the other thread can begin with them. */
const MUCH = 4 * 1024;
/** While more bytes are under way to a thread, it is sent no calls and casts. What it must be told in any case (answers, links, ends) is bounded by what it asks for. */
const MOST_UNDER_WAY = 64 * 1024 * 1024;
/** So long after the system had no memory for a post it is tried again, in milliseconds. */
const TRY_AGAIN_MS = 10;

/** A link: its id, its two processes, and the offices of those. */
export type WireLink = readonly [linkId: string, id1: string, id2: string, office1: number, office2: number];

/** What takes post to other threads. */
export interface Carrier {
  /** Sends what a route has collected. Returns how many bytes are under way to its thread then; `undefined`: there is no memory for it, nothing was sent. */
  post(route: Route, bytes: Buffer, length: number): number | undefined;
  /** How many bytes are under way to the thread of an office, from all threads. */
  underWay(office: number): number;
  /** How many posts of this thread that one has taken. */
  taken(office: number): number;
}

export class Route {
  /** Reads what comes from there. */
  readonly unpacker = new Unpacker();
  /** For the calls that go there. */
  readonly deadline = new TurnDeadline();
  readonly #batch = new Batch();
  readonly #flush = (): void => this.flush();
  #scheduled = false;
  #isLastTurn = false;
  /** What is to be said when the message that is being packed is through. */
  #later: ((batch: Batch) => void)[] = [];
  /** How many posts were sent. */
  posts = 0;
  /** Bytes under way at the last look. */
  #underWay = 0;
  /** The post for which there was no memory waits for this. */
  #tryAgain: NodeJS.Timeout | undefined;

  /** @param office the number of the other thread's office */
  constructor(
    readonly office: number,
    private readonly carrier: Carrier,
  ) {}

  /** Whether so much is under way that no call or cast is to be added. */
  get isFull(): boolean {
    if (this.#tryAgain !== undefined) return true;
    if (this.#underWay <= MOST_UNDER_WAY) return false;
    this.#underWay = this.carrier.underWay(this.office);
    return this.#underWay > MOST_UNDER_WAY;
  }

  /** How many of the posts the other thread has taken. */
  get taken(): number {
    return this.carrier.taken(this.office);
  }

  /** @throws TypeError `ERR_ACTOR_NOT_CLONEABLE` */
  call(target: string, ticket: number, timeout: number, value: unknown): void {
    this.#refuseGetter();
    this.#batch.call(target, ticket, timeout, value);
    this.#said();
  }

  /** @throws TypeError `ERR_ACTOR_NOT_CLONEABLE` */
  cast(target: string, value: unknown): void {
    this.#refuseGetter();
    this.#batch.cast(target, value);
    this.#said();
  }

  stop(target: string, ticket: number, reason: WireReason): void {
    this.#tell((batch) => batch.stop(target, ticket, reason));
  }

  kill(target: string, reason: WireReason): void {
    this.#tell((batch) => batch.end(Op.kill, target, reason));
  }

  watch(target: string): void {
    this.#tell((batch) => batch.watch(target));
  }

  ended(target: string, reason: WireReason): void {
    this.#tell((batch) => batch.end(Op.ended, target, reason));
  }

  /** Answers; a reply that cannot leave its thread becomes the error that says so. */
  reply(ticket: number, value: unknown): void {
    if (this.#batch.isPacking) {
      this.#tell(() => this.reply(ticket, value));
      return;
    }
    try {
      this.#batch.answer(Op.reply, ticket, value);
    } catch (error) {
      this.#batch.failed(ticket, encodeFault(error));
    }
    this.#said();
  }

  failed(ticket: number, error: unknown): void {
    this.#tell((batch) => batch.failed(ticket, encodeFault(error)));
  }

  start(ticket: number, order: unknown): void {
    this.#refuseGetter();
    this.#batch.answer(Op.start, ticket, order);
    this.#said();
  }

  ready(ticket: number): void {
    this.#tell((batch) => batch.ready(ticket));
  }

  unregister(name: string, id: string): void {
    this.#tell((batch) => batch.tell(Op.unregister, [name, id]));
  }

  link(link: WireLink): void {
    this.#tell((batch) => batch.tell(Op.link, link));
  }

  unlink(link: WireLink): void {
    this.#tell((batch) => batch.tell(Op.unlink, link));
  }

  /** Sends now; never called while a message is being packed, but at the end of the thread. */
  flush(): void {
    if (this.#batch.isPacking) this.#batch.drop();
    this.#scheduled = false;
    this.deadline.end();
    const later = this.#later;
    this.#later = [];
    for (const write of later) write(this.#batch);
    if (this.#batch.isEmpty) return;
    clearTimeout(this.#tryAgain);
    this.#tryAgain = undefined;
    if (this.#batch.send((bytes, length) => this.#post(bytes, length))) return;
    // What was said is kept: the thread there counts on each message.
    this.#tryAgain = setTimeout(this.#flush, TRY_AGAIN_MS);
  }

  #post(bytes: Buffer, length: number): boolean {
    const underWay = this.carrier.post(this, bytes, length);
    if (underWay === undefined) return false;
    this.posts += 1;
    this.#underWay = underWay;
    return true;
  }

  /** No turn ends any more: what is said is sent at once. */
  lastTurn(): void {
    this.#isLastTurn = true;
    this.flush();
  }

  #tell(write: (batch: Batch) => void): void {
    if (this.#batch.isPacking) {
      // A getter of a message has led here: this comes behind the message.
      this.#later.push(write);
      this.#schedule();
      return;
    }
    write(this.#batch);
    this.#said();
  }

  #refuseGetter(): void {
    if (!this.#batch.isPacking) return;
    throw typeError(
      'ERR_ACTOR_NOT_CLONEABLE',
      'a getter of a message must not send messages to the same thread',
    );
  }

  #said(): void {
    if (this.#tryAgain !== undefined && !this.#isLastTurn) return;
    if (this.#batch.size > MUCH) this.flush();
    else this.#schedule();
  }

  #schedule(): void {
    if (this.#isLastTurn) {
      this.flush();
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      void microtask.then(this.#flush);
    }
  }
}
