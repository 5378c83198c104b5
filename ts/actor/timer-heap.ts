/**
 * Things to be done at times, the earliest first. To add, to remove and to take costs O(log n) at most, and there are never more nodes than
 * there were things at the same time.
 */
import { ExpiryQueue } from '../cache/expiry-queue';

const FIRST_SLOTS = 16;

interface Item<T> {
  readonly value: T;
  readonly time: number;
}

/** Values by time; each has a slot, by which it is removed. */
export class TimerHeap<T> {
  readonly #queue = new ExpiryQueue();
  /** By slot. What was removed leaves its node in the queue, until its time has come or the slot is used again. */
  readonly #items: (Item<T> | undefined)[] = [];
  readonly #free: number[] = [];
  #reserved = 0;

  /** Adds a value. @returns its slot */
  add(value: T, time: number): number {
    const slot = this.#free.pop() ?? this.#items.length;
    if (slot === this.#reserved) {
      this.#reserved = Math.max(FIRST_SLOTS, slot * 2);
      this.#queue.reserve(this.#reserved);
    }
    this.#items[slot] = { value, time };
    this.#queue.add(slot, time);
    return slot;
  }

  remove(slot: number): void {
    this.#items[slot] = undefined;
    this.#free.push(slot);
  }

  /** The earliest time of all values; `Infinity` without any. */
  get earliest(): number {
    this.#settle();
    return this.#queue.earliest;
  }

  /** Takes the value with the earliest time, if that is `now` or before. */
  take(now: number): T | undefined {
    this.#settle();
    if (this.#queue.earliest > now) return undefined;
    const slot = this.#queue.first;
    const { value } = this.#items[slot]!;
    this.remove(slot);
    return value;
  }

  /** Makes the first node that of a value, at its time. */
  #settle(): void {
    const queue = this.#queue;
    while (queue.earliest !== Infinity) {
      const item = this.#items[queue.first];
      if (item === undefined) queue.removeFirst();
      else if (item.time > queue.earliest) queue.postponeFirst(item.time);
      else return;
    }
  }
}
