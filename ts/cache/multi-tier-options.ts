/** What a `MultiTierCache` takes and tells. */
import { LONGEST_TIMER } from '../parallel/options';
import { read, readTtl } from './options';
import type { TierOperation } from './tier-access';

/** Options of a `MultiTierCache`. */
export interface MultiTierOptions {
  /**
   * Most milliseconds of one call of a tier that is not an `LRUCache`. One that takes longer counts as failed
   * (`ERR_CACHE_TIER_TIMEOUT`); what it does after that is ignored. Default: `Infinity`.
   */
  timeout?: number | undefined;
}

/** Options of one `set`. */
export interface MultiTierSetOptions {
  /** Milliseconds; 0 and `Infinity`: it never expires. Default: each tier's own. */
  ttl?: number | null | undefined;
  /** The first tier to write, from 0. The tiers above it drop the key. Default: 0. */
  tier?: number | undefined;
}

/** A failure of a tier, as the event `tierError` tells it. */
export interface TierError {
  /** Index of the tier. */
  tier: number;
  operation: TierOperation;
  error: unknown;
}

/** Events of a `MultiTierCache`, with the arguments of their listeners. */
export interface MultiTierEvents<K> {
  tierError: [failure: TierError];
  /** A computation failed where a stale value had answered. */
  refreshError: [failure: { key: K; error: unknown }];
}

/** The figures of one tier: those that it gives itself, and its index. */
export type TierStats = { tier: number } & Record<string, unknown>;

/** @returns most milliseconds of a call */
export function readTimeout(given: MultiTierOptions | undefined): number {
  const bounds = { min: 0, aboveMin: true, max: LONGEST_TIMER, orInfinity: true };
  return read.number('timeout', read.object('options', given).timeout, Infinity, bounds);
}

/** @param tiers how many there are */
export function readSetOptions(
  given: number | null | MultiTierSetOptions | undefined,
  tiers: number,
): { ttl: number | undefined; tier: number } {
  const { ttl, tier }: MultiTierSetOptions =
    given === null || typeof given === 'number' ? { ttl: given } : read.object('options', given);
  return {
    ttl: ttl === undefined || ttl === null ? undefined : readTtl(ttl, 0),
    tier: read.integer('tier', tier, 0, { min: 0, max: tiers - 1 }),
  };
}
