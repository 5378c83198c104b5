/** `@noizylab/core`. */
export { NoizylabError } from './errors';
// What the page of the caches begins with; the others are in '@noizylab/core/cache'.
export { LRUCache } from './cache/lru-cache';
export { MultiTierCache } from './cache/multi-tier-cache';
export type {
  CacheEvents,
  CacheStats,
  DumpEntry,
  EvictionReason,
  GetOrSetOptions,
  LRUCacheOptions,
  MemoizeOptions,
  MultiTierOptions,
  Tier,
  TierStats,
} from './cache';
export * from './parallel';
export * from './processor';
// Names that both have: here they are the processor's. Those of the parallel engine are in '@noizylab/core/parallel'.
export { TaskResults, type Task } from './processor';
