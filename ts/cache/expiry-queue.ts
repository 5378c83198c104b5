/**
 * Which slot's time is over next: a heap with at most one node a slot, in typed arrays.
 *
 * It is lazy in one direction: to put a slot off costs nothing, its node stays at the earlier time. Whoever takes the first slot looks
 * up when it is really due and postpones it. So a node is never later than its slot is due, often earlier, and an entry that is written
 * again and again, or is gone, is moved once per lifetime and not once per write.
 *
 * The heap has four children a node, which takes half as many levels as two and reads each level from one cache line
 * (D. B. Johnson, "Priority Queues with Update and Finding Minimum Spanning Trees", 1975).
 */

const CHILDREN = 4;

/** A queue of slots: whole numbers from 0 up, of which `reserve` makes the first ones known. */
export class ExpiryQueue {
  /** The heap: slots, the one with the earliest time first. */
  #heap = new Uint32Array(0);
  #length = 0;
  /** By slot: the time of its node. */
  #times = new Float64Array(0);
  /** By slot: where its node is in the heap, from 1; 0: it has none. */
  #places = new Uint32Array(0);

  #earliest = Infinity;

  /** The earliest time of all nodes, `Infinity` without any. */
  get earliest(): number {
    return this.#earliest;
  }

  /** The slot with the earliest time; there must be one. */
  get first(): number {
    return this.#heap[0]!;
  }

  /** Makes the slots below `slots` known. */
  reserve(slots: number): void {
    this.#heap = grown(new Uint32Array(slots), this.#heap);
    this.#times = grown(new Float64Array(slots), this.#times);
    this.#places = grown(new Uint32Array(slots), this.#places);
  }

  /** Makes sure that the slot's node is not later than `time`. */
  add(slot: number, time: number): void {
    const place = this.#places[slot]!;
    if (place === 0) {
      this.#times[slot] = time;
      this.#rise(this.#length++, slot, time);
    } else if (time < this.#times[slot]!) {
      this.#times[slot] = time;
      this.#rise(place - 1, slot, time);
    }
    if (time < this.#earliest) this.#earliest = time;
  }

  /** Moves the first slot's node to a later time. */
  postponeFirst(time: number): void {
    const slot = this.#heap[0]!;
    this.#times[slot] = time;
    this.#sink(slot, time);
    this.#earliest = this.#times[this.#heap[0]!]!;
  }

  /** Takes the first slot's node away. */
  removeFirst(): void {
    this.#places[this.#heap[0]!] = 0;
    const last = this.#heap[--this.#length]!;
    if (this.#length > 0) this.#sink(last, this.#times[last]!);
    this.#earliest = this.#length > 0 ? this.#times[this.#heap[0]!]! : Infinity;
  }

  /** Puts a slot where `at` is free, or above. */
  #rise(at: number, slot: number, time: number): void {
    const heap = this.#heap;
    let free = at;
    while (free > 0) {
      const parent = Math.floor((free - 1) / CHILDREN);
      if (this.#times[heap[parent]!]! <= time) break;
      this.#put(free, heap[parent]!);
      free = parent;
    }
    this.#put(free, slot);
  }

  /** Puts a slot where the first one was, or below. */
  #sink(slot: number, time: number): void {
    const heap = this.#heap;
    const times = this.#times;
    let free = 0;
    for (;;) {
      const from = free * CHILDREN + 1;
      const to = Math.min(from + CHILDREN, this.#length);
      let least = -1;
      let earliest = time;
      for (let child = from; child < to; child++) {
        if (times[heap[child]!]! >= earliest) continue;
        least = child;
        earliest = times[heap[child]!]!;
      }
      if (least === -1) break;
      this.#put(free, heap[least]!);
      free = least;
    }
    this.#put(free, slot);
  }

  #put(at: number, slot: number): void {
    this.#heap[at] = slot;
    this.#places[slot] = at + 1;
  }
}

function grown<T extends Uint32Array | Float64Array>(to: T, from: T): T {
  to.set(from);
  return to;
}
