/** The caches made by functions instead of by `new`. */
import { LRUCache } from './lru-cache';
import { MultiTierCache } from './multi-tier-cache';
import type { MultiTierOptions } from './multi-tier-options';
import type { Tier } from './tier';
import type { LRUCacheOptions } from './types';

/** `new LRUCache(options)` */
export function create<K = unknown, V = unknown>(options?: LRUCacheOptions<K, V>): LRUCache<K, V> {
  return new LRUCache<K, V>(options);
}

/** `new MultiTierCache(tiers, options)` */
export function multiTier<K = unknown, V = unknown>(
  tiers?: readonly (LRUCache<K, V> | Tier<K, V>)[],
  options?: MultiTierOptions,
): MultiTierCache<K, V> {
  return new MultiTierCache<K, V>(tiers, options);
}
