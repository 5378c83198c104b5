/** Computations that are under way: one for each key, however many callers wait for it. */

/** The computations of one cache. */
export class Flights<K, V> {
  readonly #flights = new Map<K, Promise<V>>();

  /** How many there are. */
  get size(): number {
    return this.#flights.size;
  }

  /** The computation of a key, if there is one. */
  get(key: K): Promise<V> | undefined {
    return this.#flights.get(key);
  }

  /**
   * Starts the computation of a key: calls `compute` before this returns; what it throws counts as a rejection.
   * @param land takes the value, unless the computation has been forgotten by then
   * @returns the value for all who wait for it, forgotten or not
   */
  start(key: K, compute: () => V | PromiseLike<V>, land: (value: V) => void): Promise<V> {
    let begin!: (value: V | PromiseLike<V>) => void;
    const flight = new Promise<V>((resolve) => {
      begin = resolve;
    }).then(
      (value) => {
        if (this.#end(key, flight)) land(value);
        return value;
      },
      (error: unknown) => {
        this.#end(key, flight);
        throw error;
      },
    );
    // It is known before `compute` runs: a write in there overtakes it.
    this.#flights.set(key, flight);
    begin(computed(compute));
    return flight;
  }

  /** What is written or deleted while it is computed stays as it is: the computation only answers those who wait for it already. */
  forget(key: K): void {
    this.#flights.delete(key);
  }

  /** `forget` for all keys. */
  forgetAll(): void {
    this.#flights.clear();
  }

  /** @returns whether it had not been forgotten */
  #end(key: K, flight: Promise<V>): boolean {
    return this.#flights.get(key) === flight && this.#flights.delete(key);
  }
}

/** What `compute` gives; a promise also where it throws. */
async function computed<V>(compute: () => V | PromiseLike<V>): Promise<V> {
  return compute();
}
