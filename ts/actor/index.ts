/**
 * `actor`: servers that keep a state and handle one message at a time, supervised and known by name.
 *
 * - `GenServer`: start, call, cast, stop; timers, monitors, links, lifecycle events.
 * - `Supervisor`: starts servers and supervisors and restarts those that end by a fault. `Application`: starts and stops them in good order.
 * - `Registry`: processes by name.
 * - `EventBus`, `Cache`, `RateLimiter`, `TimerService`: services that run as servers.
 * - `Agent`, `Task`, `GenStateMachine`: a value, a function, a state machine as a process.
 */
export { Agent, type AgentOptions, type AgentRef } from './agent';
export { Application } from './application';
export * from './application-errors';
export * from './application-types';
export { Cache, type CacheOptions, type CacheRef, type CacheSetOptions, type CacheStats } from './cache';
export {
  AlreadyRegisteredError,
  CallTimeoutError,
  ChildNotFoundError,
  DeadlockError,
  DuplicateChildError,
  InitializationError,
  InvalidSimpleOneForOneConfigError,
  LinkBrokenError,
  MailboxFullError,
  MaxRestartsExceededError,
  MissingChildTemplateError,
  NotRegisteredError,
  RateLimitExceededError,
  ServerNotRunningError,
  SupervisorNotFoundError,
  TaskExecutionError,
  TaskTimeoutError,
} from './errors';
export { EventBus, type EventBusHandler, type EventBusOptions, type EventBusRef } from './event-bus';
export { GenServer } from './gen-server';
export { GenStateMachine } from './gen-state-machine';
export { RateLimiter, type RateLimiterOptions, type RateLimiterRef } from './rate-limiter';
export type { RateLimitResult } from './rate-window';
export { Registry } from './registry';
export type * from './state-machine-types';
export type { PersistedState, StateMetadata, StorageAdapter } from './storage';
export { Supervisor } from './supervisor';
export type * from './supervisor-types';
export { Task } from './task';
export type * from './task-types';
export type { BehaviorModule } from './thread/modules';
export type { ThreadOptions } from './thread/placement';
export { TimerService, type TimerServiceRef } from './timer-service';
export type * from './timer-types';
export * from './types';
