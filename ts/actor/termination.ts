/** Who learns of the end of a supervisor: listeners, at once and synchronously, and those who await `whenTerminated`. */
import type { ExitReason } from './types';

export class Termination {
  #listeners: readonly ((reason: ExitReason) => void)[] = [];
  #reason: ExitReason | undefined;
  #promise: Promise<ExitReason> | undefined;
  #settle: ((reason: ExitReason) => void) | undefined;

  /** Adds a listener; returns what takes it back. */
  listen(listener: (reason: ExitReason) => void): () => void {
    this.#listeners = [...this.#listeners, listener];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    };
  }

  /** Resolves to the reason; rejects with the error of one that is a fault. The same promise for all, also after the end. */
  get promise(): Promise<ExitReason> {
    this.#promise ??= new Promise((resolve, reject) => {
      this.#settle = (reason) => (typeof reason === 'object' ? reject(reason.error) : resolve(reason));
      if (this.#reason !== undefined) this.#settle(this.#reason);
    });
    return this.#promise;
  }

  /** The end has come. Returns whether anybody was there to learn of it. */
  tell(reason: ExitReason): boolean {
    this.#reason = reason;
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener(reason);
    this.#settle?.(reason);
    return listeners.length > 0 || this.#settle !== undefined;
  }
}
