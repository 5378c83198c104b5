/**
 * The tiers of a `MultiTierCache` in their order: asks one after another, writes to all, keeps the writes of a key in order, and tells of the
 * tiers that fail.
 */
import { EVERY_KEY, KeyOrder } from './key-order';
import type { TierStats } from './multi-tier-options';
import {
  type Computed,
  type Found,
  LocalTier,
  type TierAccess,
  type TierOperation,
  type Writing,
} from './tier-access';
import { MISSING, type Missing } from './tier';

/** A value, and the tier that has it. */
export interface Hit<V> extends Found<V> {
  tier: number;
}

/** What the tiers answered to one operation, in any order. */
export interface Outcome<R> {
  results: R[];
  failures: unknown[];
}

export class TierStack<K, V> {
  readonly #tiers: readonly TierAccess<K, V>[];
  /** The tiers at the top that answer at once. */
  readonly #top: readonly LocalTier<K, V>[];
  /** Index of the first tier that other isolates have as well; -1: none. */
  readonly #shared: number;
  readonly #order = new KeyOrder<K>();
  readonly #failed: (tier: number, operation: TierOperation, error: unknown) => void;

  /** @param failed told of each failure of a tier; must not throw */
  constructor(
    tiers: readonly TierAccess<K, V>[],
    failed: (tier: number, operation: TierOperation, error: unknown) => void,
  ) {
    this.#tiers = tiers;
    const others = tiers.findIndex((tier) => !(tier instanceof LocalTier));
    this.#top = tiers.slice(0, others === -1 ? undefined : others) as LocalTier<K, V>[];
    this.#shared = tiers.findIndex((tier) => tier instanceof LocalTier && tier.isShared);
    this.#failed = failed;
  }

  /** Whether there are tiers that `lookUpAtTop` does not ask. */
  get hasMore(): boolean {
    return this.#top.length < this.#tiers.length;
  }

  /** The value in the tiers at the top, copied to those above it. It answers at once. */
  lookUpAtTop(key: K): V | Missing {
    const top = this.#top;
    for (let index = 0; index < top.length; index++) {
      const { store } = top[index]!;
      try {
        const value = store.lookup<Missing>(key, MISSING);
        if (value === MISSING) continue;
        if (index > 0) this.promote(key, { value, remaining: store.remaining(key), tier: index });
        return value;
      } catch (error) {
        this.#failed(index, 'get', error);
      }
    }
    return MISSING;
  }

  /** What the first of the other tiers has; not copied. It waits for the writes of this key that are under way. */
  async lookUpBelow(key: K): Promise<Hit<V> | undefined> {
    await this.#order.before(key);
    for (let index = this.#top.length; index < this.#tiers.length; index++) {
      try {
        const found = await this.#tiers[index]!.find(key, index > 0);
        if (found !== undefined) return { ...found, tier: index };
      } catch (error) {
        this.#failed(index, 'get', error);
      }
    }
    return undefined;
  }

  /** Copies what a tier has to those above it, for as long as it has left to live. */
  promote(key: K, hit: Hit<V>): void {
    if (hit.remaining !== undefined && !(hit.remaining > 0)) return;
    void this.apply('promote', key, (tier) => tier.promote(key, hit), 0, hit.tier);
  }

  /** Computes a value: where a tier is shared, once for all isolates. */
  async compute(
    key: K,
    compute: () => V | PromiseLike<V>,
    manner: Omit<Writing<V>, 'value'>,
  ): Promise<Computed<V>> {
    const shared = this.#shared;
    if (shared === -1 || !isSharedKey(key)) return { value: await compute(), isOwn: true, isKept: false };
    const tier = this.#tiers[shared] as LocalTier<K, V>;
    return tier.computeOnce(key, compute, manner, (error) => this.#failed(shared, 'set', error));
  }

  /** Writes a computed value to the tiers that do not have it. */
  keep(
    key: K,
    { value, isOwn, isKept }: Computed<V>,
    manner: Omit<Writing<V>, 'value'>,
  ): Promise<unknown> | undefined {
    const shared = this.#tiers[this.#shared] as LocalTier<K, V> | undefined;
    if (isKept) {
      // Not there any more: it was changed meanwhile, by another isolate, and the other tiers with it.
      const remaining = shared!.store.remaining(key);
      if (remaining === undefined) return undefined;
      if (!isOwn) {
        this.promote(key, { value, remaining, tier: this.#shared });
        return undefined;
      }
    }
    const writing = { value, ...manner };
    return this.apply('set', key, (tier) => (isKept && tier === shared ? undefined : tier.put(key, writing)));
  }

  /** An expired value that is kept for this, in any tier. */
  stale(key: K, within: number): V | Missing {
    for (const tier of this.#tiers) {
      const old = tier.stale(key, within);
      if (old !== MISSING) return old;
    }
    return MISSING;
  }

  /** Whether a tier has a value. */
  async has(key: K): Promise<boolean> {
    for (const [index, tier] of this.#tiers.entries()) {
      if (index === this.#top.length) await this.#order.before(key);
      try {
        if (await tier.has(key)) return true;
      } catch (error) {
        this.#failed(index, 'has', error);
      }
    }
    return false;
  }

  /** The keys of all tiers, each once; rejects with what a tier fails with. */
  async keys(): Promise<K[]> {
    await this.#order.before(EVERY_KEY);
    const lists = await Promise.all(this.#tiers.map(async (tier) => [...(await tier.keys())]));
    return [...new Set(lists.flat())];
  }

  /** The figures of each tier, with its index. */
  stats(): TierStats[] {
    return this.#tiers.map((tier, index) => Object.assign(tier.stats(), { tier: index }));
  }

  /**
   * Changes tiers `from` up to `to`. Those that are an `LRUCache` are done when this returns; the others are called at once too, all
   * together, unless an earlier write of this key is under way.
   * @returns it never rejects: a failure is told and is part of the outcome
   */
  async apply<R>(
    operation: TierOperation,
    key: K | typeof EVERY_KEY,
    act: (tier: TierAccess<K, V>) => R | PromiseLike<R>,
    from = 0,
    to = this.#tiers.length,
  ): Promise<Outcome<R>> {
    const outcome: Outcome<R> = { results: [], failures: [] };
    const fail = (index: number, error: unknown): void => {
      outcome.failures.push(error);
      this.#failed(index, operation, error);
    };
    const others: number[] = [];
    for (let index = from; index < to; index++) {
      const tier = this.#tiers[index]!;
      if (tier instanceof LocalTier) {
        try {
          outcome.results.push(act(tier as LocalTier<K, V>) as R);
        } catch (error) {
          fail(index, error);
        }
      } else others.push(index);
    }
    if (others.length === 0) return outcome;

    const callOther = async (index: number): Promise<void> => {
      try {
        outcome.results.push(await act(this.#tiers[index]!));
      } catch (error) {
        fail(index, error);
      }
    };
    const callOthers = () => Promise.all(others.map(callOther));
    const before = this.#order.before(key);
    const work = before === undefined ? callOthers() : before.then(callOthers);
    this.#order.add(key, work);
    await work;
    return outcome;
  }
}

/** Whether a shared cache can have this key. */
function isSharedKey(key: unknown): boolean {
  return typeof key === 'string' || typeof key === 'number';
}
