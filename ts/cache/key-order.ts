/**
 * Keeps asynchronous writes of one key in the order in which they were asked for: the next starts when the one before has ended. Writes of
 * different keys do not wait for each other; a write of everything waits for all, and all later ones wait for it.
 */

/** Stands for all keys. */
export const EVERY_KEY = Symbol('every key');

export class KeyOrder<K> {
  readonly #last = new Map<K, Promise<unknown>>();
  #lastOfAll: Promise<unknown> | undefined;

  /** What has to end before a write or a read of `key` may start; `undefined`: nothing. It never rejects. */
  before(key: K | typeof EVERY_KEY): Promise<unknown> | undefined {
    if (key !== EVERY_KEY) return this.#last.get(key) ?? this.#lastOfAll;
    if (this.#last.size === 0) return this.#lastOfAll;
    return Promise.all([this.#lastOfAll, ...this.#last.values()]);
  }

  /**
   * Notes a write that was started, or will be as soon as what `before` gave has ended.
   * @param work never rejects
   */
  add(key: K | typeof EVERY_KEY, work: Promise<unknown>): void {
    if (key === EVERY_KEY) {
      this.#lastOfAll = work;
      // It waits for these itself.
      this.#last.clear();
      void work.then(() => {
        if (this.#lastOfAll === work) this.#lastOfAll = undefined;
      });
      return;
    }
    this.#last.set(key, work);
    void work.then(() => {
      if (this.#last.get(key) === work) this.#last.delete(key);
    });
  }
}
