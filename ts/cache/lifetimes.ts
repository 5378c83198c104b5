/**
 * How long the entries in numbered slots live, for the stores that hold them. A slot is fresh until it expires; it leaves then, or is kept
 * for stale answers for a while and leaves after that.
 */
import type { Clock } from './clock';
import { ExpiryQueue } from './expiry-queue';

/** The times of slots: whole numbers from 0 up, of which `reserve` makes the first ones known. They begin as slots that live for ever. */
export class Lifetimes {
  readonly #words: Float64Array;
  readonly #wake: () => number;
  readonly #queue = new ExpiryQueue();
  /** By slot: when it expires. */
  #expires: Float64Array = new Float64Array(0);
  /** By slot: when it leaves. Made for the first slot that outlives its expiry; without it, slots leave when they expire. */
  #leaves: Float64Array | undefined;
  /** By slot: 1 where it counts as stale. */
  #isStale: Uint8Array | undefined;
  /** By slot: how long it lives from each use on. There only where uses count. */
  #ages: Float64Array | undefined;
  #stale = 0;

  /** @param sliding a use lets a slot live as long again as when it was written */
  constructor(clock: Clock, sliding: boolean) {
    this.#words = clock.words;
    this.#wake = clock.wake;
    if (sliding) this.#ages = new Float64Array(0);
  }

  /** The time. */
  now(): number {
    const time = this.#words[0]!;
    return time === 0 ? this.#wake() : time;
  }

  /** How many slots have expired and are kept, as far as `takeDue` has come. */
  get stale(): number {
    return this.#stale;
  }

  /** No slot is due before this time; `Infinity`: none ever is. */
  get earliest(): number {
    return this.#queue.earliest;
  }

  /** Makes the slots below `slots` known. */
  reserve(slots: number): void {
    this.#queue.reserve(slots);
    this.#expires = extended(this.#expires, slots, Infinity);
    if (this.#ages !== undefined) this.#ages = extended(this.#ages, slots, Infinity);
    if (this.#leaves === undefined) return;
    this.#leaves = extended(this.#leaves, slots, Infinity);
    const isStale = new Uint8Array(slots);
    isStale.set(this.#isStale!);
    this.#isStale = isStale;
  }

  /** Starts the life of a slot: it expires `ttl` milliseconds after `now` and is kept for `stale` more. */
  start(slot: number, now: number, ttl: number, stale: number): void {
    this.#setStale(slot, false);
    const expires = now + ttl;
    this.#expires[slot] = expires;
    if (this.#ages !== undefined) this.#ages[slot] = ttl;
    if (stale > 0) this.#keepStale();
    if (this.#leaves !== undefined) this.#leaves[slot] = expires + stale;
    if (expires !== Infinity) this.#queue.add(slot, expires);
  }

  /** Ends the life of a slot: it lives for ever again. */
  end(slot: number): void {
    this.#setStale(slot, false);
    this.#expires[slot] = Infinity;
    if (this.#leaves !== undefined) this.#leaves[slot] = Infinity;
  }

  isFresh(slot: number): boolean {
    return this.#expires[slot]! > this.now();
  }

  /** Uses a slot. @returns whether it is fresh */
  use(slot: number): boolean {
    const now = this.now();
    // Where no slot is due, and none is kept after it was, the slot's own time need not be read.
    if ((now >= this.#queue.earliest || this.#stale > 0) && this.#expires[slot]! <= now) return false;
    if (this.#ages !== undefined) this.#slide(slot, now);
    return true;
  }

  /** Milliseconds until a slot expires, negative where it has. */
  remaining(slot: number): number {
    return this.#expires[slot]! - this.now();
  }

  /** How long a slot is kept after its expiry. */
  staleTime(slot: number): number {
    if (this.#leaves === undefined || this.#expires[slot] === Infinity) return 0;
    return this.#leaves[slot]! - this.#expires[slot]!;
  }

  /** Whether a slot has expired and is not kept any longer. */
  isOver(slot: number): boolean {
    return this.#leaving(slot) <= this.now();
  }

  /** The next slot that has to leave by `now`; -1: none. It counts as due once. */
  takeDue(now: number): number {
    const queue = this.#queue;
    while (queue.earliest <= now) {
      const slot = queue.first;
      const leaves = this.#leaving(slot);
      if (leaves <= now) {
        queue.removeFirst();
        return slot;
      }
      const expired = this.#expires[slot]! <= now;
      if (expired) this.#setStale(slot, true);
      const next = expired ? leaves : this.#expires[slot]!;
      if (next === Infinity) queue.removeFirst();
      else queue.postponeFirst(next);
    }
    return -1;
  }

  #leaving(slot: number): number {
    return (this.#leaves ?? this.#expires)[slot]!;
  }

  #slide(slot: number, now: number): void {
    const expires = now + this.#ages![slot]!;
    if (this.#leaves !== undefined) this.#leaves[slot]! += expires - this.#expires[slot]!;
    this.#expires[slot] = expires;
  }

  #keepStale(): void {
    this.#leaves ??= this.#expires.slice();
    this.#isStale ??= new Uint8Array(this.#expires.length);
  }

  #setStale(slot: number, stale: boolean): void {
    if (this.#isStale === undefined || (this.#isStale[slot] === 1) === stale) return;
    this.#isStale[slot] = stale ? 1 : 0;
    this.#stale += stale ? 1 : -1;
  }
}

function extended(from: Float64Array, slots: number, filler: number): Float64Array {
  const to = new Float64Array(slots).fill(filler);
  to.set(from);
  return to;
}
