/**
 * The time of the calls that leave for another thread together. The clock is looked at when the first of a turn is made and when they are sent, not for each: where
 * the program has taken long in between, the time of all of them begins when they are sent.
 */
import { type AwaitedReply, Deadline } from '../deadlines';

/** Milliseconds that do not count as long. */
const A_MOMENT = 1;

export class TurnDeadline {
  #deadline: Deadline | undefined;
  #timeout = NaN;
  /** How many have joined it in this turn. */
  #joined = 0;

  /** Lets `reply` expire after `timeout` milliseconds, or never. */
  join(reply: AwaitedReply, timeout: number): void {
    if (timeout === Infinity) return;
    const deadline = this.#find(timeout);
    deadline.join(reply);
    this.#joined += 1;
  }

  /** The turn is over, the calls are sent. */
  end(): void {
    if (this.#joined > 0 && this.#deadline!.age > A_MOMENT) this.#deadline!.renew(this.#joined);
    this.#joined = 0;
  }

  #find(timeout: number): Deadline {
    const deadline = this.#deadline;
    if (deadline !== undefined && timeout === this.#timeout) {
      // One of an earlier turn is as good where that was in this very millisecond.
      if (this.#joined > 0 ? deadline.isOpen : deadline.isCurrent) return deadline;
    }
    this.end();
    this.#timeout = timeout;
    this.#deadline = new Deadline(timeout);
    return this.#deadline;
  }
}
