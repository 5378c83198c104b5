/**
 * The entries of a shared cache, seen from one isolate. The engine's `cache/` holds them, outside of V8's heap; the door is `src/cache.rs`.
 *
 * A lookup of what this isolate has decoded before is answered here: the version word of the slot, in memory that the engine writes, says whether the
 * value is still the cache's. The hit is stamped into the word beside it, where the engine finds it when it looks for what has to leave.
 */
import { align8 } from '../bridge/allocate';
import { type Bridge, type Channel, type FrameView, getBridge, RecordKind } from '../bridge/bridge';
import { readFrame, readValue } from '../bridge/frame';
import { crossing } from '../bridge/native';
import { Failure } from '../bridge/payload';
import { NoizylabError } from '../errors';
import { coreClock } from './clock';
import { AT_MASK, DecodedValues, MOST_SEGMENTS, SEGMENT_SHIFT, State } from './decoded-values';
import type { LRUCacheConfig } from './options';
import type { Store, StoredEntry, StoreStats } from './store';
import { Sweeper } from './sweeper';
import { fromError, toError } from './thrown';
import { encodeKey, encodeValue, giveBack, keys, takeWriter } from './wire-entry';
import { readKey } from './wire-key';

/** How to look; the numbers stand in `src/cache.rs`. */
const Look = { use: 0, peek: 1, stale: 2 } as const;
/** What has become of a missing key; the numbers stand in the engine's `cache/flights.rs`. */
const TAKE_OVER = 1;
const POLICIES = ['lru', 'tinylfu'] as const;
/** The last tick that a stamp can hold; the lower bits of a stamp count hits. */
const TICKS = 0xff_ffff;
const HITS = 0xff;
const ITEM_HEADER = 32;
// Constants of this module: those of another one would be looked up at every hit.
const { used: USED, mortal: MORTAL } = State;
const AT = AT_MASK;
const SHIFT = SEGMENT_SHIFT;
const SMALL = 64 * 1024;

/** A computation of a value that all isolates wait for. */
export interface Computation<K, V> {
  readonly key: K;
  readonly compute: () => V | PromiseLike<V>;
  readonly ttl: number;
  readonly stale: number;
  /** The value answers, but was too large to be kept. */
  readonly tooLarge: () => void;
}

interface Waiting<K, V> extends Computation<K, V> {
  resolve(value: V | PromiseLike<V>): void;
  reject(error: unknown): void;
}

/** What was asked for, in words that `getStats` shows. */
export interface SharedBounds {
  readonly maxSize: number;
  readonly maxBytes: number;
}

/** One store's hold on the engine's cache ends with it. */
const collected = new FinalizationRegistry<{ bridge: Bridge; handle: number }>(({ bridge, handle }) => {
  bridge.close(handle);
  bridge.native.cacheClose(handle);
});

/** The store of a shared cache. */
export class SharedStore<K, V> implements Store<K, V>, Channel {
  readonly bounds: SharedBounds;
  readonly #bridge = getBridge();
  readonly #handle: number;
  readonly #decoded: DecodedValues<K, V>;
  /** What hits are stamped with, and where they are counted; both absent where V8 refuses foreign memory: then every lookup crosses. */
  readonly #tick: Uint32Array | undefined;
  readonly #hits: Float64Array | undefined;
  /** The words of slots, by the number of their segment. */
  readonly #segments: (Uint32Array | undefined)[] = [];
  #into = Buffer.allocUnsafeSlow(SMALL);
  /** Segment, index of the version, version, tag, expires, leaves. */
  readonly #reply = new Float64Array(6);
  readonly #clock = coreClock();
  readonly #sweeper = new Sweeper(this);
  readonly #waiting = new Map<number, Waiting<K, V>>();
  #lastTicket = 0;

