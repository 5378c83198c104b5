/**
 * What an isolate has decoded of a shared cache: each value with the slot that it came from and the version that the slot had. As long as the
 * slot's version word is the same, the value is the cache's, and a hit is answered here without a call.
 *
 * Each value has a number; what a hit looks at stands in two words of `meta`, side by side: objects in their place would be spread over
 * more memory than the processor's cache holds. The first word says where the slot's own words are and in which state the value is, the second is the
 * version:
 *
 *     31 ............ 12  11 ............ 2  1       0
 *     number of segment   slot in segment    mortal  used since the hand came by
 *
 * Bounded in number and in bytes by CLOCK (F. J. Corbató, "A Paging Experiment with the Multics System", 1968): a hand goes round, values that
 * were used since it came by stay for another round.
 */

/** The states of a value, in the lowest bits of its first word. */
export const State = { used: 1, mortal: 2 } as const;
/** Where the number of the segment begins in the first word. */
export const SEGMENT_SHIFT = 12;
/** Slots in segments of higher numbers cannot be named here: more than 2^30 entries. */
export const MOST_SEGMENTS = 1 << (32 - SEGMENT_SHIFT);
/** The first word, shifted right by one and masked with this, is the index of the version word in the segment: slots have two words. */
export const AT_MASK = 0x7fe;

const WORDS = 2;
const FIRST = 64;

/** A value on the way in. */
export interface Decoded<K, V> {
  key: K;
  value: V;
  /** The number of its segment, and the index of the version word in it; the stamp follows. */
  segment: number;
  at: number;
  version: number;
  /** By the clock of the core; `Infinity`: never. */
  expires: number;
  /** Bytes of the encoded value. */
  bytes: number;
}

/** Hits read the public fields; `values` by half an index. */
export class DecodedValues<K, V> {
  /** By key: index of the first word in `meta`. */
  readonly indices = new Map<K, number>();
  meta = new Uint32Array(FIRST * WORDS);
  readonly values: (V | undefined)[] = [];
  readonly #keys: (K | undefined)[] = [];
  #expires = new Float64Array(FIRST);
  #sizes = new Float64Array(FIRST);
  #bytes = 0;
  #hand = 0;

  constructor(
    private readonly mostEntries: number,
    private readonly mostBytes: number,
  ) {}

  /** When a value expires, by the index of its first word. */
  expires(index: number): number {
    return this.#expires[index / WORDS]!;
  }

  /** The index of the value of a key, if it was decoded from this version of this slot. */
  find(key: K, segment: number, at: number, version: number): number | undefined {
    const index = this.indices.get(key);
    if (index === undefined || this.meta[index + 1] !== version) return undefined;
    const place = this.meta[index]!;
    return place >>> SEGMENT_SHIFT === segment && ((place >>> 1) & AT_MASK) === at ? index : undefined;
  }

  /** Uses a value, by the index of its first word. */
  use(index: number): V | undefined {
    this.meta[index]! |= State.used;
    return this.values[index / WORDS];
  }

  /** Keeps a value; not one that alone is too large. */
  add(decoded: Decoded<K, V>): void {
    const { key, bytes } = decoded;
    const known = this.indices.get(key);
    if (bytes > this.mostBytes || this.mostEntries === 0) {
      if (known !== undefined) this.#empty(known / WORDS);
      return;
    }
    this.#write(known === undefined ? this.#place() : known / WORDS, decoded);
    while (this.#bytes > this.mostBytes) this.#empty(this.#nextUnused());
  }

  clear(): void {
    this.indices.clear();
    this.values.length = 0;
    this.#keys.length = 0;
    this.#bytes = 0;
    this.#hand = 0;
  }

  /** A number for one more value. */
  #place(): number {
    const { length } = this.values;
    if (length === this.mostEntries) {
      const place = this.#nextUnused();
      this.#empty(place);
      return place;
    }
    if (length === this.#sizes.length) this.#grow(Math.min(2 * length, this.mostEntries));
    this.values.push(undefined);
    this.#keys.push(undefined);
    this.#sizes[length] = 0;
    return length;
  }

  #write(place: number, { key, value, segment, at, version, expires, bytes }: Decoded<K, V>): void {
    const index = place * WORDS;
    this.meta[index] = (segment << SEGMENT_SHIFT) | (at << 1) | (expires === Infinity ? 0 : State.mortal);
    this.meta[index + 1] = version;
    this.values[place] = value;
    this.#keys[place] = key;
    this.#expires[place] = expires;
    this.#bytes += bytes - this.#sizes[place]!;
    this.#sizes[place] = bytes;
    this.indices.set(key, index);
  }

  #grow(places: number): void {
    const { meta } = this;
    this.meta = new Uint32Array(places * WORDS);
    this.meta.set(meta);
    this.#expires = grown(this.#expires, places);
    this.#sizes = grown(this.#sizes, places);
  }

  /** Moves the hand to the next value that was not used, past it, and returns its number. */
  #nextUnused(): number {
    const { meta } = this;
    for (;;) {
      const place = this.#hand;
      this.#hand = place + 1 === this.values.length ? 0 : place + 1;
      const index = place * WORDS;
      if ((meta[index]! & State.used) === 0) return place;
      meta[index]! &= ~State.used;
    }
  }

  /** Lets a value go and keeps its number. */
  #empty(place: number): void {
    // The number of one that was emptied before may be under no key, or its key under another number.
    const key = this.#keys[place] as K;
    if (this.indices.get(key) === place * WORDS) this.indices.delete(key);
    this.#keys[place] = undefined;
    this.values[place] = undefined;
    this.#bytes -= this.#sizes[place]!;
    this.#sizes[place] = 0;
    this.meta[place * WORDS]! &= ~State.used;
  }
}

function grown(from: Float64Array<ArrayBuffer>, places: number): Float64Array<ArrayBuffer> {
  const to = new Float64Array(places);
  to.set(from);
  return to;
}
