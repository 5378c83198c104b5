/**
 * The timers of a timer service in a user's storage: a record for each, under `durable_timer:<id>`. One with the id of another is none of them,
 * for it could never be taken out again.
 *
 * What is done to one record happens in the order in which it was asked for; different records do not wait for each other.
 */
import { toError } from './errors';
import type { PersistedState, StorageAdapter } from './storage';
import type { TimerEntry, TimerTarget } from './timer-types';

const PREFIX = 'durable_timer:';
const SCHEMA_VERSION = 1;
/** Records that are read at the same time. */
const READS = 64;

/** What was found in a storage. */
export interface Found {
  readonly entries: TimerEntry[];
  /** Records that could not be read. */
  readonly broken: { readonly key: string; readonly error: Error }[];
}

/** The records of timers. */
export class TimerStore {
  readonly #adapter: StorageAdapter;
  /** By timer: its last operation that is still under way. */
  readonly #pending = new Map<string, Promise<unknown>>();

  constructor(adapter: StorageAdapter) {
    this.#adapter = adapter;
  }

  /** Reads all records, each once. Rejects where they cannot be listed. */
  async load(): Promise<Found> {
    const keys = [...new Set(await this.#adapter.listKeys(PREFIX))];
    const found: Found = { entries: [], broken: [] };
    for (let at = 0; at < keys.length; at += READS)
      await Promise.all(keys.slice(at, at + READS).map((key) => this.#read(key, found)));
    return found;
  }

  save(entry: TimerEntry): Promise<void> {
    const metadata = {
      persistedAt: Date.now(),
      serverId: 'timer-service',
      schemaVersion: SCHEMA_VERSION,
    };
    return this.#after(entry.id, () => this.#adapter.save(PREFIX + entry.id, { state: entry, metadata }));
  }

  async delete(id: string): Promise<void> {
    await this.#after(id, () => this.#adapter.delete(PREFIX + id));
  }

  /** Resolves when all that was asked for has been done, or has failed. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#pending.values());
  }

  async #read(key: string, found: Found): Promise<void> {
    try {
      const record = await this.#adapter.load<TimerEntry>(key);
      // It may have been deleted since it was listed.
      if (record !== undefined) found.entries.push(checked(key, record));
    } catch (error) {
      found.broken.push({ key, error: toError(error) });
    }
  }

  #after<T>(id: string, operation: () => Promise<T>): Promise<T> {
    const before = this.#pending.get(id);
    const done = before === undefined ? started(operation) : before.then(operation, operation);
    this.#pending.set(id, done);
    const forget = (): void => {
      if (this.#pending.get(id) === done) this.#pending.delete(id);
    };
    done.then(forget, forget);
    return done;
  }
}

/** Lets what an adapter throws reject. */
async function started<T>(operation: () => Promise<T>): Promise<T> {
  return operation();
}

/** The timer of a record. A field that may be missing may be `null` as well, which is what a table of a database makes of it. */
function checked(key: string, { state }: PersistedState<TimerEntry>): TimerEntry {
  const { id, fireAt, message } = state;
  const repeat: unknown = state.repeat ?? undefined;
  const target = checkedTarget(state.targetRef);
  const isOwn = typeof id === 'string' && key === PREFIX + id;
  if (isOwn && Number.isFinite(fireAt) && target !== undefined && isInterval(repeat))
    return { id, fireAt, targetRef: target, message, ...(repeat === undefined ? {} : { repeat }) };
  throw new TypeError(
    'a record of a timer has the id of its key, a time, a target and, where it repeats, an interval of at least 1',
  );
}

function checkedTarget(targetRef: TimerTarget | null | undefined): TimerTarget | undefined {
  const id: unknown = targetRef?.id;
  const name: unknown = targetRef?.name ?? undefined;
  if (typeof id !== 'string') return undefined;
  if (name === undefined) return { id };
  return typeof name === 'string' ? { id, name } : undefined;
}

function isInterval(repeat: unknown): repeat is number | undefined {
  return repeat === undefined || (Number.isFinite(repeat) && (repeat as number) >= 1);
}
