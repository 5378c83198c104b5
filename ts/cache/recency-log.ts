/**
 * The exact order of use of numbered slots, in two typed arrays and without links.
 *
 * Every use appends the slot to a log. An item of the log counts only where it is the latest of its slot: read from the head, those
 * that count are the slots from the least recently used on. A full log is compacted to the items that count. So a use writes one word, in
 * sequence, where a linked list writes six all over memory. Which items count is found out when it is asked for, for many uses at
 * once. The log holds three to six items a slot; a use pays for the compaction of less than two.
 */

/** No position: the slot is not in use. */
const NOWHERE = 0xffffffff;
const FIRST_LENGTH = 64;
/** A log that is fuller than this after a compaction doubles. */
const FULLEST = 1 / 3;

/** An order of slots: whole numbers from 0 up, of which `reserve` makes the first ones known. */
export class RecencyLog {
  /** By slot: the position of its latest use, as far as the log is settled. */
  #latest = new Uint32Array(0);
  /** By position: the slot that was used. */
  #log = new Uint32Array(FIRST_LENGTH);
  /** No item before this position counts. */
  #head = 0;
  #end = 0;
  /** Items from this position on are not in `#latest` yet. */
  #settled = 0;
  /** Items that left the log in compactions. */
  #compacted = 0;

  /** How many uses there were; a count that costs the uses nothing. */
  get uses(): number {
    return this.#compacted + this.#end;
  }

  /** Makes the slots below `slots` known. */
  reserve(slots: number): void {
    const latest = new Uint32Array(slots).fill(NOWHERE);
    latest.set(this.#latest);
    this.#latest = latest;
  }

  /** The slot is now the most recently used. */
  use(slot: number): void {
    const end = this.#end;
    const log = this.#log;
    if (end === log.length) {
      this.#compact();
      this.use(slot);
    } else {
      log[end] = slot;
      this.#end = end + 1;
    }
  }

  /** Takes the slot out of the order. */
  remove(slot: number): void {
    this.#settle();
    this.#latest[slot] = NOWHERE;
  }

  /** Takes the least recently used slot out of the order; there must be one. */
  removeOldest(): number {
    this.#settle();
    const log = this.#log;
    const latest = this.#latest;
    let head = this.#head;
    while (latest[log[head]!] !== head) head++;
    this.#head = head + 1;
    const slot = log[head]!;
    latest[slot] = NOWHERE;
    return slot;
  }

  /** The slots from the least recently used on; they must not be used meanwhile. */
  *slots(): Generator<number, void, undefined> {
    this.#settle();
    for (let position = this.#head; position < this.#end; position++) {
      const slot = this.#log[position]!;
      if (this.#latest[slot] === position) yield slot;
    }
  }

  #settle(): void {
    const log = this.#log;
    const latest = this.#latest;
    const end = this.#end;
    for (let position = this.#settled; position < end; position++) latest[log[position]!] = position;
    this.#settled = end;
  }

  #compact(): void {
    this.#settle();
    const log = this.#log;
    const latest = this.#latest;
    const end = this.#end;
    let to = 0;
    for (let position = this.#head; position < end; position++) {
      const slot = log[position]!;
      const difference = latest[slot]! ^ position;
      log[to] = slot;
      // One further where there is no difference: in arithmetic, for no processor can foresee a branch on it.
      to += 1 + ((difference | (0 - difference)) >> 31);
    }
    this.#compacted += end - to;
    this.#head = 0;
    this.#end = to;
    this.#settled = 0;
    this.#settle();
    if (to > log.length * FULLEST) {
      this.#log = new Uint32Array(log.length * 2);
      this.#log.set(log.subarray(0, to));
    }
  }
}
