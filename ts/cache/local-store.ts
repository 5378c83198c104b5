/**
 * The entries of a cache of one isolate: an exact LRU, any keys and values, by identity.
 *
 * Each entry has a slot, a small whole number: a `Map` finds it, arrays hold key and value, a `RecencyLog` the order of use, `Lifetimes`
 * the times. A hit is one lookup in the map, two words written and one value read. Nothing is allocated for `maxSize` in advance, and what
 * only some caches need (times, sizes) is made when the first entry needs it.
 */
import { NoizylabError } from '../errors';
import type { Clock } from './clock';
import { Lifetimes } from './lifetimes';
import { RecencyLog } from './recency-log';
import type { Store, StoreStats, StoredEntry } from './store';
import { Sweeper } from './sweeper';
import type { EvictionReason } from './types';

const FIRST_SLOTS = 16;
/** Entries that leave in one sweep by the timer, so that it does not hold up the event loop. */
const SWEEP = 10_000;
/** Expired entries that leave when a write needs room for one. */
const SOME = 16;

/** Who wants to know which entries leave. */
export interface Leavings<K, V> {
  /** Whether anyone does. */
  readonly wanted: boolean;
  /** Called when the store is in order again; must not throw. */
  tell(key: K, value: V, reason: EvictionReason): void;
}

/** What a store is made with. */
export interface LocalStoreOptions<K, V> {
  maxSize: number;
  maxBytes: number;
  maxEntryBytes: number;
  /** Bytes of an entry; without it, none are counted. */
  weigh: ((value: V, key: K) => number) | undefined;
  /** Asked for with the first entry that has a time. */
  clock: () => Clock;
  /** Whether a timer takes out what expires; without it, expired entries leave when the store is used. */
  timer: boolean;
  sliding: boolean;
  leavings: Leavings<K, V>;
}

/** The store of an unshared cache. */
export class LocalStore<K, V> implements Store<K, V> {
  readonly #options: LocalStoreOptions<K, V>;
  readonly #maxSize: number;
  readonly #weigh: ((value: V, key: K) => number) | undefined;
  readonly #sweeper: Sweeper | undefined;
  #slots = new Map<K, number>();
  /** By slot; `undefined` where the slot is free. */
  #keys: (K | undefined)[] = [];
  #values: (V | undefined)[] = [];
  #order = new RecencyLog();
  #lives: Lifetimes | undefined;
  /** By slot; there only where bytes are counted. */
  #sizes: Float64Array | undefined;
  #free: number[] = [];
  /** Slots that the typed arrays have room for. */
  #reserved = 0;
  #bytes = 0;
  /** Uses in orders that were given up by `clear`. */
  #uses = 0;
  #misses = 0;
  #sets = 0;
  #evictions = 0;
  #expirations = 0;
  /** What left in the current call and is still to be told. */
  #left: [key: K, value: V, reason: EvictionReason][] = [];

  constructor(options: LocalStoreOptions<K, V>) {
    this.#options = options;
    this.#maxSize = options.maxSize;
    this.#weigh = options.weigh;
    if (options.weigh !== undefined) this.#sizes = new Float64Array(0);
    if (options.timer) this.#sweeper = new Sweeper(this);
  }

  lookup<M>(key: K, missing: M): V | M {
    const slot = this.#slots.get(key);
    if (slot !== undefined) {
      const lives = this.#lives;
      if (lives === undefined || lives.use(slot)) {
        this.#order.use(slot);
        return this.#values[slot] as V;
      }
      this.#dropExpired(slot, lives);
    }
    this.#misses++;
    return missing;
  }

