/** Shared caches of a test, and worker threads that use them step by step. */
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { LRUCache, type LRUCacheOptions } from '../../dist/cache';

export type Key = string | number;
export type SharedCache = LRUCache<Key>;

/** What an action has in its thread besides the cache. */
export interface Tools {
  LRUCache: typeof LRUCache;
  /** What actions leave for later ones. */
  kept: Record<string, unknown>;
  /** A promise of what `open` of the same name is given in this thread. */
  gate(name: string): Promise<unknown>;
  open(name: string, value?: unknown): void;
}

/** Runs in a thread: what it needs from outside comes as `args`. */
export type Action<A extends unknown[], R> = (there: SharedCache, tools: Tools, ...args: A) => R;

/** Runs an action in a thread, on one cache, and gives its result. */
export type Seat = <A extends unknown[], R>(action: Action<A, R>, ...args: A) => Promise<Awaited<R>>;

interface Answer {
  number: number;
  value?: unknown;
  error?: { name: string; message: string; code?: string };
}

interface Call {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** A worker thread that does what it is told. */
export class Thread {
  readonly worker = new Worker(join(__dirname, '..', 'fixtures', 'cache-thread.js'));
  /** Resolves when it has ended in whatever way. */
  readonly ended: Promise<unknown> = new Promise((resolve) => this.worker.once('exit', resolve));
  readonly #calls = new Map<number, Call>();
  #last = 0;

  constructor() {
    this.worker.on('message', ({ number, value, error }: Answer) => {
      const call = this.#calls.get(number)!;
      this.#calls.delete(number);
      if (error === undefined) call.resolve(value);
      else call.reject(Object.assign(new Error(error.message), error));
    });
    this.worker.on('error', () => {}); // some are to end by one
  }

  /** A seat at the cache of this name. */
  at(name: string): Seat {
    return (action, ...args) =>
      new Promise((resolve, reject) => {
        const number = ++this.#last;
        this.#calls.set(number, { resolve, reject });
        this.worker.postMessage({ number, name, code: action.toString(), args });
      });
  }

  async end(): Promise<void> {
    await this.worker.terminate();
  }
}

/** Two threads for all tests of a file. */
const stayed: Thread[] = [];
const started: Thread[] = [];
const opened: SharedCache[] = [];
let names = 0;

beforeAll(async () => {
  stayed.push(new Thread(), new Thread());
  await Promise.all(stayed.map(({ worker }) => once(worker, 'online')));
});

afterEach(async () => {
  await Promise.all(started.splice(0).map((thread) => thread.end()));
  for (const cache of opened.splice(0)) cache.clear()[Symbol.dispose]();
});

afterAll(async () => {
  await Promise.all(stayed.splice(0).map((thread) => thread.end()));
});

/** A name that no other test uses. */
export function newName(): string {
  return `cache-shared ${process.pid} ${expect.getState().currentTestName} ${++names}`;
}

/** A shared cache, open here and for two threads. */
export function open(options: LRUCacheOptions<Key> = {}) {
  const name = newName();
  const cache: SharedCache = new LRUCache({ name, shared: true, ...options });
  opened.push(cache);
  return { name, cache, one: stayed[0]!.at(name), two: stayed[1]!.at(name) };
}

/** A thread of the test's own, that it may end. */
export function start(): Thread {
  const thread = new Thread();
  started.push(thread);
  return thread;
}

/** Resolves once it holds. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((next) => setTimeout(next, 1));
}
