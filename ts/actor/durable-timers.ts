/**
 * The timers of a timer service: when each fires, what it sends, and what of that is in the storage.
 */
import { ServerNotRunningError, toError } from './errors';
import { GenServer } from './gen-server';
import { nextId } from './processes';
import { Registry } from './registry';
import { TimerHeap } from './timer-heap';
import type { TimerStore } from './timer-store';
import type { TimerEntry, TimerTarget } from './timer-types';
import type { Ref } from './types';

/** Takes failures that nobody waits for, with what they were met at. */
export type Reporter = (error: Error, entry: unknown) => void;

/** The timers of one service. */
export class DurableTimers {
  readonly #store: TimerStore | undefined;
  readonly #checkInterval: number;
  readonly #entries = new Map<string, { entry: TimerEntry; slot: number }>();
  readonly #heap = new TimerHeap<string>();
  readonly #report: Reporter;
  #timer: NodeJS.Timeout | undefined;
  /** When `#timer` goes off. */
  #wakesAt = Infinity;
  #tick: (() => void) | undefined;

  constructor(store: TimerStore | undefined, checkInterval: number, report: Reporter) {
    this.#store = store;
    this.#checkInterval = checkInterval;
    this.#report = report;
  }

  /** Takes over what the storage has. */
  async restore(): Promise<void> {
    const found = await this.#store?.load();
    for (const entry of found?.entries ?? []) this.#arm(entry);
    for (const { key, error } of found?.broken ?? []) this.#report(error, { key });
  }

  /** Begins to keep the time. @param tick called when a timer is due */
  begin(tick: () => void): void {
    this.#tick = tick;
    this.#wake();
  }

  end(): Promise<void> | void {
    clearTimeout(this.#timer);
    this.#tick = undefined;
    return this.#store?.settled();
  }

  /** Answers with the id, or where there is a storage, with the promise of it. */
  schedule(targetRef: TimerTarget, message: unknown, delayMs: number, repeat: number | undefined): unknown {
    let id: string;
    do id = nextId('dtimer');
    while (this.#entries.has(id));
    const entry: TimerEntry = {
      id,
      fireAt: Date.now() + delayMs,
      targetRef,
      message,
      ...(repeat === undefined ? {} : { repeat }),
    };
    this.#arm(entry);
    this.#wake();
    return this.#store === undefined ? id : this.#stored(this.#store, entry);
  }

  /** Answers with whether there was such a timer; where there is a storage, with the promise of it. */
  cancel(id: string): unknown {
    if (!this.#disarm(id)) return false;
    return this.#store === undefined ? true : this.#store.delete(id).then(() => true);
  }

  get(id: string): TimerEntry | undefined {
    return this.#entries.get(id)?.entry;
  }

  getAll(): TimerEntry[] {
    return Array.from(this.#entries.values(), ({ entry }) => entry);
  }

  /** Sends what is due. */
  fire(): void {
    clearTimeout(this.#timer);
    const now = Date.now();
    for (let id; (id = this.#heap.take(now)) !== undefined;) {
      const { entry } = this.#entries.get(id)!;
      this.#entries.delete(id);
      const delivered = this.#send(entry);
      // A process that is gone does not come back under its id; a name may be given again.
      if (entry.repeat !== undefined && (delivered || entry.targetRef.name !== undefined))
        this.#repeat(entry, entry.repeat, now);
      else this.#noted(this.#store?.delete(id), entry);
    }
    this.#timer = undefined;
    this.#wakesAt = Infinity;
    this.#wake();
  }

  /** Sends the message of a timer. @returns whether its target runs; it may refuse the message all the same */
  #send(entry: TimerEntry): boolean {
    const { targetRef, message } = entry;
    const { name } = targetRef;
    const ref: Ref | undefined = name === undefined ? targetRef : Registry.whereis(name);
    if (ref === undefined) return false;
    try {
      GenServer.cast(ref, message);
    } catch (error) {
      if (error instanceof ServerNotRunningError) return false;
      this.#report(toError(error), entry);
    }
    return true;
  }

  #repeat(entry: TimerEntry, repeat: number, now: number): void {
    const periods = Math.floor((now - entry.fireAt) / repeat) + 1;
    const next = { ...entry, fireAt: entry.fireAt + periods * repeat };
    this.#arm(next);
    this.#noted(this.#store?.save(next), next);
  }

  async #stored(store: TimerStore, entry: TimerEntry): Promise<string> {
    try {
      await store.save(entry);
    } catch (error) {
      this.#disarm(entry.id);
      throw error;
    }
    return entry.id;
  }

  #arm(entry: TimerEntry): void {
    this.#entries.set(entry.id, { entry, slot: this.#heap.add(entry.id, entry.fireAt) });
  }

  #disarm(id: string): boolean {
    const known = this.#entries.get(id);
    if (known === undefined) return false;
    this.#entries.delete(id);
    this.#heap.remove(known.slot);
    this.#wake();
    return true;
  }

  /** Sets the timer of Node for the earliest time. */
  #wake(): void {
    const { earliest } = this.#heap;
    if (this.#tick === undefined || (this.#timer !== undefined && earliest === this.#wakesAt)) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#wakesAt = earliest;
    if (earliest === Infinity) return;
    const delay = Math.max(0, Math.min(earliest - Date.now(), this.#checkInterval));
    this.#timer = setTimeout(this.#tick, Math.ceil(delay));
  }

  #noted(done: Promise<void> | undefined, entry: TimerEntry): void {
    done?.catch((error: unknown) => this.#report(toError(error), entry));
  }
}
