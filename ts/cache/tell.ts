/** Events of the caches. */
import type { EventEmitter } from 'node:events';
import { throwLater } from '../bridge/throw-later';

/** Emits an event in the midst of other work, which a listener that throws must not stop. */
export function tell(emitter: object, event: string, ...args: unknown[]): void {
  try {
    (emitter as EventEmitter).emit(event, ...args);
  } catch (error) {
    throwLater(error);
  }
}
