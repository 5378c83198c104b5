/**
 * A first-in-first-out queue that gives up any of its entries in constant time: a doubly linked list. An array would need a
 * linear search to drop a call whose signal fired, or would keep its empty place.
 */

/** The place of one value in its queue. */
export interface Place<T> {
  readonly value: T;
  previous: Place<T> | undefined;
  next: Place<T> | undefined;
  queued: boolean;
}

export class LinkedQueue<T> {
  #first: Place<T> | undefined;
  #last: Place<T> | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The oldest value, left in its place. */
  get first(): T | undefined {
    return this.#first?.value;
  }

  /** Adds a value at the end. */
  push(value: T): Place<T> {
    const place: Place<T> = { value, previous: this.#last, next: undefined, queued: true };
    if (this.#last === undefined) this.#first = place;
    else this.#last.next = place;
    this.#last = place;
    this.#length++;
    return place;
  }

  /** Takes the oldest value out. */
  shift(): T | undefined {
    const place = this.#first;
    if (place !== undefined) this.remove(place);
    return place?.value;
  }

  /** Takes the value at `place` out; without effect if it is out already. */
  remove(place: Place<T>): void {
    if (!place.queued) return;
    place.queued = false;
    if (place.previous === undefined) this.#first = place.next;
    else place.previous.next = place.next;
    if (place.next === undefined) this.#last = place.previous;
    else place.next.previous = place.previous;
    this.#length--;
  }
}
