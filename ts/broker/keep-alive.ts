/**
 * Whether requests keep the process alive. That the last one was answered counts a moment later: between two requests one after another nothing is
 * switched off and on again.
 */
import { setTimeout } from 'node:timers';
import type { Slot } from './pending';

/** That moment, in milliseconds. */
const MOMENT = 5;

/** Counts the requests that somebody waits for. */
export class KeepAlive {
  #requests = 0;
  #on = false;
  #isChecking = false;
  readonly #check = (): void => {
    this.#isChecking = false;
    if (this.#requests > 0) return;
    this.#on = false;
    this.change(false);
  };

  /** @param change told when it changes */
  constructor(private readonly change: (on: boolean) => void) {}

  get on(): boolean {
    return this.#on;
  }

  hold(slot: Slot): void {
    slot.held = true;
    this.#requests++;
    if (this.#on) return;
    this.#on = true;
    this.change(true);
  }

  /** Without effect if it is not held. */
  release(slot: Slot): void {
    if (!slot.held) return;
    slot.held = false;
    // The timer alone keeps nothing alive; what is kept alive until then lets it come.
    if (--this.#requests > 0 || this.#isChecking) return;
    this.#isChecking = true;
    setTimeout(this.#check, MOMENT).unref();
  }
}
