/**
 * Looks for mail in each turn of the event loop for a moment after mail was sent or came: two threads in conversation then do not fall asleep between
 * question and answer, where waking would cost more than all the rest.
 *
 * A moment that brings no mail was wasted, and where both threads share one processor it even keeps the other from answering. After a few of those no
 * more is spent for a while, which doubles as long as that goes on.
 */
import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';

/** So long after the last mail, in milliseconds: about what waking a thread costs. */
const MOMENT_MS = 0.1;
/** So many wasted moments in a row are put up with. */
const FEW_MISSES = 2;
/** The pause after them, in milliseconds: at first and at last. */
const SHORTEST_PAUSE_MS = 4;
const LONGEST_PAUSE_MS = 64;

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
  readonly #turn = (): void => this.#look();

  /**
   * @param look delivers what waits
   * @param ended called when the moment is over
   */
  constructor(
    private readonly look: () => void,
    private readonly ended: () => void,
  ) {}

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
    const now = performance.now();
    if (now < this.#pausedUntil) return;
    this.#until = now + MOMENT_MS;
    if (this.#running) return;
    this.#running = true;
    this.#hit = false;
    setImmediate(this.#turn);
  }

  #look(): void {
    this.look();
    const now = performance.now();
    if (now < this.#until) {
      setImmediate(this.#turn);
      return;
    }
    this.#running = false;
    if (!this.#hit) this.#missed(now);
    this.ended();
  }

  #missed(now: number): void {
    this.#misses += 1;
    if (this.#misses <= FEW_MISSES) return;
    this.#pausedUntil = now + this.#pause;
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }
}
