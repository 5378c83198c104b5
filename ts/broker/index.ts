/**
 * `broker`: values with a time to live, leases, counters and watches, for many processes.
 *
 * - `Broker`: the server, on threads of the engine. `Client`: asks it, from any process or thread; in the broker's own process without a socket.
 * - `checkReadiness`, `makePipePath`, `cleanupPipe`: what programs around a broker need.
 */
export { Broker, type BrokerMetrics, type SpawnOptions } from './broker';
export type { BrokerConfig, BrokerOptions } from './broker-options';
export { Client } from './client';
export * from './client-types';
export type { ClientConfig, ClientOptions, RequestOptions } from './client-options';
export { BrokerError } from './errors';
export type { LogLevel } from './log';
export { cleanupPipe, makePipePath } from './pipe';
export type { Lease } from './owned-lease';
export { checkReadiness } from './readiness';
export type { Watch } from './watch';
