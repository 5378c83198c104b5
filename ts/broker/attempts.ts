/** Connecting, and trying again for those who wait. */
import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';
import { Alarm } from './alarm';
import type { ClientConfig } from './client-options';
import type { Attempt, Host } from './connection';
import { timedOut } from './errors';
import { connectSocket } from './hello';
import { LocalConnection } from './local-connection';
import type { Slot } from './pending';

/** The waits between the attempts for a request, in milliseconds. */
const DELAYS: readonly number[] = [50, 100, 200, 400, 800];

/** Errors that may be over in a moment: the broker has not started yet, was started anew, or has more to accept than its queue holds. */
const TRANSIENT = new Set<unknown>([
  'ECONNREFUSED',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EAGAIN',
  'ECONNRESET',
  'ERR_BROKER_CONNECTION_LOST',
]);

/** Whether another attempt may succeed. */
export function isTransient(error: Error): boolean {
  return TRANSIENT.has((error as NodeJS.ErrnoException).code);
}

/** The attempts of one client: one at a time, for all who wait. Each of them has its own waits, counted from its own first attempt. */
export class Attempts {
  #attempt: Attempt | undefined;
  #began = -Infinity;
  #rest: NodeJS.Timeout | undefined;
  readonly #alarm = new Alarm(() => {
    this.#attempt?.cancel();
    this.failed(timedOut());
  });

  /** @param waiting the requests that wait for a connection */
  constructor(
    private readonly pipe: string,
    private readonly config: ClientConfig,
    private readonly host: Host,
    private readonly waiting: ReadonlySet<Slot>,
  ) {}

  /** Begins an attempt, unless there is one under way. */
  connect(): void {
    if (this.#attempt !== undefined) return;
    clearTimeout(this.#rest);
    this.#rest = undefined;
    this.#began = performance.now();
    const { pipe, config, host } = this;
    try {
      const local = config.inProcess ? LocalConnection.open(pipe, config.secret, host) : undefined;
      if (local === undefined) {
        this.#attempt = connectSocket(pipe, config, host);
        // Somebody who listens and never answers would be waited for by requests that have no time limit.
        this.#alarm.at(this.#began + config.timeout, this.#began);
      } else {
        host.debug(`Connected to: ${pipe}`);
        host.ready(local);
      }
    } catch (error) {
      host.failed(error as Error);
    }
  }

  /** The attempt has succeeded. */
  over(): void {
    this.#alarm.stop();
    this.#attempt = undefined;
  }

  /** The attempt has failed. */
  failed(error: Error): void {
    this.#alarm.stop();
    this.#attempt = undefined;
    // It was not for those who rest: their turn comes later.
    const tried = [...this.waiting].filter((slot) => slot.nextTry <= this.#began);
    this.again(error, tried);
  }

  /** Has `those` wait for another attempt, or refuses them where none is left, and begins the next one in time. */
  again(error: Error, those: Iterable<Slot>): void {
    const now = performance.now();
    const code = String((error as NodeJS.ErrnoException).code);
    let told = false;
    for (const slot of those) {
      const delay = DELAYS[slot.attempts];
      const since = Number.isNaN(slot.turn.at) ? 0 : now - slot.turn.at;
      if (!isTransient(error) || delay === undefined || since + delay >= slot.timeout) {
        this.host.refuse(slot, error);
        continue;
      }
      slot.attempts++;
      slot.nextTry = now + delay;
      if (!told)
        this.host.debug(
          `Connection failed (${code}), retrying in ${delay}ms (attempt ${slot.attempts}/${DELAYS.length})`,
        );
      told = true;
    }
    if (this.waiting.size === 0) return;
    let next = Infinity;
    for (const slot of this.waiting) next = Math.min(next, slot.nextTry);
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => this.connect(), Math.max(0, Math.ceil(next - now)));
  }

  /** Nobody waits any more. */
  stop(): void {
    this.#alarm.stop();
    this.#attempt?.cancel();
    this.#attempt = undefined;
    clearTimeout(this.#rest);
    this.#rest = undefined;
  }
}