  peek<M>(key: K, missing: M): V | M {
    const slot = this.#fresh(key);
    return slot === undefined ? missing : (this.#values[slot] as V);
  }

  stale<M>(key: K, missing: M, within: number): V | M {
    const slot = this.#slots.get(key);
    if (slot === undefined) return missing;
    if (this.#lives !== undefined && this.#lives.remaining(slot) + within <= 0) return missing;
    return this.#values[slot] as V;
  }

  set(key: K, value: V, ttl: number, stale: number): void {
    const size = this.#weigh === undefined ? 0 : this.#weighed(this.#weigh, value, key);
    if (ttl !== Infinity) this.#lives ??= this.#makeLives();
    const lives = this.#lives;
    // What may throw, a user's clock too, comes before the first change.
    const now = lives === undefined ? 0 : lives.now();
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = this.#slots.size < this.#maxSize ? this.#freeSlot() : this.#evictedSlot();
      this.#slots.set(key, slot);
      this.#keys[slot] = key;
    }
    this.#values[slot] = value;
    this.#sets++;
    this.#order.use(slot);
    if (lives !== undefined) {
      lives.start(slot, now, ttl, stale);
      this.#sweeper?.wakeAt(lives.earliest, now);
    }
    if (this.#sizes !== undefined) this.#resize(this.#sizes, slot, size);
    this.#tell();
  }

  has(key: K): boolean {
    return this.#fresh(key) !== undefined;
  }

  delete(key: K): boolean {
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    const was = this.#lives === undefined || this.#lives.isFresh(slot);
    this.#order.remove(slot);
    this.#release(slot, key);
    return was;
  }

  clear(): void {
    this.#sweeper?.stop();
    this.#uses += this.#order.uses;
    this.#slots = new Map();
    this.#keys = [];
    this.#values = [];
    this.#order = new RecencyLog();
    this.#lives = undefined;
    if (this.#sizes !== undefined) this.#sizes = new Float64Array(0);
    this.#free = [];
    this.#reserved = 0;
    this.#bytes = 0;
  }

  get size(): number {
    if (this.#lives === undefined) return this.#slots.size;
    this.#settle(this.#lives);
    return this.#slots.size - this.#lives.stale;
  }

  get bytes(): number {
    if (this.#lives !== undefined) this.#settle(this.#lives);
    return this.#bytes;
  }

  *keys(): Generator<K, undefined> {
    for (const [key] of this.entries()) yield key;
  }

  /** The keys in the order in which they came in; one that is set again keeps its place. */
  inserted(): K[] {
    return [...this.#slots.keys()].filter((key) => this.#fresh(key) !== undefined);
  }

  *entries(): Generator<[K, V], undefined> {
    const keys = Array.from(this.#order.slots(), (slot) => this.#keys[slot] as K);
    while (keys.length > 0) {
      const key = keys.pop() as K;
      const slot = this.#fresh(key);
      if (slot !== undefined) yield [key, this.#values[slot] as V];
    }
  }

  remaining(key: K): number | undefined {
    const slot = this.#slots.get(key);
    if (slot === undefined) return undefined;
    const remaining = this.#lives?.remaining(slot) ?? Infinity;
    return remaining > 0 ? remaining : undefined;
  }

  dump(): StoredEntry<K, V>[] {
    const lives = this.#lives;
    if (lives !== undefined) this.#settle(lives);
    return Array.from(this.#order.slots(), (slot) => ({
      key: this.#keys[slot] as K,
      value: this.#values[slot] as V,
      remaining: lives?.remaining(slot) ?? Infinity,
      stale: lives?.staleTime(slot) ?? 0,
    }));
  }

  stats(): StoreStats {
    return {
      // Each write and each hit uses a slot, and nothing else does.
      hits: this.#uses + this.#order.uses - this.#sets,
      misses: this.#misses,
      sets: this.#sets,
      evictions: this.#evictions,
      expirations: this.#expirations,
    };
  }

  close(): void {
    this.clear();
  }

  /** Takes out what is due; for the timer. */
  sweep(): void {
    const lives = this.#lives;
    this.#sweeper?.stop();
    if (lives === undefined) return;
    this.#dropDue(lives, SWEEP);
    this.#sweeper?.wakeAt(lives.earliest, lives.now());
    this.#tell();
  }

  /** The slot of a key that is there and fresh. */
  #fresh(key: K): number | undefined {
    const slot = this.#slots.get(key);
    return slot === undefined || this.#lives === undefined || this.#lives.isFresh(slot) ? slot : undefined;
  }

  #freeSlot(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const slot = this.#keys.length;
    if (slot === this.#reserved) this.#reserve(Math.min(Math.max(FIRST_SLOTS, slot * 2), this.#maxSize));
    // `undefined` first: an array that began with numbers would hold them in a form that is slower to read.
    this.#keys.push(undefined);
    this.#values.push(undefined);
    return slot;
  }

  #reserve(slots: number): void {
    this.#reserved = slots;
    this.#order.reserve(slots);
    this.#lives?.reserve(slots);
    if (this.#sizes === undefined) return;
    const sizes = new Float64Array(slots);
    sizes.set(this.#sizes);
    this.#sizes = sizes;
  }

  #makeLives(): Lifetimes {
    const lives = new Lifetimes(this.#options.clock(), this.#options.sliding);
    lives.reserve(this.#reserved);
    return lives;
  }

  #weighed(weigh: (value: V, key: K) => number, value: V, key: K): number {
    const size = weigh(value, key);
    const { maxEntryBytes } = this.#options;
    if (size <= maxEntryBytes) return size;
    throw new NoizylabError(
      'ERR_CACHE_ENTRY_TOO_LARGE',
      `the entry has ${size} bytes; the cache takes at most ${maxEntryBytes} (options maxBytes, maxEntryBytes)`,
    );
  }

  #resize(sizes: Float64Array, slot: number, size: number): void {
    this.#bytes += size - sizes[slot]!;
    sizes[slot] = size;
    // The entry itself is the most recently used and fits alone, so it stays.
    while (this.#bytes > this.#options.maxBytes) this.#makeRoom();
  }

  /**
   * The slot of an expired entry or, if there is none, of the least recently used one. What the slot holds is left to be overwritten: a
   * cache that is full does this with every new key.
   */
  #evictedSlot(): number {
    if (this.#lives !== undefined && this.#dropDue(this.#lives, SOME)) return this.#freeSlot();
    const slot = this.#order.removeOldest();
    this.#evictions++;
    this.#slots.delete(this.#noteLeaving(slot, 'size'));
    return slot;
  }

  /** Takes out expired entries or, if there are none, the least recently used one. */
  #makeRoom(): void {
    if (this.#lives !== undefined && this.#dropDue(this.#lives, SOME)) return;
    this.#evictions++;
    this.#leave(this.#order.removeOldest(), 'bytes');
  }

  #settle(lives: Lifetimes): void {
    this.#dropDue(lives, Infinity);
    this.#tell();
  }

  /** Takes out at most so many entries whose time is over. @returns whether there were any */
  #dropDue(lives: Lifetimes, most: number): boolean {
    if (lives.earliest === Infinity) return false;
    const now = lives.now();
    let dropped = 0;
    for (let slot; dropped < most && (slot = lives.takeDue(now)) !== -1; dropped++) this.#expire(slot);
    return dropped > 0;
  }

  #dropExpired(slot: number, lives: Lifetimes): void {
    if (!lives.isOver(slot)) return;
    this.#expire(slot);
    this.#tell();
  }

  #expire(slot: number): void {
    this.#expirations++;
    this.#order.remove(slot);
    this.#leave(slot, 'expired');
  }

  #leave(slot: number, reason: EvictionReason): void {
    this.#release(slot, this.#noteLeaving(slot, reason));
  }

  /** Keeps in mind what is to be told of an entry that leaves. @returns its key */
  #noteLeaving(slot: number, reason: EvictionReason): K {
    const key = this.#keys[slot] as K;
    if (this.#options.leavings.wanted) this.#left.push([key, this.#values[slot] as V, reason]);
    return key;
  }

  /** Frees a slot that is out of the order. */
  #release(slot: number, key: K): void {
    this.#slots.delete(key);
    this.#keys[slot] = undefined;
    this.#values[slot] = undefined;
    this.#lives?.end(slot);
    if (this.#sizes !== undefined) {
      this.#bytes -= this.#sizes[slot]!;
      this.#sizes[slot] = 0;
    }
    this.#free.push(slot);
  }

  /** Tells what left; the last thing that a call does, for listeners may use the cache. */
  #tell(): void {
    if (this.#left.length === 0) return;
    const left = this.#left;
    this.#left = [];
    for (const [key, value, reason] of left) this.#options.leavings.tell(key, value, reason);
  }
}
