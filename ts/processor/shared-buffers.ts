/**
 * Shared buffers that travel by number: the sending isolate numbers them, the receiving one gets each once over a port.
 */
import type { SharedBuffers } from '../bridge/structured';

/** The owner's side: numbers buffers for as long as they are reachable here. */
export class SharedBufferNumbers {
  readonly #numbers = new WeakMap<SharedArrayBuffer, number>();
  readonly #buffers = new Map<number, WeakRef<SharedArrayBuffer>>();
  readonly #collected = new FinalizationRegistry<number>((number) => {
    this.#buffers.delete(number);
    this.dropped(number);
  });
  #last = 0;

  constructor(
    /** A buffer got its number: every worker must get it before a task that names it. */
    private readonly added: (number: number, buffer: SharedArrayBuffer) => void,
    /** A buffer is gone: no task can name it any more. */
    private readonly dropped: (number: number) => void,
  ) {}

  /** Whether any buffer ever got a number. */
  get isUsed(): boolean {
    return this.#last > 0;
  }

  idOf(buffer: SharedArrayBuffer): number {
    let number = this.#numbers.get(buffer);
    if (number === undefined) {
      number = ++this.#last;
      this.#numbers.set(buffer, number);
      this.#buffers.set(number, new WeakRef(buffer));
      this.#collected.register(buffer, number);
      this.added(number, buffer);
    }
    return number;
  }

  byId(id: number): SharedArrayBuffer {
    const buffer = this.#buffers.get(id)?.deref();
    if (buffer === undefined) throw new Error(`shared buffer ${id} is not known (any more)`);
    return buffer;
  }

  /** All that are reachable, for a new worker. */
  *entries(): Iterable<[number, SharedArrayBuffer]> {
    for (const [number, reference] of this.#buffers) {
      const buffer = reference.deref();
      if (buffer !== undefined) yield [number, buffer];
    }
  }
}

/** A worker's side: the buffers that it was given. */
export class SharedBufferCopies implements SharedBuffers {
  readonly #buffers = new Map<number, SharedArrayBuffer>();
  readonly #numbers = new WeakMap<SharedArrayBuffer, number>();

  constructor(
    /** Takes in what waits at the port. */
    private readonly receive: () => void,
  ) {}

  add(number: number, buffer: SharedArrayBuffer): void {
    this.#buffers.set(number, buffer);
    this.#numbers.set(buffer, number);
  }

  drop(number: number): void {
    this.#buffers.delete(number);
  }

  /** The number of a buffer that came from the owner. A worker's own buffers go back over the port instead. */
  idOf(buffer: SharedArrayBuffer): number {
    const number = this.#numbers.get(buffer);
    if (number === undefined)
      throw new Error('a SharedArrayBuffer of the worker must be returned through context.transfer');
    return number;
  }

  byId(id: number): SharedArrayBuffer {
    if (!this.#buffers.has(id)) this.receive();
    const buffer = this.#buffers.get(id);
    if (buffer === undefined) throw new Error(`shared buffer ${id} did not reach the worker`);
    return buffer;
  }
}
