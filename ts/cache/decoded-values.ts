/**
 * What an isolate has decoded of a shared cache: each value with the slot that it came from and the version that the slot had. As long as the
 * slot's version word is the same, the value is the cache's, and a hit is answered here without a call.
 *
 * Bounded in number and in bytes by CLOCK (F. J. Corbató, "A Paging Experiment with the Multics System", 1968): a hand goes round, values that
 * were used since it came by stay for another round.
 */

/** The states of a decoded value: the sum of what holds of it. */
export const State = { usedLately: 1, mortal: 2 } as const;

/** One decoded value. A hit looks at the first five alone: they share a line of the processor's cache. */
export interface Decoded<K, V> {
  value: V;
  /** The words of its segment: at `at` the version, after it the stamp. */
  words: Uint32Array;
  at: number;
  version: number;
  /** Whether it was used since the hand came by, and whether it expires. */
  state: number;
  readonly key: K;
  /** By the clock of the core; only of mortal ones. */
  expires: number;
  /** Bytes of the encoded value. */
  bytes: number;
}

export class DecodedValues<K, V> {
  /** Read by every hit. */
  readonly byKey: ReadonlyMap<K, Decoded<K, V>>;
  readonly #byKey = new Map<K, Decoded<K, V>>();
  /** In the order in which the hand meets them. */
  #ring: Decoded<K, V>[] = [];
  #hand = 0;
  #bytes = 0;

  constructor(
    private readonly mostEntries: number,
    private readonly mostBytes: number,
  ) {
    this.byKey = this.#byKey;
  }

  /** Keeps a value; not one that alone is too large. */
  add(decoded: Decoded<K, V>): void {
    const { key, bytes } = decoded;
    const known = this.#byKey.get(key);
    if (bytes > this.mostBytes || this.mostEntries === 0) {
      if (known !== undefined) this.#empty(known);
      return;
    }
    if (known !== undefined) {
      this.#bytes += bytes - known.bytes;
      Object.assign(known, decoded);
    } else if (this.#ring.length < this.mostEntries) {
      this.#ring.push(decoded);
      this.#byKey.set(key, decoded);
      this.#bytes += bytes;
    } else {
      const place = this.#nextUnused();
      const gone = this.#ring[place]!;
      // One that was emptied may have a successor under the same key.
      if (this.#byKey.get(gone.key) === gone) this.#byKey.delete(gone.key);
      this.#bytes += bytes - gone.bytes;
      this.#ring[place] = decoded;
      this.#byKey.set(key, decoded);
    }
    while (this.#bytes > this.mostBytes) this.#empty(this.#ring[this.#nextUnused()]!);
  }

  clear(): void {
    this.#byKey.clear();
    this.#ring = [];
    this.#hand = 0;
    this.#bytes = 0;
  }

  /** Moves the hand to the next value that was not used, past it, and returns its place. */
  #nextUnused(): number {
    for (;;) {
      const place = this.#hand;
      this.#hand = place + 1 === this.#ring.length ? 0 : place + 1;
      const decoded = this.#ring[place]!;
      if ((decoded.state & State.usedLately) === 0) return place;
      decoded.state &= ~State.usedLately;
    }
  }

  /** Lets a value go and keeps its place. */
  #empty(decoded: Decoded<K, V>): void {
    if (this.#byKey.get(decoded.key) === decoded) this.#byKey.delete(decoded.key);
    this.#bytes -= decoded.bytes;
    decoded.bytes = 0;
    decoded.value = undefined as V;
    decoded.state &= ~State.usedLately;
  }
}
