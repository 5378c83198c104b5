/** `@noizylab/core`. */
export { NoizylabError } from './errors';
export {
  cached,
  CacheWarmer,
  DistributedCache,
  invalidates,
  LRUCache,
  MultiTierCache,
  RedisTier,
  type CacheEvents,
  type CacheStats,
  type DistributedCacheOptions,
  type DumpEntry,
  type EvictionReason,
  type GetOrSetOptions,
  type LRUCacheOptions,
  type MemoizeOptions,
  type MultiTierOptions,
  type RedisClient,
  type RedisTierOptions,
  type Tier,
  type TierStats,
} from './cache';
export * from './parallel';
export * from './processor';
// Names that both have: here they are the processor's. Those of the parallel engine are in '@noizylab/core/parallel'.
export { TaskResults, type Task } from './processor';
