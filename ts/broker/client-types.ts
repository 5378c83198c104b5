/** What a client takes and gives. */
import type { RequestOptions } from './client-options';

/** How full a broker is. */
export interface Capacity {
  items: number;
  /** 0: unlimited. */
  maxItems: number;
  /** Share of `maxItems`, in hundredths; 0 where there is no limit. */
  utilization: number;
  nearCapacity: boolean;
  atCapacity: boolean;
  warning: 'near_capacity' | 'at_capacity' | null;
}

/** What `stats` resolves to. */
export interface Stats {
  items: number;
  leases: number;
  capacity: Capacity;
  memory: {
    /** Of the broker's process, in bytes. */
    rss: number;
    heapUsed: number;
    /** Estimate of what the items take, in bytes. */
    approximateStoreBytes: number;
  };
  /** Milliseconds since the broker started. */
  uptime: number;
}

/** What `health` resolves to. */
export interface Health {
  ok: true;
  /** `'degraded'`: as many items as the broker takes. */
  status: 'healthy' | 'degraded';
  uptime: number;
  /** The broker's time, in milliseconds since 1970. */
  timestamp: number;
  items: number;
  leases: number;
  capacity: Capacity;
  memory: { rss: number; heapUsed: number; heapTotal: number };
  connections: { inFlight: number; draining: boolean };
}

/** What `metrics` resolves to. */
export interface Metrics {
  /** All requests, and those of each action. */
  requests: { total: number; [action: string]: number };
  /** All refusals, and those of each kind. */
  errors: { total: number; [error: string]: number };
  /** Milliseconds from the arrival of a request to its answer; 0 where the broker does not measure them. */
  latency: { p50: number; p95: number; p99: number };
}

/** What `entries` resolves to. */
export type Entries = Record<string, { /** Milliseconds since 1970. */ expires: number; hasValue: boolean }>;

/** Options of `metrics`. */
export interface MetricsOptions extends RequestOptions {
  /** `'prometheus'`: text in the exposition format of Prometheus. Default: `'object'`. */
  format?: 'object' | 'prometheus' | undefined;
}

/** Options of `getOrSet`. */
export interface ComputeOptions {
  /** Milliseconds that the value lives. */
  ttl?: number | undefined;
  /** Ends the waiting: it rejects with `signal.reason`. A computation that others wait for goes on. */
  signal?: AbortSignal | undefined;
  /** Milliseconds that may be waited for another's computation. Default: `Infinity`. */
  timeout?: number | undefined;
}

/** Options of `lease` and `acquire`. */
export interface LeaseOptions extends RequestOptions {
  /** Milliseconds that the lease lasts. Default: that of the broker. */
  ttl?: number | undefined;
  /** Size of the pool: values from 0 to `max - 1`. Default: no bound. */
  max?: number | undefined;
  /**
   * Where all values are leased: `true` waits for ever, a number so many milliseconds (`lease_timeout` after that). Default: do not wait,
   * `pool_exhausted`. Who came first is served first. The time that is waited is not part of `timeout`.
   */
  wait?: boolean | number | undefined;
}

/** Options of `renew`. */
export interface RenewOptions extends RequestOptions {
  /** Only a lease of this key. */
  key?: string | undefined;
}

/** Options of `watch`. */
export interface WatchOptions {
  /** Ends the watch: the iteration throws `signal.reason`. */
  signal?: AbortSignal | undefined;
  /** Most events that wait to be read. Default: 16,384. */
  limit?: number | undefined;
}

/** A change that a watch tells. */
export interface WatchEvent<T = unknown> {
  type: 'set' | 'deleted' | 'expired';
  key: string;
  /** The new value; there is one only where it was set. */
  value?: T;
  /** Milliseconds that it has left to live. */
  ttl?: number;
}

/** Values by their keys. */
export type Items = Readonly<Record<string, unknown>> | Iterable<readonly [key: string, value: unknown]>;