  /** @throws NoizylabError `ERR_CACHE_MISMATCH`: a cache of this name has other bounds */
  constructor(config: LRUCacheConfig<K, V>) {
    const { native, load } = this.#bridge;
    const { maxSize, maxBytes, maxEntryBytes, policy, decodedEntries } = config;
    this.#handle = crossing(() =>
      native.cacheOpen(
        load,
        config.name!,
        maxSize,
        maxBytes,
        maxEntryBytes,
        POLICIES.indexOf(policy),
        config.bounded,
      ),
    );
    const [entries, bytes] = native.cacheBounds(this.#handle)!;
    this.bounds = { maxSize: entries!, maxBytes: bytes! };
    const tick = native.cacheTick(this.#handle);
    const hits = native.cacheHits(this.#handle);
    if (tick !== undefined && hits !== undefined) {
      this.#tick = new Uint32Array(tick);
      this.#hits = new Float64Array(hits);
    }
    this.#decoded = new DecodedValues(decodedEntries, bytes!);
    this.#bridge.open(this.#handle, this);
    collected.register(this, { bridge: this.#bridge, handle: this.#handle });
  }

  lookup<M>(key: K, missing: M): V | M {
    const decoded = this.#decoded;
    const index = decoded.indices.get(key);
    if (index !== undefined) {
      const { meta } = decoded;
      const place = meta[index]!;
      const words = this.#segments[place >>> SHIFT]!;
      const at = (place >>> 1) & AT;
      // Another thread writes it. V8 does not move the load out of a caller's loop, for there is a lookup in a map before it; `Atomics.load`
      // would be a promise, and makes a hit half as fast again.
      if (words[at] === meta[index + 1] && ((place & (USED | MORTAL)) === USED || this.#isFresh(index))) {
        const stamp = words[at + 1]!;
        const tick = this.#tick![0]! & TICKS;
        if (stamp >>> 8 !== tick) {
          const hits = stamp & HITS;
          words[at + 1] = (tick << 8) | (hits === HITS ? HITS : hits + 1);
        }
        this.#hits![0]!++;
        return decoded.values[index >>> 1] as V;
      }
    }
    return this.#fetch(key, missing, Look.use);
  }

  peek<M>(key: K, missing: M): V | M {
    return this.#fetch(key, missing, Look.peek);
  }

  stale<M>(key: K, missing: M, within: number): V | M {
    const value = this.#fetch(key, missing, Look.stale);
    return this.#reply[4]! + within > this.#now() ? value : missing;
  }

  set(key: K, value: V, ttl: number, stale: number): void {
    const { native } = this.#bridge;
    const writer = takeWriter();
    try {
      const keyLength = encodeKey(writer, key);
      const tag = encodeValue(writer, value);
      const { bytes, length } = writer;
      crossing(() => native.cacheSet(this.#handle, bytes, keyLength, length - keyLength, tag, ttl, stale));
    } finally {
      giveBack(writer);
    }
    this.#sweepAfter(ttl + stale);
  }

  has(key: K): boolean {
    return this.#isThere(key);
  }

  delete(key: K): boolean {
    const length = encodeKey(keys, key);
    return this.#bridge.native.cacheDelete(this.#handle, keys.bytes, length);
  }

  clear(): void {
    this.#decoded.clear();
    this.#bridge.native.cacheClear(this.#handle);
  }

  get size(): number {
    return this.#figures()[0]!;
  }

  get bytes(): number {
    return this.#figures()[1]!;
  }

  *keys(): IterableIterator<K> {
    for (const { key } of this.#items(false)) yield key;
  }

  *entries(): IterableIterator<[K, V]> {
    for (const { key, value } of this.#items(true)) yield [key, value];
  }

  remaining(key: K): number | undefined {
    if (!this.#isThere(key)) return undefined;
    return this.#reply[4]! - this.#now();
  }

  dump(): StoredEntry<K, V>[] {
    return [...this.#items(true, true)]
      .toSorted((one, other) => other.age - one.age)
      .map(({ key, value, expires, leaves }) => ({
        key,
        value,
        remaining: expires - this.#now(),
        stale: expires === Infinity ? 0 : leaves - expires,
      }));
  }

  stats(): StoreStats {
    const [, , hits, misses, sets, evictions, expirations] = this.#figures();
    return {
      hits: hits!,
      misses: misses!,
      sets: sets!,
      evictions: evictions!,
      expirations: expirations!,
    };
  }

  /** Lets go of what is held in this isolate. The cache and its entries stay. */
  close(): void {
    this.#decoded.clear();
    this.#segments.length = 0;
    this.#sweeper.stop();
  }

  /** Computes a missing value, once for all isolates that ask for it meanwhile. If the one that computes ends, another one takes over. */
  computeOnce(computation: Computation<K, V>): Promise<V> {
    const ticket = ++this.#lastTicket;
    const { native, load } = this.#bridge;
    const length = encodeKey(keys, computation.key);
    if (native.cacheBegin(load, this.#handle, ticket, keys.bytes, length))
      return this.#computeFor(ticket, computation);
    return new Promise((resolve, reject) => {
      this.#waiting.set(ticket, { ...computation, resolve, reject });
      this.#bridge.retain(this);
    });
  }

  record(kind: number, ticket: number, outcome: number, _count: number, frame: FrameView): void {
    const waiting = this.#waiting.get(ticket);
    if (kind !== RecordKind.flight || waiting === undefined) return;
    this.#waiting.delete(ticket);
    this.#bridge.release(this);
    if (outcome === TAKE_OVER) {
      waiting.resolve(this.#computeFor(ticket, waiting));
      return;
    }
    readFrame(frame, undefined, (value) => {
      if (value instanceof Failure) waiting.reject(fromError(value.error));
      else waiting.resolve(value as V);
    });
  }

  /** Lets what is due leave; called by the timer. */
  sweep(): void {
    this.#sweeper.stop();
    const next = this.#bridge.native.cacheExpire(this.#handle);
    if (next !== null) this.#sweeper.wakeAt(next, this.#now());
  }

  async #computeFor(ticket: number, computation: Computation<K, V>): Promise<V> {
    const { key, compute, ttl, stale, tooLarge } = computation;
    // Another isolate may have stored it between the lookup and the question.
    const there = this.#fetch<typeof NOTHING>(key, NOTHING, Look.peek);
    if (there !== NOTHING) {
      this.#land(ticket, key, there, 0, 0, false);
      return there;
    }
    let value: V;
    try {
      value = await compute();
    } catch (error) {
      this.#land(ticket, key, new Failure(toError(error)), 0, 0, false);
      throw error;
    }
    try {
      this.#land(ticket, key, value, ttl, stale, true);
      this.#sweepAfter(ttl + stale);
    } catch (error) {
      if (!(error instanceof NoizylabError && NOT_KEPT.has(error.code))) throw error;
      if (error.code === 'ERR_CACHE_ENTRY_TOO_LARGE') tooLarge();
    }
    return value;
  }

  /** Tells the others of a value or a failure, and stores it if `keep`. */
  #land(ticket: number, key: K, value: V | Failure, ttl: number, stale: number, keep: boolean): void {
    const { native, load } = this.#bridge;
    let failure: unknown;
    const writer = takeWriter();
    try {
      const keyLength = encodeKey(writer, key);
      let tag: number;
      try {
        tag = encodeValue(writer, value);
      } catch (error) {
        // The others must not wait for what cannot reach them.
        failure = error;
        tag = encodeValue(writer, new Failure(error as Error));
      }
      const { bytes, length } = writer;
      const size = length - keyLength;
      const stored = keep && failure === undefined;
      crossing(() =>
        native.cacheLand(load, this.#handle, ticket, bytes, keyLength, size, tag, ttl, stale, stored),
      );
    } finally {
      giveBack(writer);
    }
    if (failure !== undefined) throw failure;
  }

  #fetch<M>(key: K, missing: M, look: number): V | M {
    const length = this.#find(key, look);
    if (length < 0) return missing;
    const reply = this.#reply;
    if (look === Look.use && this.#tick === undefined) {
      const known = this.#decoded.find(key, reply[0]!, reply[1]!, reply[2]!);
      if (known !== undefined) return this.#decoded.use(known) as V;
    }
    const tag = reply[3]!;
    const value = readValue(tag, this.#into, 0, length, undefined) as V;
    if (this.#into.length > 16 * SMALL) this.#into = Buffer.allocUnsafeSlow(SMALL);
    if (look === Look.use) this.#remember(key, value, length);
    return value;
  }

  /** Uses a value; whether it has not expired. */
  #isFresh(index: number): boolean {
    const { meta } = this.#decoded;
    meta[index]! |= USED;
    return (meta[index]! & MORTAL) === 0 || this.#decoded.expires(index) > this.#now();
  }

  /** Length of the value, which is in `#into` then; -1: there is none. */
  #find(key: K, look: number): number {
    const keyLength = encodeKey(keys, key);
    const { native } = this.#bridge;
    const { bytes } = keys;
    let length = native.cacheGet(this.#handle, bytes, keyLength, look, this.#into, this.#reply);
    while (length > this.#into.length) {
      this.#into = Buffer.allocUnsafeSlow(length);
      // It was counted the first time.
      const again = look === Look.use ? Look.peek : look;
      length = native.cacheGet(this.#handle, bytes, keyLength, again, this.#into, this.#reply);
    }
    return length;
  }

  /** Whether there is an entry; its times are in `#reply` then. */
  #isThere(key: K): boolean {
    const length = encodeKey(keys, key);
    return (
      this.#bridge.native.cacheGet(this.#handle, keys.bytes, length, Look.peek, NOWHERE, this.#reply) >= 0
    );
  }

  #remember(key: K, value: V, bytes: number): void {
    const [segment, at, version, , expires] = this.#reply;
    if (segment! >= MOST_SEGMENTS) return;
    if (this.#segments[segment!] === undefined) this.#mapSegment(segment!);
    this.#decoded.add({
      key,
      value,
      segment: segment!,
      at: at!,
      version: version!,
      expires: expires!,
      bytes,
    });
  }

  #mapSegment(number: number): void {
    const memory = this.#bridge.native.cacheSegment(this.#handle, number);
    while (this.#segments.length < number) this.#segments.push(undefined);
    // Where it cannot be mapped there is no word, so that no version is the one of a decoded value, and the lookup crosses.
    this.#segments[number] = memory === undefined ? new Uint32Array(0) : new Uint32Array(memory);
  }

  *#items(
    withValues: boolean,
    withExpired = false,
  ): Generator<{ key: K; value: V; age: number; expires: number; leaves: number }> {
    for (let cursor = 0; cursor >= 0;) {
      const from = cursor;
      const page = crossing(() =>
        this.#bridge.native.cachePage(this.#handle, from, withValues, withExpired)!,
      );
      const bytes = Buffer.from(page.buffer, page.byteOffset, page.length);
      cursor = bytes.readDoubleLE(0);
      for (let at = 8; at < bytes.length;) {
        const start = at + ITEM_HEADER;
        const middle = start + bytes.readUInt32LE(at);
        const end = middle + bytes.readUInt32LE(at + 4);
        yield {
          key: readKey(bytes, start, middle) as K,
          value: (withValues
            ? readValue(bytes.readUInt32LE(at + 8), bytes, middle, end, undefined)
            : undefined) as V,
          age: bytes.readUInt32LE(at + 12),
          expires: bytes.readDoubleLE(at + 16),
          leaves: bytes.readDoubleLE(at + 24),
        };
        at = align8(end);
      }
    }
  }

  #sweepAfter(milliseconds: number): void {
    if (milliseconds === Infinity) return;
    const now = this.#now();
    this.#sweeper.wakeAt(now + milliseconds, now);
  }

  #figures(): number[] {
    return this.#bridge.native.cacheStats(this.#handle)!;
  }

  #now(): number {
    const time = this.#clock.words[0]!;
    return time === 0 ? this.#clock.wake() : time;
  }
}

/** Takes the cache of a name out of the process; whether there was one. */
export function destroyShared(name: string): boolean {
  return getBridge().native.cacheDestroy(name);
}

/** Why a computed value answers those who wait and is not kept. */
const NOT_KEPT: ReadonlySet<string> = new Set([
  'ERR_CACHE_ENTRY_TOO_LARGE',
  'ERR_CORE_OUT_OF_MEMORY',
  'ERR_CACHE_DESTROYED',
]);
/** What stands for no value here. */
const NOTHING = Symbol('nothing');
/** Room for no value. */
const NOWHERE = Buffer.alloc(0);
