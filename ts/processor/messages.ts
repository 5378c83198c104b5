/** What travels over the port between a processor and one of its worker isolates: only what the bridge cannot carry. */
import type { MessagePort } from 'node:worker_threads';

/** What a worker isolate is started with. */
export interface HostData {
  /** Key of the processor in the engine. */
  key: number;
  /** Number of the host. */
  host: number;
  port: MessagePort;
  /** From where `require` of moved functions resolves. */
  directory: string;
}

/** To a worker. */
export type ToHost =
  | { kind: 'share'; number: number; buffer: SharedArrayBuffer }
  | { kind: 'drop'; number: number }
  | { kind: 'data'; key: string; value: unknown }
  | { kind: 'forget'; key: string };

/** From a worker. */
export type FromHost = { kind: 'ready' } | { kind: 'data'; key: string; value: unknown };

/** How the data or the result of one task is called on the port. */
export function portKey(group: number, index: number): string {
  return `${group}:${index}`;
}
