/**
 * Who waits for which answer. A ticket is a place in an array; it is given out again only when its answer has come, so that a late answer never reaches somebody
 * else.
 */
import type { Route } from './route';

/** Somebody who waits for an answer from another thread. */
export interface Awaiting {
  readonly route: Route;
  resolve(value: unknown): void;
  reject(error: Error): void;
  /** The other thread has ended. */
  lost(): void;
}

/** Takes the place of somebody who has stopped waiting. */
class Forgotten implements Awaiting {
  constructor(readonly route: Route) {}

  resolve(): void {}

  reject(): void {}

  lost(): void {}
}

export class Tickets {
  /** How many wait. */
  waiting = 0;
  readonly #places: (Awaiting | undefined)[] = [];
  readonly #free: number[] = [];

  add(awaiting: Awaiting): number {
    this.waiting += 1;
    const ticket = this.#free.pop() ?? this.#places.length;
    this.#places[ticket] = awaiting;
    return ticket;
  }

  /** Whose answer has come, if anybody's. */
  take(ticket: number): Awaiting | undefined {
    const awaiting = this.#places[ticket];
    if (awaiting === undefined) return undefined;
    this.#places[ticket] = undefined;
    this.#free.push(ticket);
    if (!(awaiting instanceof Forgotten)) this.waiting -= 1;
    return awaiting;
  }

  /** Nobody waits for that answer any more. */
  forget(ticket: number): void {
    const awaiting = this.#places[ticket];
    if (awaiting === undefined || awaiting instanceof Forgotten) return;
    this.#places[ticket] = new Forgotten(awaiting.route);
    this.waiting -= 1;
  }

  /** The question was never sent. */
  cancel(ticket: number): void {
    this.take(ticket);
  }

  /** Tells all who wait for an answer by `route` that none will come. */
  lose(route: Route): void {
    for (let ticket = 0; ticket < this.#places.length; ticket++) {
      if (this.#places[ticket]?.route === route) this.take(ticket)!.lost();
    }
  }
}
