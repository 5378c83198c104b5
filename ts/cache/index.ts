/**
 * `cache`: values that are kept for as long as there is room and time.
 *
 * - `LRUCache`: the least recently used entries leave first; with times to live, bounds in bytes, one computation for all who want a value,
 *   and memoized functions.
 * - `MultiTierCache`: several caches in front of each other, of any kind; `RedisTier` is one in Redis, `DistributedCache` the two put together.
 * - `cached`, `invalidates`: decorators of methods. `CacheWarmer`: values that are there before anybody asks.
 */
export { LRUCache } from './lru-cache';
export type { Memoized } from './memoize';
export type {
  CacheEvents,
  CacheStats,
  DumpEntry,
  EvictionReason,
  GetOrSetOptions,
  LRUCacheOptions,
  MemoizeOptions,
} from './types';
export { MultiTierCache } from './multi-tier-cache';
export type {
  MultiTierEvents,
  MultiTierOptions,
  MultiTierSetOptions,
  TierError,
  TierStats,
} from './multi-tier-options';
export type { Tier, TierEntry } from './tier';
export type { TierOperation } from './tier-access';
export { RedisTier, type RedisTierOptions } from './redis-tier';
export type { RedisClient } from './redis-commands';
export {
  DistributedCache,
  type DistributedCacheEvents,
  type DistributedCacheOptions,
  type DistributedCacheStats,
} from './distributed-cache';
export {
  cached,
  invalidates,
  type CachedOptions,
  type DecoratorCache,
  type InvalidationPattern,
} from './decorators';
export type { AsyncMethodDecorator } from './method-decorator';
export {
  CacheWarmer,
  type CacheWarmerEvents,
  type WarmableCache,
  type WarmerEntries,
  type WarmerKeys,
  type WarmerOptions,
  type WarmResult,
} from './cache-warmer';
export { create, multiTier } from './create';
