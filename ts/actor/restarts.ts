/**
 * The restarts of one supervisor: what follows when children end by themselves.
 *
 * The ends of one turn of the program are settled together, in a microtask. Children are restarted alone, each for itself, or in groups, one group after the
 * other; a child that falls while its group is being brought up makes that begin anew. Every restart, of a child or of a group, and every attempt after a start
 * that failed, counts for the restart intensity.
 */
import type { Child } from './child';
import { microtask } from './clock';
import { toError } from './errors';
import { nextTurn, type Intensity } from './intensity';
import { groupOf, mustRestart, restartsGroups } from './strategies';
import type { SupervisorStrategy } from './supervisor-types';
import type { ExitReason } from './types';

/** The supervisor, as far as restarts need it. */
export interface RestartHost {
  /** Children may be started: neither has it ended nor begun to. */
  isActive(): boolean;
  /** A child, or the start of one, has failed. */
  noteFault(error: Error): void;
  /** A child is gone for good. Called synchronously. */
  forget(child: Child): void;
  /** Tells those who listen that a child is gone for good. */
  tellGone(child: Child, reason: ExitReason): void;
  /** `autoShutdown`, now that a child is gone by itself. */
  shutDownAfter(child: Child): void;
  /** A child was restarted. */
  tellRestarted(child: Child): void;
  /** More restarts are needed than the intensity allows. */
  giveUp(): void;
}

export class Restarts {
  readonly #host: RestartHost;
  readonly #strategy: SupervisorStrategy;
  readonly #intensity: Intensity;
  /** In the order of their first start. */
  readonly #children: ReadonlyMap<string, Child>;
  readonly #inGroups: boolean;
  /** Children that have ended and are to be restarted. */
  readonly #fallen = new Set<Child>();
  /** Children that have ended for good, until that is told. */
  #finished: { child: Child; reason: ExitReason }[] = [];
  #settling = false;
  /** A group, or all children at the first start, is being brought up. */
  #bringingUp = false;

  constructor(
    host: RestartHost,
    strategy: SupervisorStrategy,
    intensity: Intensity,
    children: ReadonlyMap<string, Child>,
  ) {
    this.#host = host;
    this.#strategy = strategy;
    this.#intensity = intensity;
    this.#children = children;
    this.#inGroups = restartsGroups(strategy);
  }

  /** Starts all children for the first time; rejects where one cannot be started. Those that fall meanwhile are restarted. */
  startAll(): Promise<void> {
    return this.#bringUp(async (child) => void (await child.launch()), new Set());
  }

  /** A child has ended by itself. */
  ended(child: Child, reason: ExitReason): void {
    if (typeof reason === 'object') this.#host.noteFault(reason.error);
    if (mustRestart(child.restart, reason)) {
      this.#fallen.add(child);
    } else {
      this.#host.forget(child);
      this.#finished.push({ child, reason });
    }
    if (this.#settling) return;
    this.#settling = true;
    // The end of this child may be one of several, and its own event comes first.
    void microtask.then(() => this.#settle());
  }

  /** Somebody else sees to this child. */
  leave(child: Child): void {
    this.#fallen.delete(child);
  }

  #settle(): void {
    this.#settling = false;
    const finished = this.#finished;
    this.#finished = [];
    for (const { child, reason } of finished) {
      this.#host.tellGone(child, reason);
      this.#host.shutDownAfter(child);
    }
    if (this.#inGroups) {
      if (!this.#bringingUp && this.#fallen.size > 0) void this.#restartGroups();
      return;
    }
    for (const child of this.#fallen) void this.#restartAlone(child);
    this.#fallen.clear();
  }

  async #restartAlone(child: Child): Promise<void> {
    for (;;) {
      await this.#intensity.pace();
      // It may have been taken down, or restarted by hand, in the meantime.
      if (!this.#host.isActive() || !child.isDown) return;
      if (!this.#intensity.allows()) {
        this.#host.giveUp();
        return;
      }
      if (await this.#relaunch(child)) break;
    }
    this.#host.tellRestarted(child);
  }

  async #restartGroups(): Promise<void> {
    const causes = new Set<Child>();
    await this.#bringUp(async (child) => {
      if (!(await this.#relaunch(child)) && this.#host.isActive() && child.isDown) this.#fallen.add(child);
    }, causes);
    for (const child of causes)
      if (this.#host.isActive() && this.#has(child)) this.#host.tellRestarted(child);
  }

  /**
   * Launches, in order, all children that are down, until none is; before that, and whenever one falls, takes its group down.
   *
   * @param causes takes those because of whom groups were taken down
   */
  async #bringUp(launch: (child: Child) => Promise<void>, causes: Set<Child>): Promise<void> {
    this.#bringingUp = true;
    try {
      do {
        if (this.#isInterrupted) await this.#haltGroup(causes);
        for (const child of this.#children.values()) {
          if (!this.#host.isActive() || this.#isInterrupted) break;
          if (child.isDown) await launch(child);
        }
      } while (this.#host.isActive() && this.#isInterrupted);
    } finally {
      this.#bringingUp = false;
    }
  }

  get #isInterrupted(): boolean {
    return this.#inGroups && this.#fallen.size > 0;
  }

  /** Takes the group of the fallen down, in reverse order. */
  async #haltGroup(causes: Set<Child>): Promise<void> {
    await this.#intensity.pace();
    if (!this.#host.isActive()) return;
    if (!this.#intensity.allows()) {
      this.#host.giveUp();
      return;
    }
    const group = groupOf(this.#strategy, this.#children.values(), this.#fallen);
    for (const child of group.toReversed()) {
      // One that is being started, by hand or for the first time, is as good as restarted.
      if (!child.claimed) await child.halt();
      if (!this.#host.isActive()) return;
      if (child.restart === 'temporary' && child.ref && child.isDown && this.#has(child)) {
        this.#host.forget(child);
        this.#host.tellGone(child, 'shutdown');
      }
    }
    for (const child of group) if (this.#fallen.delete(child)) causes.add(child);
  }

  /** Whether the child could be started again. After a failure the event loop turns, so that a start that fails on and on leaves it free. */
  async #relaunch(child: Child): Promise<boolean> {
    try {
      await child.launch();
      return true;
    } catch (error) {
      this.#host.noteFault(toError(error));
      await nextTurn();
      return false;
    }
  }

  #has(child: Child): boolean {
    return this.#children.get(child.id) === child;
  }
}
