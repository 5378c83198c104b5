/**
 * Ctrl+C, and the polite kill: the first asks the work to end cleanly, a second ends the process at once.
 */
import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * A signal that follows this soon, in milliseconds, is the same key press: a terminal sends Ctrl+C to every process in
 * the foreground, and npm and npx pass theirs on to us besides.
 */
const SAME_PRESS_MS = 500;

/** Listens for signals from its construction to {@link Interrupt.dispose}. */
export class Interrupt {
  readonly #controller = new AbortController();
  #received: NodeJS.Signals | undefined;
  #receivedAt = 0;

  constructor() {
    for (const name of SIGNALS) process.on(name, this.#onSignal);
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The exit code of an interrupted process, 128 and the signal's number: 130 after Ctrl+C; else `undefined`. */
  get exitCode(): number | undefined {
    return this.#received && 128 + constants.signals[this.#received];
  }

  /** Gives signals their usual effect again. */
  dispose(): void {
    for (const name of SIGNALS) process.off(name, this.#onSignal);
  }

  readonly #onSignal = (name: NodeJS.Signals): void => {
    const now = performance.now();
    if (this.#received === undefined) {
      this.#received = name;
      this.#receivedAt = now;
      this.#controller.abort();
    } else if (now - this.#receivedAt >= SAME_PRESS_MS) {
      // Not process.exit: it waits for file operations that may hang, such as opening a FIFO.
      this.dispose();
      process.kill(process.pid, name);
    }
  };
}
