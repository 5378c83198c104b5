/**
 * Looks for mail in each turn of the event loop for a moment after mail was sent or came: two threads in conversation then do not fall asleep between
 * question and answer, where waking would cost more than all the rest. As long as a thread looks, nobody wakes it.
 *
 * A moment that brings no mail was wasted, and where both threads share one processor it even keeps the other from answering. After a few of those no
 * more is spent for a while, which doubles as long as that goes on.
 */
import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers';
import type { Bridge } from '../../bridge/bridge';
import { now } from '../clock';

/** So long after the last mail, in milliseconds: about what waking a thread costs. */
const MOMENT_MS = 0.1;
/** So many wasted moments in a row are put up with. */
const FEW_MISSES = 2;
/** The pause after them, in milliseconds: at first and at last. */
const SHORTEST_PAUSE_MS = 4;
const LONGEST_PAUSE_MS = 256;

// With one processor, looking would always keep the other thread from answering.
const worthwhile = availableParallelism() > 1;

export class Poller {
  #until = 0;
  #running = false;
  /** Mail has come since this moment began. */
  #hit = false;
  #misses = 0;
  #pause = SHORTEST_PAUSE_MS;
  #pausedUntil = 0;
  /** Counts what was ever sent here; absent where it cannot be mapped. */
  readonly #mail: Uint32Array | undefined;
  #seen = 0;
  readonly #turn = (): void => this.#look();

  /** @param ended called when the moment is over */
  constructor(
    private readonly bridge: Bridge,
    private readonly ended: () => void,
  ) {
    const mail = bridge.native.outboxMail(bridge.load);
    this.#mail = mail && new Uint32Array(mail);
  }

  get running(): boolean {
    return this.#running;
  }

  /** Mail was sent. */
  sent(): void {
    if (worthwhile) this.#begin();
  }

  /** Mail has come. */
  received(): void {
    if (!worthwhile) return;
    if (this.#running) {
      this.#hit = true;
      this.#misses = 0;
      this.#pause = SHORTEST_PAUSE_MS;
    }
    this.#begin();
  }

  #begin(): void {
    const time = now();
    if (time < this.#pausedUntil) return;
    this.#until = time + MOMENT_MS;
    if (this.#running) return;
    this.#running = true;
    this.#hit = false;
    this.bridge.native.outboxPoll(this.bridge.load, true);
    setImmediate(this.#turn);
  }

  #look(): void {
    this.#deliver();
    const time = now();
    if (time < this.#until) {
      setImmediate(this.#turn);
      return;
    }
    this.#running = false;
    if (!this.#hit) this.#missed(time);
    if (this.bridge.native.outboxPoll(this.bridge.load, false)) this.bridge.flush();
    if (!this.#running) this.ended();
  }

  #deliver(): void {
    if (this.#mail !== undefined) {
      const sent = Atomics.load(this.#mail, 0);
      if (sent === this.#seen) return;
      this.#seen = sent;
    }
    this.bridge.flush();
  }

  #missed(time: number): void {
    this.#misses += 1;
    if (this.#misses <= FEW_MISSES) return;
    this.#pausedUntil = time + this.#pause;
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }
}
