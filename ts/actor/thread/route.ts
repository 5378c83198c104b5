/**
 * The way from this thread to one other: what is said in one turn goes together, at the turn's end or as soon as it is much.
 */
import { type Deadline, deadlineIn } from '../deadlines';
import { Batch, Op } from './batch';
import { Unpacker } from './packer';
import { encodeFault, type WireReason } from './faults';

/** So many bytes do not wait for the end of the turn: the other thread can begin with them. */
const MUCH = 2 * 1024;

/** Sends what a route has collected. */
export type Post = (route: Route, bytes: Buffer, length: number) => void;

export class Route {
  /** Reads what comes from there. */
  readonly unpacker = new Unpacker();
  readonly #batch = new Batch();
  readonly #flush = (): void => this.flush();
  #scheduled = false;
  /** The deadline of the calls of this turn, and its timeout. */
  #deadline: Deadline | undefined;
  #timeout = NaN;
  /** How often this route was flushed: what was true before may have changed. */
  turns = 0;

  /** @param office the number of the other thread's office */
  constructor(
    readonly office: number,
    private readonly post: Post,
  ) {}

  call(target: string, ticket: number, timeout: number, value: unknown): void {
    this.#batch.call(target, ticket, timeout, value);
    this.#said();
  }

  cast(target: string, value: unknown): void {
    this.#batch.tell(Op.cast, target, value);
    this.#said();
  }

  exit(target: string, signal: unknown): void {
    this.#batch.tell(Op.exit, target, signal);
    this.#said();
  }

  stop(target: string, ticket: number, reason: WireReason): void {
    this.#batch.stop(target, ticket, reason);
    this.#said();
  }

  kill(target: string, reason: WireReason): void {
    this.#batch.end(Op.kill, target, reason);
    this.#said();
  }

  watch(target: string): void {
    this.#batch.watch(target);
    this.#said();
  }

  ended(target: string, reason: WireReason): void {
    this.#batch.end(Op.ended, target, reason);
    this.#said();
  }

  /** Answers; a reply that cannot leave its thread becomes the error that says so. */
  reply(ticket: number, value: unknown): void {
    try {
      this.#batch.answer(Op.reply, ticket, value);
    } catch (error) {
      this.#batch.failed(ticket, encodeFault(error));
    }
    this.#said();
  }

  failed(ticket: number, error: unknown): void {
    this.#batch.failed(ticket, encodeFault(error));
    this.#said();
  }

  start(ticket: number, order: unknown): void {
    this.#batch.answer(Op.start, ticket, order);
    this.#said();
  }

  ready(ticket: number): void {
    this.#batch.ready(ticket);
    this.#said();
  }

  unregister(name: string): void {
    this.#batch.unregister(name);
    this.#said();
  }

  /** The deadline of a call of this turn. Its time counts from when the turn is sent, so that the clock is not looked at for each call. */
  deadlineIn(timeout: number): Deadline {
    const deadline = this.#deadline;
    if (timeout === this.#timeout && deadline?.isOpen === true) return deadline;
    deadline?.refresh();
    this.#timeout = timeout;
    this.#deadline = deadlineIn(timeout);
    return this.#deadline;
  }

  /** Sends now. */
  flush(): void {
    this.#scheduled = false;
    this.#deadline?.refresh();
    this.#deadline = undefined;
    if (this.#batch.isEmpty) return;
    this.turns += 1;
    this.#batch.send((bytes, length) => this.post(this, bytes, length));
  }

  #said(): void {
    if (this.#batch.size > MUCH) {
      this.flush();
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      void turn.then(this.#flush);
    }
  }
}

const turn = Promise.resolve();
